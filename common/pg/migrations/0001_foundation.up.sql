-- The tables that every service's schema has.

-- One row per accepted command: the second sending of a request finds its answer here.
CREATE TABLE idempotency (
  principal      text NOT NULL,
  method         text NOT NULL,
  request_id     uuid NOT NULL,
  request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
  response       bytea,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (principal, method, request_id)
);

-- One row per accepted command, written in its transaction.
-- evidence: audit
CREATE TABLE audit (
  id             uuid PRIMARY KEY,
  actor          text NOT NULL,
  on_behalf_by   text NOT NULL,
  method         text NOT NULL,
  subject        text NOT NULL,
  request_id     uuid NOT NULL,
  request_sha256 bytea NOT NULL,
  at             timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The change feed. Positions are given after commit by whoever reads first.
CREATE TABLE change (
  id          uuid PRIMARY KEY,
  subject     text NOT NULL,
  type        text NOT NULL,
  payload     bytea NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  position    bigint UNIQUE
);
CREATE INDEX change_unnumbered ON change (occurred_at) WHERE position IS NULL;

-- How far this service has read the feeds of others.
CREATE TABLE feed_cursor (
  feed     text PRIMARY KEY,
  position bigint NOT NULL DEFAULT 0
);

-- Changes of others that could not be applied, with the reason.
CREATE TABLE parked_change (
  feed      text NOT NULL,
  position  bigint NOT NULL,
  subject   text NOT NULL,
  type      text NOT NULL,
  reason    text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (feed, position)
);
