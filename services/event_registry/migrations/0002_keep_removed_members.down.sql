DROP TABLE removed_member;
