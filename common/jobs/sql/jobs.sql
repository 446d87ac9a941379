-- What the owner of a job asks for.

-- name: accept
-- The hint follows the commit, so the sweeper waits before it pushes one of its own.
INSERT INTO job (id, organization, dedupe_key, priority, cost, hinted_at)
VALUES ($1, $2, sha256($3), $4, $5, clock_timestamp())
ON CONFLICT (dedupe_key) WHERE state IN ('QUEUED', 'RUNNING') DO NOTHING;

-- name: find_active
SELECT id FROM job WHERE dedupe_key = sha256($1) AND state IN ('QUEUED', 'RUNNING');

-- name: find
SELECT id, organization, state, attempt, priority, cost, progress_done, progress_total,
       progress_phase, failure, created_at, started_at, finished_at
  FROM job WHERE id = $1;

-- name: position_of
-- The line in the order of dispatch: by priority, then one job of each organization in turn.
-- Expected start: the mean time of the last jobs, for each place in line, divided by the jobs that
-- run at once.
WITH lane AS (
  SELECT id, priority, created_at, run_after,
         row_number() OVER (PARTITION BY priority, organization ORDER BY created_at, id) AS turn
    FROM job WHERE state = 'QUEUED'),
line AS (
  SELECT id, run_after, row_number() OVER (ORDER BY priority, turn, created_at, id) AS position
    FROM lane),
recent AS (
  SELECT finished_at - started_at AS took FROM job
   WHERE finished_at > statement_timestamp() - interval '1 hour' AND state = 'COMPLETED'
   ORDER BY finished_at DESC LIMIT 50),
pace AS (
  SELECT coalesce((SELECT avg(took) FROM recent), interval '1 s')
         / greatest((SELECT count(*) FROM job WHERE state = 'RUNNING'), 1) AS each)
SELECT line.position, greatest(line.run_after, clock_timestamp() + line.position * pace.each)
         AS expected_start
  FROM line, pace WHERE line.id = $1;

-- name: cancel
UPDATE job SET state = 'CANCELLED', finished_at = clock_timestamp(), lease_until = NULL
 WHERE id = $1 AND state IN ('QUEUED', 'RUNNING');

-- name: retry
UPDATE job SET state = 'QUEUED', errors = 0, crashes = 0, abandons = 0, away_since = NULL, failure = '',
       run_after = clock_timestamp(), hinted_at = NULL, finished_at = NULL,
       progress_done = 0, progress_total = 0, progress_phase = ''
 WHERE id = $1 AND state = 'FAILED';
