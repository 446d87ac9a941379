-- name: rows_at
-- Keys and hashes of an organisation's records at a version, in the order in which they are
-- digested. ${dataset} is filled in by record_reader.cc.
SELECT r.record_key, r.row_hash
  FROM dataset_read."${dataset}" r
 WHERE r.copy = 'STATE' AND r.district_id = $1 AND r.valid_from <= $2::bigint
   AND r.valid_to > $2::bigint AND ($3 = '' OR r.school_id = $3)
 ORDER BY r.record_key COLLATE "C";

-- name: diff
-- What differs between versions $2 and $3: only rows whose range ends or begins between the two are
-- read. A row that changed and changed back has the same hash and does not count.
WITH gone AS (
  SELECT r.record_key, r.row_hash, r.school_id
    FROM dataset_read."${dataset}" r
   WHERE r.copy = 'STATE' AND r.district_id = $1 AND r.valid_from <= $2::bigint
     AND r.valid_to > $2::bigint AND r.valid_to <= $3::bigint AND ($4 = '' OR r.school_id = $4)),
come AS (
  SELECT r.record_key, r.row_hash, r.school_id
    FROM dataset_read."${dataset}" r
   WHERE r.copy = 'STATE' AND r.district_id = $1 AND r.valid_from > $2::bigint
     AND r.valid_from <= $3::bigint AND r.valid_to > $3::bigint
     AND ($4 = '' OR r.school_id = $4)),
differs AS (
  SELECT coalesce(gone.record_key, come.record_key) COLLATE "C" AS record_key,
         gone.record_key IS NOT NULL AS in_first, come.record_key IS NOT NULL AS in_second,
         coalesce(come.school_id, gone.school_id, '') AS school_id
    FROM gone
    FULL JOIN come ON come.record_key = gone.record_key
   WHERE gone.row_hash IS DISTINCT FROM come.row_hash)

-- name: diff_counts
-- After `diff`.
SELECT count(*) FILTER (WHERE in_first AND NOT in_second) AS only_first,
       count(*) FILTER (WHERE in_second AND NOT in_first) AS only_second,
       count(*) FILTER (WHERE in_first AND in_second) AS changed
  FROM differs;

-- name: diff_keys
-- After `diff`: one page by key, after $5.
SELECT record_key, in_first, in_second, school_id
  FROM differs
 WHERE record_key > $5
 ORDER BY record_key
 LIMIT $6::bigint;

-- name: record_values
-- The values of one record at a version, as text, NULL left out; what every view has is no value.
SELECT r.record_key, v.key AS column_name, v.value
  FROM dataset_read."${dataset}" r
 CROSS JOIN LATERAL jsonb_each_text(to_jsonb(r) - ARRAY['copy', 'district_id', 'record_key',
                                                        'valid_from', 'valid_to', 'row_hash']) v
 WHERE r.copy = 'STATE' AND r.district_id = $1 AND r.record_key = ANY ($3::text[])
   AND r.valid_from <= $2::bigint AND r.valid_to > $2::bigint AND v.value IS NOT NULL
 ORDER BY r.record_key COLLATE "C", v.key COLLATE "C";
