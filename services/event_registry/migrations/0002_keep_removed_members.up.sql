-- Members that were removed, as they were: so who was a member at an instant can be told later.
-- evidence: removed_member
CREATE TABLE removed_member (
  member_id       text COLLATE "C" PRIMARY KEY,
  category_id     text COLLATE "C" NOT NULL,
  organization_id text COLLATE "C" NOT NULL,
  user_id         text COLLATE "C" NOT NULL,
  role            text NOT NULL,
  rank            text NOT NULL,
  title           text NOT NULL,
  valid_from      date NOT NULL,
  valid_to        date NOT NULL,
  delegate_id     text COLLATE "C",
  created_at      timestamptz NOT NULL,
  removed_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX removed_member_category ON removed_member (category_id, member_id);
