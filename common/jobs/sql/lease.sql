-- What a worker asks. Every statement but the claims names the attempt: a stale one changes no row.

-- name: claim
-- A job by its id. Of two claimers the second waits for the row, looks again and gets nothing.
-- $4 and $5: jobs abandoned that often are taken by one worker only.
UPDATE job SET state = 'RUNNING', attempt = attempt + 1, lease_owner = $2,
       lease_until = clock_timestamp() + $3 * interval '1 ms',
       abandons = abandons + (state = 'RUNNING')::int, started_at = clock_timestamp(),
       progress_done = 0, progress_total = 0, progress_phase = ''
 WHERE id = $1
   AND (state = 'QUEUED' AND run_after <= clock_timestamp()
        OR state = 'RUNNING' AND lease_until < clock_timestamp())
   AND (abandons < $4 OR $5)
RETURNING id, organization, state, attempt, priority, cost, progress_done, progress_total,
          progress_phase, failure, created_at, started_at, finished_at, errors, crashes, abandons,
          coalesce(extract(epoch FROM clock_timestamp() - away_since) * 1000, 0)::bigint
          AS away_millis;

-- name: claim_next
-- The job that is next without Redis: by priority, then of the organization with the fewest jobs
-- that run or were started in the last $5 milliseconds, then the oldest.
WITH busy AS (
  SELECT organization, count(*) AS started FROM job
   WHERE state = 'RUNNING' OR started_at > statement_timestamp() - $5 * interval '1 ms'
   GROUP BY organization),
next AS (
  SELECT job.id FROM job LEFT JOIN busy USING (organization)
   WHERE (state = 'QUEUED' AND run_after <= statement_timestamp()
          OR state = 'RUNNING' AND lease_until < statement_timestamp())
     AND (abandons < $3 OR $4)
   ORDER BY priority, coalesce(busy.started, 0), created_at, id LIMIT 1
   FOR UPDATE OF job SKIP LOCKED)
UPDATE job SET state = 'RUNNING', attempt = attempt + 1, lease_owner = $1,
       lease_until = clock_timestamp() + $2 * interval '1 ms',
       abandons = abandons + (state = 'RUNNING')::int, started_at = clock_timestamp(),
       progress_done = 0, progress_total = 0, progress_phase = ''
  FROM next WHERE job.id = next.id
RETURNING job.id, organization, state, attempt, priority, cost, progress_done, progress_total,
          progress_phase, failure, created_at, started_at, finished_at, errors, crashes, abandons,
          coalesce(extract(epoch FROM clock_timestamp() - away_since) * 1000, 0)::bigint
          AS away_millis;

-- name: heartbeat
UPDATE job SET lease_until = clock_timestamp() + $3 * interval '1 ms'
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: progress
UPDATE job SET lease_until = clock_timestamp() + $3 * interval '1 ms',
       progress_done = $4, progress_total = $5, progress_phase = $6
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: finish
UPDATE job SET state = 'COMPLETED', finished_at = clock_timestamp(), lease_until = NULL,
       progress_done = $3, progress_total = $4, progress_phase = $5
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: try_again
-- The job reported an error; it is due again after $3 milliseconds.
UPDATE job SET state = 'QUEUED', errors = errors + 1, lease_until = NULL, hinted_at = NULL,
       away_since = NULL,
       run_after = clock_timestamp() + $3 * interval '1 ms'
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: postpone
-- Something that the job needs is away: due again after as long as it has been away, but at least
-- $3 and at most $4 milliseconds.
UPDATE job SET state = 'QUEUED', lease_until = NULL, hinted_at = NULL,
       away_since = coalesce(away_since, clock_timestamp()),
       run_after = clock_timestamp() + least(greatest(
         coalesce(clock_timestamp() - away_since, interval '0'), $3 * interval '1 ms'),
         $4 * interval '1 ms')
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: fail
UPDATE job SET state = 'FAILED', finished_at = clock_timestamp(), lease_until = NULL, failure = $3
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2
RETURNING id, organization, state, attempt, priority, cost, progress_done, progress_total,
          progress_phase, failure, created_at, started_at, finished_at;

-- name: release
-- Given back by a worker that ends: due at once, counted as nothing.
UPDATE job SET state = 'QUEUED', lease_until = NULL, hinted_at = NULL,
       run_after = clock_timestamp() + $3 * interval '1 ms'
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2;

-- name: give_way
-- The same, but only when a better job waits.
UPDATE job SET state = 'QUEUED', lease_until = NULL, hinted_at = NULL,
       run_after = clock_timestamp()
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2
   AND EXISTS (SELECT FROM job better
                WHERE better.state = 'QUEUED' AND better.priority < job.priority
                  AND better.run_after <= clock_timestamp());

-- name: crash
-- The worker process died and its parent saw it. Due again soon after the first time, later after
-- more: $3 and $4 milliseconds.
UPDATE job SET state = 'QUEUED', crashes = crashes + 1, lease_until = NULL, hinted_at = NULL,
       run_after = clock_timestamp()
         + CASE WHEN crashes = 0 THEN $3::float8 ELSE $4::float8 END * interval '1 ms'
 WHERE id = $1 AND state = 'RUNNING' AND attempt = $2
RETURNING crashes;
