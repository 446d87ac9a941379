-- What the dataset service keeps beside the records. The tables of the records themselves and the
-- views of dataset_read are made from the definitions, after the migrations.

-- What is known of the datasets; written by --migrate, read by those who read the records.
CREATE TABLE definition (
  dataset       text PRIMARY KEY,
  title         text NOT NULL,
  description   text NOT NULL,
  key_columns   text[] NOT NULL,
  school_column text NOT NULL,
  builtin       boolean NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE definition_column (
  dataset       text NOT NULL REFERENCES definition ON DELETE CASCADE,
  ordinal       int NOT NULL,
  name          text NOT NULL,
  type          text NOT NULL CHECK (
    type IN ('STRING', 'INT64', 'DECIMAL', 'DATE', 'BOOL', 'TIMESTAMP', 'CODE', 'CODES')),
  length        int NOT NULL,
  precision     int NOT NULL,
  scale         int NOT NULL,
  code_list     text NOT NULL,
  required      boolean NOT NULL,
  personal_data text NOT NULL,
  description   text NOT NULL,
  unit          text NOT NULL,
  PRIMARY KEY (dataset, name)
);

CREATE TABLE code (
  code_list  text NOT NULL,
  code       text NOT NULL,
  label      text NOT NULL,
  valid_from date,
  valid_to   date,
  PRIMARY KEY (code_list, code)
);

-- The state's organisations, from event_registry's feed.
CREATE TABLE known_organization (
  organization_id text PRIMARY KEY,
  kind            text NOT NULL,
  parent_id       text NOT NULL,
  display_name    text NOT NULL
);
CREATE INDEX known_organization_parent ON known_organization (parent_id);

-- The counter of each copy, dataset and district. Its row is the lock of all that it counts.
CREATE TABLE data_version (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  dataset     text NOT NULL,
  district_id text NOT NULL,
  version     bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
  changed_at  timestamptz,
  row_count   bigint NOT NULL DEFAULT 0 CHECK (row_count >= 0),
  PRIMARY KEY (district_id, copy, dataset)
);

-- One row for each push that was answered: the ledger by batch id.
CREATE TABLE batch (
  batch_id         uuid PRIMARY KEY,
  dataset          text NOT NULL,
  district_id      text NOT NULL,
  mode             text NOT NULL CHECK (mode IN ('UPSERT', 'DELETE', 'REPLACE_ALL')),
  source_watermark text NOT NULL,
  content_sha256   bytea NOT NULL CHECK (octet_length(content_sha256) = 32),
  version          bigint NOT NULL DEFAULT 0,
  response         bytea,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX batch_district ON batch (district_id, dataset, created_at);

CREATE TABLE sync_issue (
  issue_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  dataset     text NOT NULL,
  district_id text NOT NULL,
  batch_id    uuid,
  resync_id   uuid,
  -- The batch or job that found it last.
  found_in    uuid NOT NULL,
  line        bigint NOT NULL,
  column_name text NOT NULL,
  reason      text NOT NULL,
  message     text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  open        boolean NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- What is found again is the same issue; a record whose key could not be read has none.
CREATE UNIQUE INDEX sync_issue_open
  ON sync_issue (district_id, dataset, copy, record_key, column_name, reason)
  WHERE open AND record_key <> '';
CREATE INDEX sync_issue_open_keyless ON sync_issue (district_id, dataset, copy)
  WHERE open AND record_key = '';
CREATE INDEX sync_issue_district ON sync_issue (district_id, issue_id);
CREATE INDEX sync_issue_batch ON sync_issue (batch_id, line) WHERE batch_id IS NOT NULL;

-- A sync of some datasets of a district; its job has the same id. An automatic one follows a push.
CREATE TABLE resync (
  resync_id   uuid PRIMARY KEY,
  automatic   boolean NOT NULL,
  district_id text NOT NULL,
  datasets    text[] NOT NULL,
  requester   text NOT NULL,
  started_at  timestamptz
);
CREATE INDEX resync_district ON resync (district_id, resync_id) WHERE NOT automatic;

-- What was done for one dataset.
CREATE TABLE resync_count (
  resync_id        uuid NOT NULL REFERENCES resync ON DELETE CASCADE,
  dataset          text NOT NULL,
  district_version bigint NOT NULL,
  state_version    bigint NOT NULL,
  read             bigint NOT NULL,
  inserted         bigint NOT NULL,
  updated          bigint NOT NULL,
  deleted          bigint NOT NULL,
  unchanged        bigint NOT NULL,
  refused          bigint NOT NULL,
  PRIMARY KEY (resync_id, dataset)
);
