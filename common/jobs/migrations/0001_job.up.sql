-- The jobs of a service that has workers: the queue itself. Redis holds hints only.
CREATE TABLE job (
  id             uuid PRIMARY KEY,
  organization   text NOT NULL CHECK (organization <> ''),
  dedupe_key     bytea NOT NULL CHECK (octet_length(dedupe_key) = 32),
  state          text NOT NULL DEFAULT 'QUEUED' CHECK (
    state IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED')),
  priority       smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
  cost           bigint NOT NULL CHECK (cost >= 1),
  run_after      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- The fencing epoch: every claim raises it, every write of a worker names it.
  attempt        bigint NOT NULL DEFAULT 0,
  lease_owner    text,
  lease_until    timestamptz,
  -- The job said that it failed; its worker process died; worker and parent vanished.
  errors         int NOT NULL DEFAULT 0,
  crashes        int NOT NULL DEFAULT 0,
  abandons       int NOT NULL DEFAULT 0,
  progress_done  bigint NOT NULL DEFAULT 0,
  progress_total bigint NOT NULL DEFAULT 0,
  progress_phase text NOT NULL DEFAULT '',
  failure        text NOT NULL DEFAULT '',
  hinted_at      timestamptz,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at     timestamptz,
  finished_at    timestamptz,
  CHECK ((state = 'RUNNING') = (lease_until IS NOT NULL)),
  CHECK ((state IN ('QUEUED', 'RUNNING')) = (finished_at IS NULL))
);

-- Equal jobs that wait or run are one.
CREATE UNIQUE INDEX job_one_active ON job (dedupe_key) WHERE state IN ('QUEUED', 'RUNNING');
CREATE INDEX job_waiting ON job (hinted_at) WHERE state = 'QUEUED';
CREATE INDEX job_running ON job (lease_until) WHERE state = 'RUNNING';
CREATE INDEX job_started ON job (started_at);
CREATE INDEX job_finished ON job (finished_at);
