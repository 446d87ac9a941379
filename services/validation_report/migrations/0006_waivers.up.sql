-- Waivers: two people of the state say that FATAL findings do not block, until a day.

CREATE TABLE waiver (
  waiver_id     uuid PRIMARY KEY,
  event         text NOT NULL CHECK (event <> ''),
  category      text NOT NULL,
  organization  text NOT NULL,
  report_id     uuid NOT NULL REFERENCES report,
  rule_id       text NOT NULL,
  code          text NOT NULL,
  -- A group of findings of the report, or the fingerprint of one.
  target        bytea NOT NULL CHECK (octet_length(target) IN (16, 32)),
  findings      bigint NOT NULL CHECK (findings > 0),
  reason        text NOT NULL CHECK (reason <> ''),
  until_day     date NOT NULL,
  ends_at       timestamptz NOT NULL,
  asked_by      text NOT NULL,
  asked_at      timestamptz NOT NULL,
  confirmed_by  text NOT NULL DEFAULT '',
  confirmed_at  timestamptz,
  revoked_by    text NOT NULL DEFAULT '',
  revoked_at    timestamptz,
  revoke_reason text NOT NULL DEFAULT '',
  CHECK (confirmed_by <> asked_by),
  CHECK ((confirmed_at IS NULL) = (confirmed_by = '')),
  CHECK ((revoked_at IS NULL) = (revoked_by = ''))
);
CREATE UNIQUE INDEX waiver_asked ON waiver (report_id, target, until_day)
  WHERE revoked_at IS NULL;
CREATE INDEX waiver_of_organization ON waiver (organization, event, waiver_id);

-- What a waiver is about, in every report of its event and organisation.
-- evidence: waived_finding
CREATE TABLE waived_finding (
  organization text NOT NULL,
  event        text NOT NULL,
  fingerprint  bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  waiver_id    uuid NOT NULL REFERENCES waiver,
  PRIMARY KEY (organization, event, fingerprint, waiver_id)
);

-- What does not block at this moment.
CREATE VIEW waived AS
SELECT w.organization, w.event, w.fingerprint, w.waiver_id
  FROM waived_finding w JOIN waiver v ON v.waiver_id = w.waiver_id
 WHERE v.confirmed_at IS NOT NULL AND v.revoked_at IS NULL
   AND v.ends_at >= statement_timestamp();
