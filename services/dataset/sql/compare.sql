-- How the two copies of a dataset of a district differ. $1 is the district; $2 and $3 are the
-- versions of the DISTRICT and the STATE copy.

-- name: compare_settings
-- For a comparison of all rows, whose number the planner misjudges. They are read by the index: a
-- district is a small part of its table. They meet in hash tables, one after the other, that a cache
-- holds: one with all rows takes a third longer. Two connections share the rows, and workers that
-- hand them on one by one would cost more than they save.
SELECT set_config('work_mem', '16MB', true), set_config('jit', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true);

-- name: order_settings
-- For a stretch: in the order of the keys, whatever the statistics say.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true);

-- name: compare_schools
-- Counts by the schools of both records: there are far fewer of these than records. A school is null
-- where a copy has no record. The keys that differ come too, when there are at most $4. $5 which half
-- of the keys, or null.
SELECT district_school, state_school, records, different,
       CASE WHEN sum(cardinality(keys)) OVER () <= $4::bigint THEN keys END AS keys
  FROM (SELECT d.record_school AS district_school, s.record_school AS state_school,
               count(*) AS records, count(*) FILTER (WHERE d.row_hash <> s.row_hash) AS different,
               array_agg(coalesce(d.record_key, s.record_key))
                 FILTER (WHERE d.row_hash IS DISTINCT FROM s.row_hash) AS keys
          FROM (${district_rows_half}) d
          FULL JOIN (${state_rows_half}) s ON s.record_key = d.record_key
         GROUP BY 1, 2) pair;

-- name: differing_keys
-- A page of the keys that differ, found by comparing all rows: $4 schools or null, $5 the key after
-- which to begin. What is at another school in each copy is at that of the DISTRICT copy.
SELECT coalesce(d.record_key, s.record_key) COLLATE "C" AS record_key
  FROM (${district_rows_after}) d FULL JOIN (${state_rows_after}) s ON s.record_key = d.record_key
 WHERE d.row_hash IS DISTINCT FROM s.row_hash
   AND ($4::text[] IS NULL OR (CASE WHEN d.record_key IS NULL THEN s.record_school
                                    ELSE d.record_school END) = ANY ($4::text[]))
 ORDER BY 1 LIMIT $6;

-- name: differing_stretch
-- The same among the next $7 rows of each copy, in the order of their keys. `last` is the key up to
-- which it looked; null when that was the end.
WITH d AS MATERIALIZED (${district_stretch}), s AS MATERIALIZED (${state_stretch}),
bound AS (
  SELECT least(CASE WHEN (SELECT count(record_key) FROM d) = $7 THEN (SELECT max(record_key) FROM d) END,
               CASE WHEN (SELECT count(record_key) FROM s) = $7 THEN (SELECT max(record_key) FROM s) END)
         AS last),
differing AS (
  SELECT coalesce(d.record_key, s.record_key) AS record_key
    FROM d FULL JOIN s ON s.record_key = d.record_key
   WHERE d.row_hash IS DISTINCT FROM s.row_hash
     AND ($4::text[] IS NULL OR (CASE WHEN d.record_key IS NULL THEN s.record_school
                                      ELSE d.record_school END) = ANY ($4::text[])))
SELECT b.last, p.record_key
  FROM bound b LEFT JOIN differing p ON b.last IS NULL OR p.record_key COLLATE "C" <= b.last
 ORDER BY p.record_key COLLATE "C" LIMIT $6;

-- name: compare_values
-- The records of both copies with the keys of a page, $4.
${district_values}
UNION ALL
${state_values};

-- name: values_at
-- Those of one copy. The current ones are looked up one by one, whatever the statistics say.
SELECT '${copy}' AS copy, d.record_key, d.record_school, ${values}
  FROM unnest($4::text[]) k (record_key)
 CROSS JOIN LATERAL (
         SELECT r.record_key, r.school_id AS record_school, ${columns}
           FROM ${table} r
          WHERE r.copy = '${copy}' AND r.district_id = $1 AND r.valid_from <= ${version}::bigint
            AND r.record_key = k.record_key OFFSET 0) d
UNION ALL
SELECT '${copy}', record_key, school_id, ${values}
  FROM ${history}
 WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint
   AND valid_to > ${version}::bigint AND record_key = ANY ($4::text[]);

-- name: rows_at
-- The rows of one copy at a version, for those that read all of them. No school is ''.
SELECT record_key, coalesce(school_id, '') AS record_school, row_hash, ${columns}
  FROM ${table}
 WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint${of_keys}
UNION ALL
SELECT record_key, coalesce(school_id, ''), row_hash, ${columns}
  FROM ${history}
 WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint
   AND valid_to > ${version}::bigint${of_keys};

-- name: stretch_at
-- The next $7 of them after the key $5. Each table gives at most so many by itself: the planner would
-- sort all rows of both.
SELECT record_key, record_school, row_hash
  FROM ((SELECT record_key, school_id AS record_school, row_hash
           FROM ${table}
          WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint
            AND record_key > $5
          ORDER BY record_key LIMIT $7)
        UNION ALL
        (SELECT record_key, school_id, row_hash
           FROM ${history}
          WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint
            AND valid_to > ${version}::bigint AND record_key > $5
          ORDER BY record_key LIMIT $7)) both_tables
 ORDER BY record_key LIMIT $7;
