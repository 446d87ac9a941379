-- Snapshots and the data versions that they hold.

CREATE TABLE snapshot (
  snapshot_id     uuid PRIMARY KEY,
  event           text NOT NULL,
  organization    text NOT NULL,
  category        text NOT NULL,
  district_id     text NOT NULL,
  school_id       text NOT NULL,
  generation      int NOT NULL CHECK (generation >= 1),
  origin          text NOT NULL CHECK (
    origin IN ('STATE_SCHEDULED', 'STATE_MANUAL', 'DISTRICT_TAKEN', 'DISTRICT_RETAKEN')),
  state           text NOT NULL CHECK (state IN ('SEALING', 'SEALED', 'FAILED', 'SUPERSEDED')),
  taken_by        text NOT NULL,
  taken_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  sealed_at       timestamptz,
  root            bytea CHECK (octet_length(root) = 32),
  superseded_by   uuid REFERENCES snapshot,
  previous        uuid REFERENCES snapshot,
  failure_reason  text NOT NULL DEFAULT '',
  failure_message text NOT NULL DEFAULT '',
  UNIQUE (event, organization, generation),
  CHECK ((state IN ('SEALED', 'SUPERSEDED')) = (root IS NOT NULL)),
  CHECK ((root IS NULL) = (sealed_at IS NULL)),
  CHECK (state <> 'SUPERSEDED' OR superseded_by IS NOT NULL),
  CHECK (state <> 'SEALED' OR superseded_by IS NULL),
  CHECK ((state = 'FAILED') = (failure_reason <> ''))
);
CREATE INDEX snapshot_newest ON snapshot (taken_at DESC, snapshot_id DESC);
CREATE INDEX snapshot_organization ON snapshot (organization, taken_at DESC, snapshot_id DESC);
CREATE INDEX snapshot_event ON snapshot (event, taken_at DESC, snapshot_id DESC);

-- One row for each dataset of the event.
CREATE TABLE snapshot_version (
  snapshot_id uuid NOT NULL REFERENCES snapshot,
  dataset     text COLLATE "C" NOT NULL,
  version     bigint NOT NULL CHECK (version >= 0),
  rows        bigint NOT NULL DEFAULT 0 CHECK (rows >= 0),
  digest      bytea CHECK (octet_length(digest) = 32),
  PRIMARY KEY (snapshot_id, dataset)
);
