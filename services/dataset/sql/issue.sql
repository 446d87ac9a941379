-- name: put_keyed
-- The issues of the batch's rejected rows: new ones, and old ones found again.
INSERT INTO dataset.sync_issue
  (copy, dataset, district_id, batch_id, resync_id, found_in, line, column_name, reason, message,
   record_key)
SELECT $1, $2, $3, $4::uuid, $5::uuid, $6::uuid, f.line, f.column_name, f.reason, f.message,
       f.record_key
  FROM (SELECT DISTINCT ON (record_key, column_name, reason)
               line, column_name, reason, message, record_key
          FROM batch_row WHERE reason IS NOT NULL AND record_key IS NOT NULL
         ORDER BY record_key, column_name, reason, line) f
 ORDER BY f.line, f.record_key
ON CONFLICT (district_id, dataset, copy, record_key, column_name, reason)
      WHERE open AND record_key <> ''
DO UPDATE SET batch_id = excluded.batch_id, resync_id = excluded.resync_id,
              found_in = excluded.found_in, line = excluded.line, message = excluded.message,
              updated_at = clock_timestamp();

-- name: put_keyless
INSERT INTO dataset.sync_issue
  (copy, dataset, district_id, batch_id, resync_id, found_in, line, column_name, reason, message,
   record_key)
SELECT $1, $2, $3, $4::uuid, $5::uuid, $6::uuid, line, column_name, reason, message, ''
  FROM batch_row WHERE reason IS NOT NULL AND record_key IS NULL ORDER BY line;

-- name: close_all
-- Unless this batch found them again.
UPDATE dataset.sync_issue
   SET open = false, updated_at = clock_timestamp()
 WHERE open AND copy = $1 AND dataset = $2 AND district_id = $3 AND found_in <> $4::uuid;

-- name: close_brought
-- The same of the records that this batch brought: a join, whatever the size of the batch.
UPDATE dataset.sync_issue
   SET open = false, updated_at = clock_timestamp()
 WHERE open AND copy = $1 AND dataset = $2 AND district_id = $3 AND found_in <> $4::uuid
   AND record_key IN (SELECT record_key FROM batch_row WHERE record_key IS NOT NULL);

-- name: first_of_batch
SELECT issue_id, copy, dataset, district_id, batch_id, resync_id, line, column_name, reason,
       message, record_key, open, created_at, updated_at
  FROM dataset.sync_issue WHERE batch_id = $1 ORDER BY line, issue_id LIMIT $2;

-- name: list_issues
SELECT issue_id, copy, dataset, district_id, batch_id, resync_id, line, column_name, reason,
       message, record_key, open, created_at, updated_at
  FROM dataset.sync_issue
 WHERE district_id = $1
   AND ($2 = '' OR dataset = $2)
   AND ($3 = '' OR copy = $3)
   AND ($4::uuid IS NULL OR batch_id = $4::uuid)
   AND ($5::uuid IS NULL OR resync_id = $5::uuid)
   AND (open OR NOT $6::boolean)
   AND ($7::bigint = 0 OR issue_id < $7::bigint)
 ORDER BY issue_id DESC LIMIT $8;

-- name: datasets_with_unknown_schools
SELECT DISTINCT dataset FROM dataset.sync_issue
 WHERE open AND copy = 'STATE' AND district_id = $1 AND reason = 'SCHOOL_UNKNOWN';
