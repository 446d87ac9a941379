-- name: fill_copy
-- $3 rows in no particular order of their keys; in the STATE copy one in $4 is another one.
INSERT INTO dataset.attendance_summary
  (copy, district_id, record_key, valid_from, row_hash, student_uid, school_id, calendar_track,
   reporting_period, school_year, days_expected, days_present)
SELECT $1, $2, one.key || '|255901001|T1|1', 1,
       sha256((one.i::text || CASE WHEN one.other THEN 'x' ELSE '' END)::bytea), one.key,
       '255901' || lpad((one.i % 40)::text, 3, '0'), 'T1', 1, 2026, 170.0,
       CASE WHEN one.other THEN 1.5 ELSE 150.5 END
  FROM (SELECT i, lpad((i::bigint * 7919 % $3::bigint)::text, 10, '0') AS key,
               $1 = 'STATE' AND i % $4::int = 0 AS other
          FROM generate_series(1, $3::int) i) one;

-- name: plain_join
-- As one would write it in psql.
SELECT count(*) AS differing
  FROM (SELECT record_key, row_hash FROM dataset.attendance_summary
         WHERE copy = 'DISTRICT' AND district_id = $1) d
  FULL JOIN (SELECT record_key, row_hash FROM dataset.attendance_summary
              WHERE copy = 'STATE' AND district_id = $1) s ON s.record_key = d.record_key
 WHERE d.row_hash IS DISTINCT FROM s.row_hash;
