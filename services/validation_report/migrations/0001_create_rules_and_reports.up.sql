-- Rules, their groups, and the reports that run them.

CREATE TABLE rule (
  rule_id     text PRIMARY KEY CHECK (rule_id <> ''),
  code        text NOT NULL UNIQUE CHECK (code <> ''),
  state       text NOT NULL DEFAULT 'DRAFT' CHECK (
    state IN ('DRAFT', 'ACTIVE', 'INACTIVE', 'ARCHIVED')),
  version     int NOT NULL DEFAULT 1 CHECK (version >= 1),
  row_version bigint NOT NULL DEFAULT 1,
  -- Of the newest version, for the list.
  severity    smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  datasets    text[] NOT NULL CHECK (cardinality(datasets) BETWEEN 1 AND 8),
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What an author wrote: an encoded edcert.validation.v1.Rule without its output-only fields.
-- evidence: rule_version
CREATE TABLE rule_version (
  rule_id    text NOT NULL REFERENCES rule,
  version    int NOT NULL CHECK (version >= 1),
  content    bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (rule_id, version)
);

CREATE TABLE rule_group (
  rule_group_id text PRIMARY KEY CHECK (rule_group_id <> ''),
  level         text NOT NULL CHECK (level IN ('DISTRICT', 'SCHOOL')),
  state         text NOT NULL DEFAULT 'DRAFT' CHECK (state IN ('DRAFT', 'ACTIVE', 'INACTIVE')),
  version       int NOT NULL DEFAULT 1 CHECK (version >= 1),
  row_version   bigint NOT NULL DEFAULT 1,
  title         text NOT NULL CHECK (title <> ''),
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rule_group_by_title ON rule_group (title COLLATE "C", rule_group_id COLLATE "C");

-- evidence: rule_group_version
CREATE TABLE rule_group_version (
  rule_group_id text NOT NULL REFERENCES rule_group,
  version       int NOT NULL CHECK (version >= 1),
  title         text NOT NULL,
  datasets      text[] NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (rule_group_id, version)
);

-- evidence: rule_group_member
CREATE TABLE rule_group_member (
  rule_group_id text NOT NULL,
  version       int NOT NULL,
  place         int NOT NULL,
  rule_id       text NOT NULL,
  rule_version  int NOT NULL,
  -- In this group: the rule's own or a graver one.
  severity      smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  PRIMARY KEY (rule_group_id, version, place),
  UNIQUE (rule_group_id, version, rule_id),
  FOREIGN KEY (rule_group_id, version) REFERENCES rule_group_version,
  FOREIGN KEY (rule_id, rule_version) REFERENCES rule_version
);

-- What was asked and, once the job is COMPLETED, what it gave. Its state is the job's.
CREATE TABLE report (
  report_id                 uuid PRIMARY KEY REFERENCES job (id),
  title                     text NOT NULL,
  event                     text NOT NULL,
  event_title               text NOT NULL,
  organization              text NOT NULL,
  organization_display_name text NOT NULL,
  district                  text NOT NULL,
  kind                      text NOT NULL CHECK (kind IN ('DISTRICT_DATA', 'STATE_DATA', 'SNAPSHOT')),
  format                    text NOT NULL CHECK (format IN ('HTML', 'CSV')),
  snapshot                  text NOT NULL,
  requester                 text NOT NULL,
  rule_group_id             text NOT NULL,
  rule_group_version        int NOT NULL,
  -- One element for each dataset.
  datasets                  text[] NOT NULL,
  versions                  bigint[] NOT NULL,
  rows                      bigint[] NOT NULL,
  created_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- The attempt whose chunks are the file; NULL until there is one.
  result_attempt            bigint,
  -- Rules that found something, findings, rules in error: for INFO, then up to FATAL.
  counts                    bigint[] CHECK (cardinality(counts) = 12),
  truncated                 boolean,
  sha256                    bytea CHECK (octet_length(sha256) = 32),
  size                      bigint,
  media_type                text,
  file_name                 text,
  FOREIGN KEY (rule_group_id, rule_group_version) REFERENCES rule_group_version,
  CHECK (cardinality(datasets) = cardinality(versions)
         AND cardinality(datasets) = cardinality(rows)),
  CHECK ((kind = 'SNAPSHOT') = (snapshot <> '')),
  CHECK ((result_attempt IS NULL) = (sha256 IS NULL))
);
CREATE INDEX report_newest ON report (created_at, report_id);
CREATE INDEX report_of_organization ON report (organization, created_at, report_id);
CREATE INDEX report_of_district ON report (district, created_at, report_id);
CREATE INDEX report_of_event ON report (event, created_at, report_id);

-- The rendered file in pieces of 64 KiB. Pieces of an attempt that lost are never read.
CREATE TABLE report_artifact (
  report_id uuid NOT NULL REFERENCES report,
  attempt   bigint NOT NULL,
  place     int NOT NULL,
  bytes     bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 65536),
  PRIMARY KEY (report_id, attempt, place)
);
ALTER TABLE report_artifact ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- The rules of a finished run, worst severity first.
-- evidence: report_rule
CREATE TABLE report_rule (
  report_id    uuid NOT NULL REFERENCES report,
  place        int NOT NULL,
  rule_id      text NOT NULL,
  rule_version int NOT NULL,
  code         text NOT NULL,
  severity     smallint NOT NULL,
  dataset      text NOT NULL,
  outcome      text NOT NULL CHECK (outcome IN ('PASS', 'FAIL', 'ERROR')),
  findings     bigint NOT NULL,
  error        text NOT NULL,
  PRIMARY KEY (report_id, place)
);

-- What a finished run found, in the order of the list.
-- evidence: finding
CREATE TABLE finding (
  report_id   uuid NOT NULL,
  place       int NOT NULL,
  rule_place  int NOT NULL,
  record_key  text NOT NULL,
  school      text NOT NULL,
  fields      jsonb NOT NULL,
  message     text NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  PRIMARY KEY (report_id, place),
  FOREIGN KEY (report_id, rule_place) REFERENCES report_rule
);
CREATE INDEX finding_of_rule ON finding (report_id, rule_place, place);

-- Who took a report's file to its last byte, and when first.
-- evidence: report_view
CREATE TABLE report_view (
  report_id       uuid NOT NULL REFERENCES report,
  user_name       text NOT NULL,
  first_viewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (report_id, user_name)
);
