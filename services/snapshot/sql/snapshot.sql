-- name: lock_generation
-- One snapshot of an event and organisation at a time.
SELECT pg_advisory_xact_lock(hashtextextended('edcert snapshot ' || $1::text || ' ' || $2::text, 0));

-- name: newest
-- The newest generation, which keeps its state until the transaction ends, and what the quota needs
-- to know.
SELECT s.snapshot_id, s.generation, s.state,
       (SELECT count(l.snapshot_id) FROM snapshot.snapshot l
         WHERE l.event = $1 AND l.organization = $2 AND l.state = 'SEALING'
           AND l.origin IN ('DISTRICT_TAKEN', 'DISTRICT_RETAKEN')) AS local_sealing,
       (SELECT count(l.snapshot_id) FROM snapshot.snapshot l
         WHERE l.event = $1 AND l.organization = $2
           AND l.origin IN ('DISTRICT_TAKEN', 'DISTRICT_RETAKEN')
           AND l.taken_at > clock_timestamp() - interval '1 hour') AS local_in_hour,
       (SELECT min(l.taken_at) + interval '1 hour' FROM snapshot.snapshot l
         WHERE l.event = $1 AND l.organization = $2
           AND l.origin IN ('DISTRICT_TAKEN', 'DISTRICT_RETAKEN')
           AND l.taken_at > clock_timestamp() - interval '1 hour') AS next_in_hour
  FROM snapshot.snapshot s
 WHERE s.event = $1 AND s.organization = $2
 ORDER BY s.generation DESC
 LIMIT 1
   FOR UPDATE OF s;

-- name: freeze
-- The freeze itself: one statement, so one moment for all datasets. No record and no version is
-- locked, no record is read. A dataset that never got a record has version 0. Answers each dataset
-- with how many rows its version counts.
WITH taken AS (
  INSERT INTO snapshot.snapshot (snapshot_id, event, organization, category, district_id, school_id,
                                 generation, origin, state, taken_by, previous)
  VALUES ($1, $2, $3, $4, $5, $6, $7::int, $8, 'SEALING', $9, $10::uuid)
  RETURNING snapshot_id, taken_at),
present AS MATERIALIZED (
  SELECT wanted.dataset, coalesce(v.version, 0) AS version, coalesce(v.row_count, 0) AS row_count
    FROM unnest($11::text[]) AS wanted (dataset)
    LEFT JOIN dataset_read.data_version v
      ON v.copy = 'STATE' AND v.district_id = $5 AND v.dataset = wanted.dataset),
written AS (
  INSERT INTO snapshot.snapshot_version (snapshot_id, dataset, version)
  SELECT taken.snapshot_id, present.dataset, present.version FROM taken CROSS JOIN present)
SELECT present.dataset, present.version, present.row_count, taken.taken_at
  FROM taken CROSS JOIN present
 ORDER BY present.dataset COLLATE "C";

-- name: lock_state
-- Where a snapshot is, until the transaction ends.
SELECT s.state, s.superseded_by IS NULL AS newest
  FROM snapshot.snapshot s
 WHERE s.snapshot_id = $1
   FOR UPDATE;

-- name: supersede
UPDATE snapshot.snapshot SET superseded_by = $2::uuid, state = $3 WHERE snapshot_id = $1;

-- name: get
SELECT s.snapshot_id, s.event, s.organization, s.category, s.district_id, s.school_id, s.generation,
       s.origin, s.state, s.taken_by, s.taken_at, s.sealed_at, s.root, s.superseded_by, s.previous,
       s.failure_reason, s.failure_message
  FROM snapshot.snapshot s
 WHERE s.snapshot_id = $1;

-- name: list
-- A page, newest first, after the key ($6, $7). Who does not see everything sees, of the events $10,
-- the organisations $2 and the schools of the districts $9, or with $11 what $4 asked for.
SELECT s.snapshot_id, s.event, s.organization, s.category, s.district_id, s.school_id, s.generation,
       s.origin, s.state, s.taken_by, s.taken_at, s.sealed_at, s.root, s.superseded_by, s.previous,
       s.failure_reason, s.failure_message
  FROM snapshot.snapshot s
 WHERE ($1::boolean
        OR (s.event = ANY ($10::text[])
            AND ($11::boolean OR s.organization = ANY ($2::text[])
                 OR 'organizations/' || s.district_id = ANY ($9::text[]))))
   AND ($3 = '' OR s.event = $3)
   AND ($4 = '' OR s.organization = $4)
   AND (cardinality($5::text[]) = 0 OR s.state = ANY ($5::text[]))
   AND ($6::timestamptz IS NULL OR (s.taken_at, s.snapshot_id) < ($6, $7::uuid))
 ORDER BY s.taken_at DESC, s.snapshot_id DESC
 LIMIT $8;

-- name: versions
-- What snapshots hold, each sorted by dataset.
SELECT v.snapshot_id, v.dataset, v.version, v.rows, v.digest
  FROM snapshot.snapshot_version v
 WHERE v.snapshot_id = ANY ($1::uuid[])
 ORDER BY v.snapshot_id, v.dataset;

-- name: current_versions
-- The state copy's versions at this moment, one for each dataset asked for.
SELECT wanted.dataset, coalesce(v.version, 0) AS version
  FROM unnest($2::text[]) AS wanted (dataset)
  LEFT JOIN dataset_read.data_version v
    ON v.copy = 'STATE' AND v.district_id = $1 AND v.dataset = wanted.dataset
 ORDER BY wanted.dataset COLLATE "C";

-- name: purged
-- Of these versions of a district, in the state's copy, one whose records may be missing.
SELECT asked.dataset, asked.version
  FROM unnest($2::text[], $3::bigint[]) AS asked (dataset, version)
 WHERE NOT dataset_read.version_is_kept('STATE', asked.dataset, $1, asked.version)
 LIMIT 1;

-- name: seal_version
UPDATE snapshot.snapshot_version SET rows = $3, digest = $4
 WHERE snapshot_id = $1 AND dataset = $2;

-- name: seal
UPDATE snapshot.snapshot SET state = $3, sealed_at = clock_timestamp(), root = $2
 WHERE snapshot_id = $1;

-- name: fail
UPDATE snapshot.snapshot SET state = $4, failure_reason = $2, failure_message = $3
 WHERE snapshot_id = $1;
