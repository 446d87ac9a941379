-- Reports, their files and views.

-- name: read_versions
-- The current versions of a district's copy, all at one moment.
SELECT d.dataset, coalesce(v.version, 0) AS version, coalesce(v.row_count, 0) AS row_count
  FROM unnest($3::text[]) AS d (dataset)
  LEFT JOIN dataset_read.data_version v
    ON v.copy = $1 AND v.district_id = $2 AND v.dataset = d.dataset
 ORDER BY d.dataset COLLATE "C";

-- name: find_purged
-- Of these versions one whose records may be missing.
SELECT asked.dataset, asked.version
  FROM unnest($3::text[], $4::bigint[]) AS asked (dataset, version)
 WHERE NOT dataset_read.version_is_kept($1, asked.dataset, $2, asked.version)
 LIMIT 1;

-- name: list_names
-- What the organisations of a district are called at a version of them; NULL: now.
SELECT o.organization_id, o.display_name
  FROM dataset_read.organization o
 WHERE o.copy = $1 AND o.district_id = $2 AND o.display_name <> ''
   AND CASE WHEN $3::bigint IS NULL THEN o.valid_to = 9223372036854775807
            ELSE o.valid_from <= $3 AND $3 < o.valid_to END;

-- name: get_end
SELECT j.finished_at FROM validation.job j WHERE j.id = $1;

-- name: count_waiting
SELECT count(*) AS waiting
  FROM validation.report r JOIN validation.job j ON j.id = r.report_id
 WHERE r.organization = $1 AND j.state = 'QUEUED';

-- name: insert_report
INSERT INTO validation.report
  (report_id, title, event, event_title, organization, organization_display_name, district, kind,
   format, snapshot, requester, rule_group_id, rule_group_version, datasets, versions, rows,
   severity_day, previous_snapshot, previous_district, previous_datasets, previous_versions,
   previous_rows)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text[], $15::bigint[],
        $16::bigint[], $17, $18, $19, $20::text[], $21::bigint[], $22::bigint[]);

-- name: get_report
-- $2: whose view counts.
SELECT r.report_id, r.title, r.event, r.event_title, r.organization, r.organization_display_name,
       r.district, r.kind, r.format, r.snapshot, r.requester, r.rule_group_id,
       g.title AS rule_group_title, r.rule_group_version, r.severity_day,
       (SELECT min(day) FROM unnest(g.severity_changes) AS day WHERE day > r.severity_day)
         AS next_severity_change, r.datasets, r.versions, r.rows,
       r.previous_snapshot, r.previous_district, r.previous_datasets, r.previous_versions,
       r.previous_rows,
       r.created_at, r.result_attempt, r.counts, r.changes, r.previous_report_id, r.truncated,
       encode(r.sha256, 'hex') AS sha256, r.size, r.media_type, r.file_name,
       j.state, j.attempt, j.progress_done, j.progress_total, j.progress_phase, j.failure,
       j.started_at, j.finished_at, v.first_viewed_at
  FROM validation.report r
  JOIN validation.job j ON j.id = r.report_id
  JOIN validation.rule_group_version g
    ON g.rule_group_id = r.rule_group_id AND g.version = r.rule_group_version
  LEFT JOIN validation.report_view v ON v.report_id = r.report_id AND v.user_name = $2
 WHERE r.report_id = $1;

-- name: list_reports
-- $1: the viewer. $2: of every organisation; else of $3 and, with their schools, of $4. $5: of
-- every event; else of $6, '' among them: of none. His own he sees where no event forbids it.
SELECT r.report_id, r.title, r.event, r.event_title, r.organization, r.organization_display_name,
       r.district, r.kind, r.format, r.snapshot, r.requester, r.rule_group_id,
       g.title AS rule_group_title, r.rule_group_version, r.severity_day,
       (SELECT min(day) FROM unnest(g.severity_changes) AS day WHERE day > r.severity_day)
         AS next_severity_change, r.datasets, r.versions, r.rows,
       r.previous_snapshot, r.previous_district, r.previous_datasets, r.previous_versions,
       r.previous_rows,
       r.created_at, r.result_attempt, r.counts, r.changes, r.previous_report_id, r.truncated,
       encode(r.sha256, 'hex') AS sha256, r.size, r.media_type, r.file_name,
       j.state, j.attempt, j.progress_done, j.progress_total, j.progress_phase, j.failure,
       j.started_at, j.finished_at, v.first_viewed_at
  FROM validation.report r
  JOIN validation.job j ON j.id = r.report_id
  JOIN validation.rule_group_version g
    ON g.rule_group_id = r.rule_group_id AND g.version = r.rule_group_version
  LEFT JOIN validation.report_view v ON v.report_id = r.report_id AND v.user_name = $1
 WHERE ($2 OR r.organization = ANY ($3::text[]) OR r.district = ANY ($4::text[]))
   AND ($5 OR r.event = ANY ($6::text[]) OR (r.requester = $1 AND ($2 OR r.event = '')))
   AND ($7 = '' OR r.event = $7)
   AND ($8 = '' OR r.organization = $8)
   AND ($9 = '' OR r.kind = $9)
   AND (cardinality($10::text[]) = 0 OR j.state = ANY ($10::text[]))
   AND ($11 = '' OR r.requester = $11)
   AND ($12::timestamptz IS NULL OR (r.created_at, r.report_id) < ($12, nullif($13, '')::uuid))
 ORDER BY r.created_at DESC, r.report_id DESC LIMIT $14;

-- name: insert_artifact
INSERT INTO validation.report_artifact (report_id, attempt, place, bytes) VALUES ($1, $2, $3, $4);

-- name: read_artifact
SELECT a.place, a.bytes
  FROM validation.report r
  JOIN validation.report_artifact a
    ON a.report_id = r.report_id AND a.attempt = r.result_attempt
 WHERE r.report_id = $1 AND a.place >= $2 ORDER BY a.place LIMIT $3;

-- name: drop_lost_artifacts
DELETE FROM validation.report_artifact WHERE report_id = $1 AND attempt <> $2;

-- name: set_result
UPDATE validation.report
   SET result_attempt = $2, rows = $3::bigint[], counts = $4::bigint[], truncated = $5,
       sha256 = decode($6, 'hex'), size = $7, media_type = $8, file_name = $9,
       changes = $10::bigint[], previous_report_id = nullif($11, '')::uuid,
       previous_rows = $12::bigint[]
 WHERE report_id = $1;

-- name: record_view
INSERT INTO validation.report_view (report_id, user_name) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: expire_reports
-- At most $2 of the reports that ended before $1 and that no certification can name: what a snapshot
-- was signed with stays, and of an event the newest of each organisation and kind, with those that
-- are equal to it.
UPDATE validation.job j SET state = 'EXPIRED'
  FROM (SELECT r.report_id
          FROM validation.report r
          JOIN validation.job d ON d.id = r.report_id
         WHERE d.state = 'COMPLETED' AND d.finished_at < $1
           AND (r.event = ''
                OR (r.kind <> 'SNAPSHOT'
                    AND EXISTS (SELECT FROM validation.report n
                                  JOIN validation.job m ON m.id = n.report_id
                                 WHERE n.event = r.event AND n.organization = r.organization
                                   AND n.kind = r.kind AND n.created_at > r.created_at
                                   AND m.state = 'COMPLETED'
                                   AND (n.versions <> r.versions
                                        OR n.rule_group_version <> r.rule_group_version
                                        OR n.previous_snapshot <> r.previous_snapshot))))
         ORDER BY d.finished_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED) old
 WHERE j.id = old.report_id
RETURNING j.id;

-- name: delete_artifacts
DELETE FROM validation.report_artifact WHERE report_id = ANY ($1::uuid[]);
