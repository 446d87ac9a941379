-- Rules and groups of which a newer version may wait while another is in use.

-- `version` is the one in use; of a DRAFT the newest one.
ALTER TABLE rule
  -- NULL: there is no newer one than `version`.
  ADD COLUMN newest_version int CHECK (newest_version >= version),
  ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
  -- That a version be activated, while a second person is awaited.
  ADD COLUMN asked_version int,
  ADD COLUMN asked_by text NOT NULL DEFAULT '',
  ADD COLUMN asked_at timestamptz,
  ADD CHECK ((asked_version IS NULL) = (asked_by = '')),
  ADD CHECK ((asked_version IS NULL) = (asked_at IS NULL));

ALTER TABLE rule_version ADD COLUMN author text NOT NULL DEFAULT '';

-- Which versions were put into use, when, who asked first and who made it so: no other is in a
-- group. Both people are empty where nobody wrote them down.
-- evidence: rule_activation
CREATE TABLE rule_activation (
  rule_id      text NOT NULL,
  version      int NOT NULL,
  asked_by     text NOT NULL,
  activated_by text NOT NULL,
  activated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (rule_id, version, activated_at),
  FOREIGN KEY (rule_id, version) REFERENCES rule_version
);
INSERT INTO rule_activation (rule_id, version, asked_by, activated_by, activated_at)
SELECT rule_id, version, '', '', updated_at FROM rule WHERE state = 'ACTIVE';

ALTER TABLE rule_group
  ADD COLUMN newest_version int CHECK (newest_version >= version);

ALTER TABLE rule_group_version
  -- Days on which a severity schedule changes the severity of some rule.
  ADD COLUMN severity_changes date[] NOT NULL DEFAULT '{}';

ALTER TABLE rule_group_member
  -- An encoded edcert.validation.v1.RuleGroup.Member with only the values of parameters and the
  -- severity schedule.
  ADD COLUMN settings bytea NOT NULL DEFAULT '';

-- Which versions were put into use, when and by whom: events may pin no other.
-- evidence: rule_group_activation
CREATE TABLE rule_group_activation (
  rule_group_id text NOT NULL,
  version       int NOT NULL,
  activated_by  text NOT NULL,
  activated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (rule_group_id, version, activated_at),
  FOREIGN KEY (rule_group_id, version) REFERENCES rule_group_version
);
INSERT INTO rule_group_activation (rule_group_id, version, activated_by, activated_at)
SELECT rule_group_id, version, '', updated_at FROM rule_group WHERE state = 'ACTIVE';

-- By which severity schedules are judged, in the state's time zone; NULL: by none.
ALTER TABLE report ADD COLUMN severity_day date;
