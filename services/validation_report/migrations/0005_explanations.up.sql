-- What the people of an organisation say to findings, kept by fingerprint: it stands in every later
-- run of the event that finds the same.

-- evidence: explanation
CREATE TABLE explanation (
  explanation_id uuid PRIMARY KEY,
  event          text NOT NULL CHECK (event <> ''),
  category       text NOT NULL,
  organization   text NOT NULL,
  code           text NOT NULL,
  report_id      uuid NOT NULL REFERENCES report,
  text           text NOT NULL CHECK (text <> ''),
  author         text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- The newest of a rule, to be offered again. Ids grow with time.
CREATE INDEX explanation_of_rule ON explanation (organization, category, code, explanation_id);

-- The newest explanation of each finding. Of a rule that could not be run: of the id of its group.
CREATE TABLE explained_finding (
  organization   text NOT NULL,
  fingerprint    bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  event          text NOT NULL,
  category       text NOT NULL,
  explanation_id uuid NOT NULL REFERENCES explanation,
  explained_at   timestamptz NOT NULL,
  PRIMARY KEY (organization, fingerprint, event)
);
