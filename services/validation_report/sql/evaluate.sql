-- What comes before the statements of rules in their transaction.

-- name: read_only
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: limit_time
SET LOCAL statement_timeout = '60s';

-- name: no_jit
SET LOCAL jit = off;

-- name: one_process
SET LOCAL max_parallel_workers_per_gather = 0;

-- name: sort_memory
SET LOCAL work_mem = '32MB';

-- name: no_nested_loops
-- A table that was filled a moment ago has no statistics: the planner would take a district for a
-- few rows and compare each with each. Every join of a rule has keys, so hashing always fits.
SET LOCAL enable_nestloop = off;

-- name: bytewise_order
-- Whether texts are ordered by their bytes.
SELECT datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8') AS bytewise
  FROM pg_catalog.pg_database WHERE datname = current_database();
