-- What the sweeper asks: each second, by every replica of the API.

-- name: sweep
-- Jobs to push again, longest forgotten first: queued and due, or with an expired lease. Rows that
-- another replica is sweeping are skipped.
WITH due AS (
  SELECT id FROM job
   WHERE (state = 'QUEUED' AND run_after <= statement_timestamp()
          OR state = 'RUNNING' AND lease_until < statement_timestamp())
     AND (hinted_at IS NULL OR hinted_at < statement_timestamp() - $1 * interval '1 ms')
   ORDER BY hinted_at NULLS FIRST, created_at LIMIT $2
   FOR UPDATE SKIP LOCKED)
UPDATE job SET hinted_at = clock_timestamp() FROM due WHERE job.id = due.id
RETURNING job.id, job.organization, job.priority, job.cost;

-- name: count_active
SELECT count(*) FILTER (WHERE state = 'QUEUED') AS waiting,
       count(*) FILTER (WHERE state = 'RUNNING') AS running
  FROM job WHERE state IN ('QUEUED', 'RUNNING');

-- name: list_finished
-- A commit may come a while after its finished_at, so the window is longer than the tick.
SELECT id, state, finished_at FROM job
 WHERE finished_at > statement_timestamp() - $1 * interval '1 ms' AND state <> 'EXPIRED'
 ORDER BY finished_at DESC LIMIT $2;
