-- Findings keep their identity from run to run and are grouped by their probable cause.

-- The runs of a rule group over the records of one kind of an organisation, in the order in which
-- they were completed: one that repeats the last at the same versions adds nothing to it.
CREATE TABLE finding_chain (
  chain_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization  text NOT NULL,
  kind          text NOT NULL,
  rule_group_id text NOT NULL REFERENCES rule_group,
  -- How many runs it has, and the last of them.
  run           bigint NOT NULL DEFAULT 0,
  report_id     uuid NOT NULL REFERENCES report,
  UNIQUE (organization, kind, rule_group_id)
);

-- A rule as the last run left it that could judge it.
CREATE TABLE chain_rule (
  chain_id  bigint NOT NULL REFERENCES finding_chain,
  code      text NOT NULL,
  -- Rows of known_finding that are not gone.
  known     bigint NOT NULL CHECK (known >= 0),
  -- Whether it found more than was stored.
  cut       boolean NOT NULL,
  judged_at timestamptz NOT NULL,
  PRIMARY KEY (chain_id, code)
);

-- Every finding that a chain has stored: written when something becomes of it, not by each run.
CREATE TABLE known_finding (
  chain_id    bigint NOT NULL REFERENCES finding_chain,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  code        text NOT NULL,
  -- The finding as it was when it was found first, or last came back.
  report_id   uuid NOT NULL,
  place       int NOT NULL,
  first_run   bigint NOT NULL,
  -- Whether the runs before surely did not find it.
  surely_new  boolean NOT NULL,
  first_seen  timestamptz NOT NULL,
  -- The run since which it has stood.
  since_run   bigint NOT NULL,
  -- The run that did not find it any more; NULL while it stands.
  gone_run    bigint,
  PRIMARY KEY (chain_id, fingerprint)
);
CREATE INDEX known_finding_gone ON known_finding (chain_id, gone_run) WHERE gone_run IS NOT NULL;
-- A chain is written by one transaction at a time; looking its row up again for each finding would
-- be most of the time of writing them.
ALTER TABLE known_finding DROP CONSTRAINT known_finding_chain_id_fkey;

-- NULL in reports of before.
ALTER TABLE report
  ADD COLUMN chain_id bigint REFERENCES finding_chain,
  ADD COLUMN previous_report_id uuid REFERENCES report,
  -- Findings that are NEW, OPEN, REGRESSED, FIXED and UNKNOWN: for INFO, then up to FATAL.
  ADD COLUMN changes bigint[] CHECK (cardinality(changes) = 20);

ALTER TABLE report_rule
  ADD COLUMN stored bigint,
  ADD COLUMN changes bigint[] CHECK (cardinality(changes) = 5);

-- 1 NEW, 2 OPEN, 3 REGRESSED, 5 UNKNOWN.
ALTER TABLE finding
  ADD COLUMN change smallint CHECK (change IN (1, 2, 3, 5)),
  ADD COLUMN group_place int;

-- What the run before found and this one did not, as it was when it was found first. The places
-- follow those of the findings.
-- evidence: fixed_finding
CREATE TABLE fixed_finding (
  report_id   uuid NOT NULL REFERENCES report,
  place       int NOT NULL,
  rule_place  int NOT NULL,
  record_key  text NOT NULL,
  school      text NOT NULL,
  fields      jsonb NOT NULL,
  message     text NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  -- When the last run ended that could judge its rule.
  last_seen   timestamptz NOT NULL,
  PRIMARY KEY (report_id, place)
);

-- Findings of a rule with probably one cause, in the order of the list.
-- evidence: finding_group
CREATE TABLE finding_group (
  report_id   uuid NOT NULL REFERENCES report,
  place       int NOT NULL,
  rule_place  int NOT NULL,
  group_id    bytea NOT NULL CHECK (octet_length(group_id) = 16),
  -- Values by column; empty for the findings without a common cause.
  cause       jsonb NOT NULL,
  description text NOT NULL,
  -- 0: the rule could not be run.
  size        bigint NOT NULL CHECK (size >= 0),
  -- Of them NEW, and REGRESSED.
  size_new    bigint NOT NULL,
  size_back   bigint NOT NULL,
  PRIMARY KEY (report_id, place)
);
