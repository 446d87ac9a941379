-- How the two copies of a dataset of a district differ. $1 is the district; $2 and $3 are the
-- versions of the DISTRICT and the STATE copy.

-- name: compare_settings
-- For a comparison of all rows: a district fits into memory, whatever the server was set up for.
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true);

-- name: compare_schools
-- Counts by the schools of both records first: there are far fewer of these than records.
WITH pair AS (
  SELECT d.record_key IS NOT NULL AS in_district, s.record_key IS NOT NULL AS in_state,
         coalesce(d.record_school, '') AS district_school,
         coalesce(s.record_school, '') AS state_school, count(*) AS records,
         count(*) FILTER (WHERE d.row_hash <> s.row_hash) AS different
    FROM (${district_rows}) d FULL JOIN (${state_rows}) s ON s.record_key = d.record_key
   GROUP BY 1, 2, 3, 4)
SELECT school, sum(district_rows)::bigint AS district_rows, sum(state_rows)::bigint AS state_rows,
       sum(only_district)::bigint AS only_district, sum(only_state)::bigint AS only_state,
       sum(different)::bigint AS different
  FROM (SELECT district_school AS school, records AS district_rows, 0 AS state_rows,
               CASE WHEN in_state THEN 0 ELSE records END AS only_district, 0 AS only_state,
               different
          FROM pair WHERE in_district
        UNION ALL
        SELECT state_school, 0, records, 0, CASE WHEN in_district THEN 0 ELSE records END, 0
          FROM pair WHERE in_state) one
 WHERE ($4::text[] IS NULL OR school = ANY ($4::text[]))
 GROUP BY school ORDER BY school COLLATE "C";

-- name: page_settings
-- For a page: both copies are read in the order of their keys and met on the way, so that the page
-- is full long before all is read, whatever the statistics say.
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_nestloop', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true);

-- name: differing_keys
-- A page of the keys that differ: $4 schools or null, $5 the key after which to begin. What is at
-- another school in each copy is at that of the DISTRICT copy.
(SELECT d.record_key COLLATE "C" AS record_key
   FROM (${district_rows_after}) d
   LEFT JOIN (${state_rows_after}) s ON s.record_key = d.record_key
  WHERE s.row_hash IS DISTINCT FROM d.row_hash
    AND ($4::text[] IS NULL OR d.record_school = ANY ($4::text[]))
  ORDER BY d.record_key COLLATE "C" LIMIT $6)
UNION ALL
(SELECT s.record_key COLLATE "C"
   FROM (${state_rows_after}) s
   LEFT JOIN (${district_rows_after}) d ON d.record_key = s.record_key
  WHERE d.record_key IS NULL
    AND ($4::text[] IS NULL OR s.record_school = ANY ($4::text[]))
  ORDER BY s.record_key COLLATE "C" LIMIT $6)
 ORDER BY 1 LIMIT $6;

-- name: compare_values
-- The records of both copies with the keys of a page, $4.
SELECT true AS of_district, record_key, record_school, ${values}
  FROM (${district_rows}) d WHERE record_key = ANY ($4::text[])
UNION ALL
SELECT false, record_key, record_school, ${values}
  FROM (${state_rows}) s WHERE record_key = ANY ($4::text[]);

-- name: rows_at
-- The rows of one copy at a version, for the others.
SELECT record_key, school_id AS record_school, row_hash, ${columns}
  FROM ${table}
 WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint${after}
UNION ALL
SELECT record_key, school_id, row_hash, ${columns}
  FROM ${history}
 WHERE copy = '${copy}' AND district_id = $1 AND valid_from <= ${version}::bigint
   AND valid_to > ${version}::bigint${after};
