ALTER TABLE rule_group DROP COLUMN deactivated_at;
