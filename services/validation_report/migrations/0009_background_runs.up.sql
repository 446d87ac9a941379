-- What the rules in use find in records as they are, counted in the background.

-- A rule group over one copy of a district's records.
CREATE TABLE background_run (
  rule_group_id      text NOT NULL REFERENCES rule_group,
  organization       text NOT NULL CHECK (organization <> ''),
  copy               text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  -- When it is to be counted again; NULL: nothing changed since it was asked for.
  due_at             timestamptz,
  -- Who counts, or counted last.
  job_id             uuid UNIQUE,
  -- What the counts are of; NULL until there are any.
  rule_group_version int,
  severity_day       date,
  datasets           text[],
  versions           bigint[],
  rows               bigint[],
  -- Rules that compare with last year and were not run.
  left_out           int,
  counted_at         timestamptz,
  PRIMARY KEY (rule_group_id, organization, copy),
  CHECK (cardinality(datasets) = cardinality(versions)
         AND cardinality(datasets) = cardinality(rows)),
  CHECK ((counted_at IS NULL) = (rule_group_version IS NULL))
);
CREATE INDEX background_run_due ON background_run (due_at) WHERE due_at IS NOT NULL;

-- Its rules, worst severity first.
CREATE TABLE background_count (
  rule_group_id text NOT NULL,
  organization  text NOT NULL,
  copy          text NOT NULL,
  place         int NOT NULL,
  rule_id       text NOT NULL,
  rule_version  int NOT NULL,
  code          text NOT NULL,
  severity      smallint NOT NULL,
  dataset       text NOT NULL,
  outcome       text NOT NULL CHECK (outcome IN ('PASS', 'FAIL', 'ERROR')),
  findings      bigint NOT NULL,
  error         text NOT NULL,
  PRIMARY KEY (rule_group_id, organization, copy, place),
  FOREIGN KEY (rule_group_id, organization, copy) REFERENCES background_run
);
