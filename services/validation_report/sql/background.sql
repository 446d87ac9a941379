-- Counts of what is found in records as they are.

-- name: mark_changed
-- The runs of the groups in use that read a dataset are due, unless they are already: at the
-- district, or at each of its schools. What changes until then is counted with it.
INSERT INTO validation.background_run (rule_group_id, organization, copy, district, due_at)
SELECT g.rule_group_id, 'organizations/' || o.id, $2, 'organizations/' || $1,
       clock_timestamp() + $4 * interval '1 ms'
  FROM validation.rule_group g
  JOIN validation.rule_group_version v USING (rule_group_id, version)
 CROSS JOIN LATERAL (
    SELECT $1::text AS id WHERE g.level = 'DISTRICT'
    UNION ALL
    SELECT s.organization_id FROM dataset_read.organization s
     WHERE g.level = 'SCHOOL' AND s.copy = $2 AND s.district_id = $1 AND s.kind = 'SCHOOL'
       AND s.valid_to = 9223372036854775807) o
 WHERE g.state = 'ACTIVE' AND $3 = ANY (v.datasets)
 ORDER BY g.rule_group_id, o.id
ON CONFLICT (rule_group_id, organization, copy)
DO UPDATE SET due_at = excluded.due_at, district = excluded.district
 WHERE background_run.due_at IS NULL;

-- name: mark_group
-- The same of all records that a group reads, since another version of it is in use.
INSERT INTO validation.background_run (rule_group_id, organization, copy, district, due_at)
SELECT d.rule_group_id, 'organizations/' || o.id, d.copy, 'organizations/' || d.district_id,
       statement_timestamp() + $2 * interval '1 ms'
  FROM (SELECT DISTINCT g.rule_group_id, g.level, d.district_id, d.copy
          FROM validation.rule_group g
          JOIN validation.rule_group_version v USING (rule_group_id, version)
          JOIN dataset_read.data_version d ON d.dataset = ANY (v.datasets)
         WHERE g.rule_group_id = $1 AND g.state = 'ACTIVE') d
 CROSS JOIN LATERAL (
    SELECT d.district_id AS id WHERE d.level = 'DISTRICT'
    UNION ALL
    SELECT s.organization_id FROM dataset_read.organization s
     WHERE d.level = 'SCHOOL' AND s.copy = d.copy AND s.district_id = d.district_id
       AND s.kind = 'SCHOOL' AND s.valid_to = 9223372036854775807) o
 ORDER BY o.id, d.copy
ON CONFLICT (rule_group_id, organization, copy)
DO UPDATE SET due_at = excluded.due_at, district = excluded.district
 WHERE background_run.due_at IS NULL;

-- name: take_due
-- Runs that another replica is at are skipped; those of a group out of use wait until it is back.
SELECT rule_group_id, organization, district, copy FROM validation.background_run
 WHERE due_at <= clock_timestamp() AND EXISTS (
       SELECT FROM validation.rule_group g
        WHERE g.rule_group_id = background_run.rule_group_id AND g.state = 'ACTIVE')
 ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED;

-- name: find_run_of_job
SELECT rule_group_id, organization, district, copy FROM validation.background_run
 WHERE job_id = $1;

-- name: get_run
-- What it would count now, and what it counted last.
SELECT g.version AS version_in_use, v.datasets AS datasets_in_use,
       cardinality(v.last_year_datasets) > 0 AS compares_years, b.rule_group_version,
       b.severity_day, b.datasets, b.versions, b.rows, b.left_out, b.counted_at
  FROM validation.rule_group g
  JOIN validation.rule_group_version v USING (rule_group_id, version)
  LEFT JOIN validation.background_run b
    ON b.rule_group_id = g.rule_group_id AND b.organization = $2 AND b.copy = $3
 WHERE g.rule_group_id = $1;

-- name: list_counts
SELECT rule_id, rule_version, code, severity, dataset, outcome, findings, error
  FROM validation.background_count
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3 ORDER BY place;

-- name: list_hit
-- Where these rules found something or could not be run, in either copy.
SELECT rule_id, count(*) AS organizations,
       (array_agg(organization ORDER BY organization COLLATE "C"))[:$3] AS first_organizations
  FROM (SELECT DISTINCT rule_id, organization FROM validation.background_count
         WHERE rule_group_id = $1 AND rule_id = ANY ($2::text[]) AND outcome <> 'PASS') hit
 GROUP BY rule_id;

-- name: set_asked
-- Its job was accepted; the one before says nothing any more.
WITH former AS (
  DELETE FROM validation.job j USING validation.background_run b
   WHERE b.rule_group_id = $1 AND b.organization = $2 AND b.copy = $3 AND j.id = b.job_id
     AND j.state NOT IN ('QUEUED', 'RUNNING'))
UPDATE validation.background_run SET due_at = NULL, job_id = $4
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3;

-- name: set_due
-- Due after $4 milliseconds; NULL: when something changes.
UPDATE validation.background_run SET due_at = clock_timestamp() + $4 * interval '1 ms'
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3;

-- name: set_failed
-- Its job was given up: due after $2 milliseconds, or as soon as the change since says.
UPDATE validation.background_run
   SET due_at = coalesce(due_at, clock_timestamp() + $2 * interval '1 ms')
 WHERE job_id = $1;

-- name: set_counted
UPDATE validation.background_run
   SET rule_group_version = $4, severity_day = $5::date, datasets = $6::text[],
       versions = $7::bigint[], rows = $8::bigint[], left_out = $9, counted_at = clock_timestamp()
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3;

-- name: delete_counts
DELETE FROM validation.background_count
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3;

-- name: insert_counts
INSERT INTO validation.background_count
  (rule_group_id, organization, copy, place, rule_id, rule_version, code, severity, dataset,
   outcome, findings, error)
SELECT $1, $2, $3, u.place, u.rule_id, u.rule_version, u.code, u.severity, u.dataset, u.outcome,
       u.findings, u.error
  FROM unnest($4::text[], $5::int[], $6::text[], $7::smallint[], $8::text[], $9::text[],
              $10::bigint[], $11::text[]) WITH ORDINALITY
       AS u (rule_id, rule_version, code, severity, dataset, outcome, findings, error, place);

-- name: find_equal_report
-- A report that ran the same rules over the same records.
SELECT r.report_id, r.severity_day, r.rows
  FROM validation.report r JOIN validation.job j ON j.id = r.report_id
 WHERE r.organization = $1 AND r.kind = $2 AND r.rule_group_id = $3 AND r.rule_group_version = $4
   AND r.datasets = $5::text[] AND r.versions = $6::bigint[]
   AND j.state IN ('COMPLETED', 'EXPIRED') AND r.counts IS NOT NULL
 ORDER BY r.created_at DESC LIMIT 1;

-- name: list_report_rules
SELECT rule_id, rule_version, code, severity, dataset, outcome, findings, error
  FROM validation.report_rule WHERE report_id = $1 ORDER BY place;

-- name: take_untold
-- Runs whose FATAL findings were last compared before an instant, with the organisation's name for
-- people. Those that another replica is at are skipped.
SELECT b.rule_group_id, b.organization, b.district, b.copy, b.told_at = '-infinity' AS first,
       coalesce((SELECT o.display_name FROM dataset_read.organization o
                  WHERE o.copy = b.copy AND o.district_id = split_part(b.district, '/', 2)
                    AND o.organization_id = split_part(b.organization, '/', 2)
                    AND o.valid_to = 9223372036854775807), '') AS display_name
  FROM validation.background_run b
 WHERE b.copy = 'DISTRICT' AND b.counted_at IS NOT NULL AND b.told_at < $1
 ORDER BY b.told_at LIMIT $2 FOR UPDATE OF b SKIP LOCKED;

-- name: list_more
-- Rules of a severity that find more than when they were compared.
SELECT c.code, c.findings, c.findings - coalesce(t.findings, 0) AS more
  FROM validation.background_count c
  LEFT JOIN validation.background_told t USING (rule_group_id, organization, copy, rule_id)
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3 AND c.severity = $4
   AND c.findings > coalesce(t.findings, 0)
 ORDER BY c.place;

-- name: set_told
UPDATE validation.background_run SET told_at = clock_timestamp()
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3;

-- name: delete_told
-- Of rules that are not of the severity any more.
DELETE FROM validation.background_told t
 WHERE t.rule_group_id = $1 AND t.organization = $2 AND t.copy = $3
   AND NOT EXISTS (SELECT FROM validation.background_count c
                    WHERE c.rule_group_id = $1 AND c.organization = $2 AND c.copy = $3
                      AND c.rule_id = t.rule_id AND c.severity = $4);

-- name: insert_told
-- What a rule found that could not be run is not known: what was stays.
INSERT INTO validation.background_told (rule_group_id, organization, copy, rule_id, findings)
SELECT rule_group_id, organization, copy, rule_id, findings FROM validation.background_count
 WHERE rule_group_id = $1 AND organization = $2 AND copy = $3 AND severity = $4
   AND outcome <> 'ERROR'
ON CONFLICT (rule_group_id, organization, copy, rule_id)
DO UPDATE SET findings = excluded.findings WHERE background_told.findings <> excluded.findings;
