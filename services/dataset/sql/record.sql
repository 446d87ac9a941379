-- name: settings
-- For the transaction of a batch: it sorts and joins all rows of a district, waits for its turn at
-- the version row, and its statements are too short-lived to be compiled. Its temporary table has
-- no statistics and those of the district may be old: the planner would take both for a few rows
-- and compare each with each. So it may not; where one by one is right, the statement says so.
SELECT set_config('work_mem', '64MB', true), set_config('lock_timeout', '60s', true),
       set_config('jit', 'off', true), set_config('enable_nestloop', 'off', true);

-- name: create_batch
-- The rows of the batch; they go with the transaction, however it ends. Made without a look at the
-- table of the records, which would keep a column from being added for as long as a push takes.
CREATE TEMPORARY TABLE batch_row (
  line bigint, reason text, column_name text, message text, ${typed_columns},
  record_key text COLLATE "C", row_hash bytea) ON COMMIT DROP;

-- name: create_differences
-- What differs between the batch and the table: the record that stands there, if any, and the row of
-- the batch that takes its place; without one it is removed. By place, which nobody changes while the
-- version row is locked: so the rows of both are joined once, and not by each statement.
CREATE TEMPORARY TABLE batch_difference (present tid, put tid) ON COMMIT DROP;

-- name: drop_batch
DROP TABLE batch_row, batch_difference;

-- name: copy_batch
COPY batch_row (${batch_columns}) FROM STDIN (FORMAT binary);

-- name: standing_version
SELECT version, row_count FROM dataset.data_version
 WHERE copy = $1 AND dataset = $2 AND district_id = $3;

-- name: copy_standing
-- Where what stood at the version and still stands lies, and its hashes.
COPY (SELECT ctid, row_hash FROM ${table}
       WHERE copy = '${copy}' AND district_id = ${district} AND valid_from <= ${version})
  TO STDOUT (FORMAT binary);

-- name: unstage
-- What was staged before it was known to stand.
DELETE FROM batch_row WHERE line = ANY ($1::bigint[]) AND reason IS NULL;

-- name: closed_since
-- What stood at the version $3 and does not stand any more.
SELECT ctid AS place, row_hash
  FROM ${history}
 WHERE copy = $1 AND district_id = $2 AND valid_from <= $3::bigint AND valid_to > $3::bigint;

-- name: asked_for
-- What stands and has an open issue, which a batch that brings it closes; also, if $4, what has the
-- key of a row of the batch.
SELECT c.ctid AS place, c.row_hash
  FROM (SELECT record_key FROM dataset.sync_issue
         WHERE open AND copy = $1 AND dataset = $3 AND district_id = $2
        UNION
        SELECT record_key FROM batch_row WHERE $4 AND record_key IS NOT NULL) b
  JOIN ${current};

-- name: stage_again
INSERT INTO batch_row (line, ${columns}, record_key, row_hash)
SELECT p.line, ${c.columns}, c.record_key, c.row_hash
  FROM unnest($1::tid[], $2::bigint[]) p (place, line)
  JOIN ${source} c ON c.ctid = p.place
 WHERE c.ctid = ANY ($1::tid[]);

-- name: find_duplicates
SELECT EXISTS (SELECT FROM batch_row WHERE reason IS NULL
                GROUP BY record_key HAVING count(record_key) > 1) AS any;

-- name: reject_duplicates
-- Nobody can say which of them is meant, so none is taken.
UPDATE batch_row b
   SET reason = 'DUPLICATE_KEY', column_name = '',
       message = format('lines %s and %s have the same key', twice.first, twice.last)
  FROM (SELECT record_key, min(line) AS first, max(line) AS last
          FROM batch_row WHERE reason IS NULL
         GROUP BY record_key HAVING count(record_key) > 1) twice
 WHERE b.reason IS NULL AND b.record_key = twice.record_key;

-- name: ensure_version
INSERT INTO dataset.data_version (copy, dataset, district_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING;

-- name: ensure_versions
-- The same for every dataset that is pushed.
INSERT INTO dataset.data_version (copy, dataset, district_id)
SELECT $1, d.dataset, $2 FROM dataset.definition d WHERE d.keeper = 'SOURCE' ORDER BY d.dataset
ON CONFLICT DO NOTHING;

-- name: lock_versions
SELECT v.dataset, v.version, v.row_count
  FROM dataset.data_version v
 WHERE v.copy = $1 AND v.district_id = $2
 ORDER BY v.dataset
   FOR UPDATE;

-- name: lock_table
-- From here on nobody changes the table or its definition.
LOCK TABLE ${table}, ${history} IN ROW EXCLUSIVE MODE;

-- name: lock_version
SELECT v.version, v.row_count,
       (SELECT d.revision FROM dataset.definition d WHERE d.dataset = v.dataset) AS revision
  FROM dataset.data_version v
 WHERE v.copy = $1 AND v.dataset = $2 AND v.district_id = $3 FOR UPDATE OF v;

-- name: hold_version
-- Keeps others from raising a version for as long as the transaction reads what it counts.
SELECT version, row_count FROM dataset.data_version
 WHERE copy = $1 AND dataset = $2 AND district_id = $3 FOR SHARE;

-- name: raise_version
UPDATE dataset.data_version
   SET version = $4, row_count = row_count + $5::bigint, changed_at = clock_timestamp()
 WHERE copy = $1 AND dataset = $2 AND district_id = $3;

-- name: current_of_many
-- What stands in the table now for the key of b: all rows of the district, read once.
${table} c ON c.copy = $1 AND c.district_id = $2 AND c.record_key = b.record_key

-- name: current_of_few
-- The same by a look at the index for each b; OFFSET 0 keeps the planner from another way.
LATERAL (SELECT r.ctid, r.row_hash
           FROM ${table} r
          WHERE r.copy = $1 AND r.district_id = $2 AND r.record_key = b.record_key OFFSET 0) c ON true

-- name: join_settings
-- From here on rows meet in hash tables: small ones one after the other, which stay in a cache. One
-- that holds all rows takes a third longer.
SELECT set_config('work_mem', '4MB', true);

-- name: list_deleted
-- Mode DELETE: the listed keys that are there; one that is listed twice goes once.
INSERT INTO batch_difference (present)
SELECT DISTINCT c.ctid
  FROM batch_row b
  JOIN ${current}
 WHERE b.reason IS NULL;

-- name: list_changed
-- Mode UPSERT, and what the sync staged: what is new or not the same; what is the same is not even
-- locked.
INSERT INTO batch_difference (present, put)
SELECT c.ctid, b.ctid
  FROM batch_row b
  LEFT JOIN ${current}
 WHERE b.reason IS NULL AND c.row_hash IS DISTINCT FROM b.row_hash;

-- name: list_replaced
-- Mode REPLACE_ALL: also what is not in the batch. What the batch brought without staging it stood at
-- the version $3, and is not among those that did, too, whose hashes begin with $4.
INSERT INTO batch_difference (present, put)
SELECT c.ctid, b.ctid
  FROM (SELECT ctid, record_key, row_hash FROM batch_row WHERE reason IS NULL) b
  FULL JOIN (SELECT ctid, record_key, row_hash FROM ${table}
              WHERE copy = $1 AND district_id = $2
                AND (valid_from > $3::bigint
                     OR substr(row_hash, 1, 16) IN (SELECT decode(prefix, 'hex')
                                                      FROM unnest($4::text[]) one (prefix)))) c
    ON c.record_key = b.record_key
 WHERE c.row_hash IS DISTINCT FROM b.row_hash;

-- name: count_in_place
-- How many of the records at the places $3 have hashes that begin with $4. The district is asked for
-- last: see close_changed.
SELECT count(c.row_hash) FILTER (WHERE c.copy = $1 AND c.district_id = $2) AS found
  FROM unnest($3::tid[], $4::text[]) p (place, prefix)
  JOIN ${table} c ON c.ctid = p.place AND substr(c.row_hash, 1, 16) = decode(p.prefix, 'hex')
 WHERE c.ctid = ANY ($3::tid[]);

-- name: list_replaced_in_place
-- The same where nothing came since, and what the batch did not bring lies at the places $1.
INSERT INTO batch_difference (present, put)
SELECT c.ctid, b.ctid
  FROM (SELECT ctid, record_key, row_hash FROM batch_row WHERE reason IS NULL) b
  FULL JOIN (SELECT ctid, record_key, row_hash FROM ${table} WHERE ctid = ANY ($1::tid[])) c
    ON c.record_key = b.record_key
 WHERE c.row_hash IS DISTINCT FROM b.row_hash;

-- name: spare_rejected
-- After that: a record that is in the batch, but rejected, stays as it was. A rejected one whose key
-- cannot be read may be any of them: then nothing is removed.
DELETE FROM batch_difference d
 USING (SELECT c.ctid AS present
          FROM batch_row r
          JOIN ${table} c ON c.copy = $1 AND c.district_id = $2 AND c.record_key = r.record_key
         WHERE r.reason IS NOT NULL
        UNION ALL
        SELECT one.present
          FROM batch_difference one
         WHERE EXISTS (SELECT FROM batch_row r WHERE r.record_key IS NULL)) spared
 WHERE d.present = spared.present AND d.put IS NULL;

-- name: close_changed
-- The place says all: with the district beside it, the planner might read all of its rows, and ask
-- for each whether it is at one of the places.
INSERT INTO ${history} (copy, district_id, record_key, valid_from, valid_to, row_hash, ${columns})
SELECT $1, $2, record_key, valid_from, $3::bigint, row_hash, ${columns}
  FROM ${table}
 WHERE ctid = ANY (ARRAY(SELECT d.present FROM batch_difference d
                          WHERE d.present IS NOT NULL AND d.put IS NOT NULL));

-- name: remove
WITH gone AS (
  DELETE FROM ${table}
   WHERE ctid = ANY (ARRAY(SELECT d.present FROM batch_difference d WHERE d.put IS NULL))
  RETURNING record_key, valid_from, row_hash, ${columns})
INSERT INTO ${history} (copy, district_id, record_key, valid_from, valid_to, row_hash, ${columns})
SELECT $1, $2, record_key, valid_from, $3::bigint, row_hash, ${columns} FROM gone;

-- name: put_changed
INSERT INTO ${table} AS r (copy, district_id, record_key, valid_from, row_hash, ${columns})
SELECT $1, $2, b.record_key, $3::bigint, b.row_hash, ${b.columns}
  FROM batch_row b
 WHERE b.ctid = ANY (ARRAY(SELECT d.put FROM batch_difference d WHERE d.put IS NOT NULL))
ON CONFLICT (copy, district_id, record_key) DO UPDATE
   SET valid_from = excluded.valid_from, row_hash = excluded.row_hash, ${set};

-- name: put_all
-- The same where nothing is there yet.
INSERT INTO ${table} (copy, district_id, record_key, valid_from, row_hash, ${columns})
SELECT $1, $2, b.record_key, $3::bigint, b.row_hash, ${b.columns}
  FROM batch_row b
 WHERE b.reason IS NULL;

-- name: gather_sync
-- The records of the DISTRICT copy that a check of the state refuses, or that are not the same in
-- the STATE copy.
INSERT INTO batch_row (line, reason, column_name, message, ${columns}, record_key, row_hash)
SELECT 0, verdict.reason, verdict.column_name,
       CASE verdict.reason
         WHEN 'SCHOOL_UNKNOWN' THEN 'the state does not know this school in the district'
         WHEN 'CODE_UNKNOWN'
           THEN verdict.column_name || ' has a code that is not in the state''s list, or not on its day'
       END,
       ${d.columns}, d.record_key, d.row_hash
  FROM ${table} d
  LEFT JOIN ${table} s
    ON s.copy = 'STATE' AND s.district_id = $1 AND s.record_key = d.record_key
 CROSS JOIN LATERAL (
         -- OFFSET 0 keeps the planner from copying the checks to each use of their answer.
         SELECT ${broken_check} AS reason, ${broken_column} AS column_name OFFSET 0) verdict
 WHERE d.copy = 'DISTRICT' AND d.district_id = $1
   AND (verdict.reason IS NOT NULL OR s.row_hash IS DISTINCT FROM d.row_hash);

-- name: unknown_school
-- Whether the record d is of a school that the state does not know. NOT IN, which makes one hash of
-- the schools: NOT EXISTS may look for each record, however many the planner did not expect.
d.school_id IS NOT NULL AND d.school_id NOT IN (
  SELECT o.organization_id FROM dataset.known_organization o
   WHERE o.parent_id = $1 AND o.kind = 'SCHOOL')

-- name: unknown_code
-- Whether the record d has a code that its list does not have, or not on the record's day.
d.${column} IS NOT NULL AND (d.${column} NOT IN (
  SELECT c.code FROM dataset.code c WHERE c.code_list = ${list}) OR ${late})

-- name: late_code
-- Few codes begin or end: a hash says whether this is one of them, and only then its days are read.
(d.${column} IN (SELECT c.code FROM dataset.code c
                  WHERE c.code_list = ${list} AND num_nonnulls(c.valid_from, c.valid_to) > 0)
 AND EXISTS (SELECT FROM dataset.code c
              WHERE c.code_list = ${list} AND c.code = d.${column} AND ${out_of_force}))

-- name: unknown_codes
-- The same of a column with several codes.
EXISTS (SELECT FROM unnest(string_to_array(d.${column}, ';')) one (code)
         WHERE NOT EXISTS (SELECT FROM dataset.code c
                            WHERE c.code_list = ${list} AND c.code = one.code AND NOT ${late}))

-- name: out_of_force
-- Whether the day of the record d lies before or after the days of the code c.
coalesce(d.${date} < c.valid_from OR d.${date} > c.valid_to, false)

-- name: list_removed_sync
-- What the DISTRICT copy does not have, or no longer with values that the state takes.
INSERT INTO batch_difference (present)
SELECT s.ctid
  FROM ${table} s
  LEFT JOIN ${table} d
    ON d.copy = 'DISTRICT' AND d.district_id = $1 AND d.record_key = s.record_key
  LEFT JOIN batch_row r ON r.record_key = s.record_key AND r.reason IS NOT NULL
 WHERE s.copy = 'STATE' AND s.district_id = $1
   AND (d.record_key IS NULL OR r.record_key IS NOT NULL);

-- name: count_rejected
SELECT count(line) AS rejected FROM batch_row WHERE reason IS NOT NULL;

-- name: versions
-- Of a copy of a district. What the service keeps stands in the STATE copy, perhaps for all.
SELECT v.dataset, v.version, v.changed_at, v.row_count, coalesce(h.kept_from, 0) AS oldest
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset
  LEFT JOIN dataset.version_horizon h
    ON h.district_id = v.district_id AND h.copy = v.copy AND h.dataset = v.dataset
 WHERE (d.keeper = 'SOURCE' AND v.copy = $1 AND v.district_id = $2)
    OR (d.keeper = 'SERVICE_BY_DISTRICT' AND v.copy = 'STATE' AND v.district_id = $2)
    OR (d.keeper = 'SERVICE_FOR_ALL' AND v.copy = 'STATE' AND v.district_id = '');

-- name: version_pair
-- Both copies' versions at one moment.
SELECT coalesce(max(version) FILTER (WHERE copy = 'DISTRICT'), 0) AS district,
       coalesce(max(version) FILTER (WHERE copy = 'STATE'), 0) AS state,
       coalesce(max(row_count), 0) AS records
  FROM dataset.data_version WHERE dataset = $1 AND district_id = $2;

-- name: with_records
SELECT DISTINCT v.dataset
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset AND d.keeper = 'SOURCE'
 WHERE v.district_id = $1 AND v.row_count > 0 ORDER BY v.dataset;

-- name: list_records
-- One page at a version: $3 the version, $4 the key after which to begin, $5 schools or null. Each
-- table gives a page by itself: the planner might sort all rows of both.
SELECT record_key, school_id AS school, row_hash, valid_from, ${values}
  FROM ((SELECT record_key, valid_from, row_hash, ${columns} FROM ${table}
          WHERE copy = $1 AND district_id = $2 AND valid_from <= $3::bigint AND record_key > $4
            AND ($5::text[] IS NULL OR school_id = ANY ($5::text[]))
          ORDER BY record_key LIMIT $6)
        UNION ALL
        (SELECT record_key, valid_from, row_hash, ${columns} FROM ${history}
          WHERE copy = $1 AND district_id = $2 AND valid_from <= $3::bigint
            AND valid_to > $3::bigint AND record_key > $4
            AND ($5::text[] IS NULL OR school_id = ANY ($5::text[]))
          ORDER BY record_key LIMIT $6)) v
 ORDER BY record_key LIMIT $6;
