-- name: insert
INSERT INTO dataset.resync (resync_id, automatic, district_id, datasets, requester)
VALUES ($1, $2::boolean, $3, $4::text[], $5);

-- name: find_waiting
-- An equal one that no worker has taken yet.
SELECT r.resync_id
  FROM dataset.resync r JOIN dataset.job j ON j.id = r.resync_id
 WHERE NOT r.automatic AND r.district_id = $1 AND r.datasets = $2::text[] AND j.state = 'QUEUED'
   AND j.attempt = 0
 ORDER BY r.resync_id LIMIT 1;

-- name: count_waiting
SELECT count(r.resync_id) AS waiting
  FROM dataset.resync r JOIN dataset.job j ON j.id = r.resync_id
 WHERE NOT r.automatic AND r.district_id = $1 AND j.state = 'QUEUED';

-- name: count_rows
-- About how many records a sync of these datasets reads.
SELECT coalesce(sum(v.row_count), 0)::bigint AS rows
  FROM dataset.data_version v
 WHERE v.copy = 'DISTRICT' AND v.district_id = $1 AND v.dataset = ANY ($2::text[]);

-- name: get
SELECT r.resync_id, r.automatic, r.district_id, r.datasets, r.requester, r.started_at, j.state,
       j.attempt, j.progress_done, j.progress_total, j.progress_phase, j.failure, j.created_at,
       j.finished_at
  FROM dataset.resync r JOIN dataset.job j ON j.id = r.resync_id
 WHERE r.resync_id = $1;

-- name: list_resyncs
SELECT r.resync_id, r.automatic, r.district_id, r.datasets, r.requester, r.started_at, j.state,
       j.attempt, j.progress_done, j.progress_total, j.progress_phase, j.failure, j.created_at,
       j.finished_at
  FROM dataset.resync r JOIN dataset.job j ON j.id = r.resync_id
 WHERE NOT r.automatic
   AND ($1::text[] IS NULL OR r.district_id = ANY ($1::text[]))
   AND (cardinality($2::text[]) = 0 OR j.state = ANY ($2::text[]))
   AND ($3::uuid IS NULL OR r.resync_id < $3::uuid)
 ORDER BY r.resync_id DESC LIMIT $4;

-- name: counts
SELECT resync_id, dataset, district_version, state_version, read, inserted, updated, deleted,
       unchanged, refused
  FROM dataset.resync_count WHERE resync_id = ANY ($1::uuid[]) ORDER BY dataset;

-- name: put_count
INSERT INTO dataset.resync_count
  (resync_id, dataset, district_version, state_version, read, inserted, updated, deleted,
   unchanged, refused)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (resync_id, dataset) DO UPDATE
   SET district_version = excluded.district_version, state_version = excluded.state_version,
       read = excluded.read, inserted = excluded.inserted, updated = excluded.updated,
       deleted = excluded.deleted, unchanged = excluded.unchanged, refused = excluded.refused;

-- name: start
UPDATE dataset.resync SET started_at = coalesce(started_at, clock_timestamp())
 WHERE resync_id = $1;
