-- What is counted in the background at schools, and what people were told of it.

ALTER TABLE background_run
  -- Whose records are counted: that of the school, or itself. Empty as in all that was written
  -- before: the organisation is the district.
  ADD COLUMN district text NOT NULL DEFAULT '',
  -- When its FATAL findings were last compared with those of a day before.
  ADD COLUMN told_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX background_run_told ON background_run (told_at)
  WHERE copy = 'DISTRICT' AND counted_at IS NOT NULL;

-- How many FATAL findings a rule had then.
CREATE TABLE background_told (
  rule_group_id text NOT NULL,
  organization  text NOT NULL,
  copy          text NOT NULL,
  rule_id       text NOT NULL,
  findings      bigint NOT NULL,
  PRIMARY KEY (rule_group_id, organization, copy, rule_id),
  FOREIGN KEY (rule_group_id, organization, copy) REFERENCES background_run
);
