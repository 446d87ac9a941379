-- The district ${district} with ${rows} rows of attendance: six periods of each student, a few in a thousand of
-- them wrong, and one student in 500 not enrolled.
INSERT INTO dataset_read.attendance_summary
  (copy, district_id, record_key, student_uid, school_id, calendar_track, reporting_period,
   school_year, grade_level, days_expected, days_present, days_absent_excused,
   days_absent_unexcused, days_absent_oss, tardies, chronic_absent)
SELECT 'DISTRICT', '${district}', lpad(i::text, 9, '0'), (1000000000 + i / 6)::text,
       lpad((200000 + i / 3000 % 300)::text, 6, '0'), chr(65 + (i / 6 % 3)::int), i % 6 + 1, 2026,
       lpad((1 + i / 6 % 12)::text, 2, '0'), 30,
       30 - i / 6 % 4 - CASE WHEN i % 1009 = 0 THEN 40 ELSE 0 END, i / 6 % 4, 0, 0, i % 5,
       i / 6 % 4 = 3
  FROM generate_series(0, ${rows} - 1) AS i;
INSERT INTO dataset_read.enrollment
  (copy, district_id, record_key, student_uid, school_id, entry_date, school_year)
SELECT 'DISTRICT', '${district}', lpad(s::text, 9, '0'), (1000000000 + s)::text,
       lpad((200000 + s * 6 / 3000 % 300)::text, 6, '0'), date '2025-08-18', 2026
  FROM generate_series(0, ${rows} / 6) AS s WHERE s % 500 <> 7;
ANALYZE dataset_read.attendance_summary;
ANALYZE dataset_read.enrollment;
SET max_parallel_workers_per_gather = 0;
