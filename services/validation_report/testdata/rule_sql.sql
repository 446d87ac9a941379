-- row, of a school
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41 AND school_id = 'lincoln')
SELECT record_key COLLATE "C" AS "K", "S", "M0", "student_uid"::text AS "student_uid", "entry_date"::text AS "entry_date"
  FROM (SELECT *,
                 CASE WHEN exit_date < entry_date THEN 1::bigint ELSE 0 END +
                 CASE WHEN fte > 1 OR fte IS NULL THEN 2::bigint ELSE 0 END AS "M0" FROM "enrollment" OFFSET 0) AS "T"
 WHERE ("M0") <> 0 ORDER BY "K";

-- unique
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT record_key COLLATE "C" AS "K", "S", "student_uid"::text AS "student_uid", "entry_date"::text AS "entry_date"
  FROM "enrollment"
 WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL AND (fte > 0)
   AND ("student_uid", "entry_date") IN (SELECT "student_uid", "entry_date" FROM "enrollment" WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL AND (fte > 0) GROUP BY "student_uid", "entry_date" HAVING count(*) > 1)
 ORDER BY "K";

-- reference, must exist
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41),
     "program" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT this.record_key COLLATE "C" AS "K", this."S", this."student_uid"::text AS "student_uid", this."entry_date"::text AS "entry_date"
  FROM "enrollment" AS this
 WHERE this."student_uid" IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM "program" AS other WHERE other."student" = this."student_uid" AND (other.active AND this.fte > 0))
 ORDER BY "K";

-- reference, must not exist
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41),
     "program" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT this.record_key COLLATE "C" AS "K", this."S", this."student_uid"::text AS "student_uid", this."entry_date"::text AS "entry_date"
  FROM "enrollment" AS this
 WHERE this."student_uid" IS NOT NULL
   AND EXISTS (SELECT 1 FROM "program" AS other WHERE other."student" = this."student_uid")
 ORDER BY "K";

-- overlap
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT record_key COLLATE "C" AS "K", "S", "student_uid"::text AS "student_uid", "entry_date"::text AS "entry_date"
  FROM (SELECT *, coalesce("exit_date", 'infinity'::date) AS "E",
               max(coalesce("exit_date", 'infinity'::date)) OVER (PARTITION BY "student_uid" ORDER BY "entry_date", record_key
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "B",
               min("entry_date") FILTER (WHERE coalesce("exit_date", 'infinity'::date) >= "entry_date" + 5) OVER (
                 PARTITION BY "student_uid" ORDER BY "entry_date" DESC, record_key DESC
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "A"
          FROM "enrollment" WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL
           AND ("student_uid") IN (SELECT "student_uid" FROM "enrollment" WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL GROUP BY "student_uid" HAVING count(*) > 1)) AS "T"
 WHERE ("E" >= "entry_date" + 5 AND "B" >= "entry_date" + 5)
    OR "A" + 5 <= "E"
 ORDER BY "K";

-- overlap, of some rows
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT record_key COLLATE "C" AS "K", "S", "student_uid"::text AS "student_uid", "entry_date"::text AS "entry_date"
  FROM (SELECT *, coalesce("exit_date", 'infinity'::date) AS "E",
               max(coalesce("exit_date", 'infinity'::date)) OVER (PARTITION BY "student_uid" ORDER BY "entry_date", record_key
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "B",
               min("entry_date") FILTER (WHERE coalesce("exit_date", 'infinity'::date) >= "entry_date" + 0) OVER (
                 PARTITION BY "student_uid" ORDER BY "entry_date" DESC, record_key DESC
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "A"
          FROM "enrollment" WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL AND (fte > 0)
           AND ("student_uid") IN (SELECT "student_uid" FROM "enrollment" WHERE "student_uid" IS NOT NULL AND "entry_date" IS NOT NULL AND (fte > 0) GROUP BY "student_uid" HAVING count(*) > 1)) AS "T"
 WHERE ("E" >= "entry_date" + 0 AND "B" >= "entry_date" + 0)
    OR "A" + 0 <= "E"
 ORDER BY "K";

-- aggregate
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT concat_ws('|', replace(replace(coalesce("school_id"::text, ''), '\', '\\'), '|', '\|'), replace(replace(coalesce("entry_date"::text, ''), '\', '\\'), '|', '\|')) COLLATE "C" AS "K", "S" AS "S", "heads"::text AS "heads", "time"::text AS "time", "school_id"::text AS "school_id"
  FROM (SELECT "school_id", "entry_date", count(*) AS "heads", sum(fte) AS "time", min("S") AS "S" FROM "enrollment" GROUP BY "school_id", "entry_date" OFFSET 0) AS "T"
 WHERE (heads > "time") ORDER BY "K";

-- aggregate, with its members
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT "R" COLLATE "C" AS "K", "S" AS "S", "heads"::text AS "heads", "time"::text AS "time", "school_id"::text AS "school_id"
  FROM (SELECT "school_id", "entry_date", count(*) AS "heads", sum(fte) AS "time", min("S") AS "S", string_agg(record_key, ',') AS "R" FROM "enrollment" GROUP BY "school_id", "entry_date" OFFSET 0) AS "T"
 WHERE (heads > "time") ORDER BY "K";

-- query
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41),
     "program" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT DISTINCT ON ("P".record_key COLLATE "C")
       "P".record_key COLLATE "C" AS "K", "P"."S", "P"."student_uid"::text AS "student_uid", "Q"."year"::text AS "year"
  FROM (SELECT e.record_key, p.year FROM enrollment e JOIN program p ON p.student = e.student_uid) AS "Q"
  JOIN "enrollment" AS "P" ON "P".record_key = "Q".record_key
 ORDER BY "P".record_key COLLATE "C", "Q"."year"::text COLLATE "C";

-- reference to last year
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41),
     "last_year_program" AS NOT MATERIALIZED (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41)
SELECT this.record_key COLLATE "C" AS "K", this."S", this."student_uid"::text AS "student_uid", this."entry_date"::text AS "entry_date"
  FROM "enrollment" AS this
 WHERE this."student_uid" IS NOT NULL
   AND EXISTS (SELECT 1 FROM "last_year_program" AS other WHERE other."student" = this."student_uid" AND (other.active))
 ORDER BY "K";

-- fixture rows
WITH "enrollment" AS NOT MATERIALIZED (SELECT record_key, "school_id"::text AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM jsonb_to_recordset('[{"record_key": "0"}]'::jsonb) AS rows(record_key text, "student_uid" text, "school_id" text, "entry_date" date, "exit_date" date, "fte" numeric))
SELECT record_key COLLATE "C" AS "K", "S", "M0", "student_uid"::text AS "student_uid", "entry_date"::text AS "entry_date"
  FROM (SELECT *,
                 CASE WHEN exit_date < entry_date THEN 1::bigint ELSE 0 END AS "M0" FROM "enrollment" OFFSET 0) AS "T"
 WHERE ("M0") <> 0 ORDER BY "K";

-- fixture rows without a school
SELECT (SELECT count(*) FROM (SELECT record_key, NULL::text AS "S", "student", "year", "active", "seen_at" FROM jsonb_to_recordset('[]'::jsonb) AS rows(record_key text, "student" text, "year" bigint, "active" boolean, "seen_at" timestamptz)) AS rows);

-- count
SELECT (SELECT count(*) FROM (SELECT record_key, school_id AS "S", "student_uid", "school_id", "entry_date", "exit_date", "fte" FROM rule_read."enrollment" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41) AS rows), (SELECT count(*) FROM (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41) AS rows), (SELECT count(*) FROM (SELECT record_key, school_id AS "S", "student", "year", "active", "seen_at" FROM rule_read."program" WHERE copy = 'STATE' AND district_id = E'o''hara\\north' AND valid_from <= 41 AND valid_to > 41) AS rows);

