-- Rule groups, their versions and members.

-- name: insert_group
INSERT INTO validation.rule_group (rule_group_id, level, title)
VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: insert_group_version
INSERT INTO validation.rule_group_version
  (rule_group_id, version, title, datasets, severity_changes, last_year_datasets)
VALUES ($1, $2, $3, $4::text[], $5::text[]::date[], $6::text[]);

-- name: insert_group_members
INSERT INTO validation.rule_group_member
  (rule_group_id, version, place, rule_id, rule_version, severity, settings)
SELECT $1, $2, m.place, m.rule_id, m.rule_version, m.severity, decode(m.settings, 'hex')
  FROM unnest($3::text[], $4::int[], $5::smallint[], $6::text[]) WITH ORDINALITY
       AS m (rule_id, rule_version, severity, settings, place);

-- name: get_group
-- One group at a version; 0 is the newest, -1 the one in use (of a draft, the newest).
SELECT g.rule_group_id, g.level, g.state, g.row_version, g.created_at, g.updated_at,
       g.deactivated_at,
       CASE WHEN g.state = 'DRAFT' THEN 0 ELSE g.version END AS active_version,
       coalesce(g.newest_version, g.version) AS newest_version,
       g.state <> 'DRAFT' AND v.version = g.version OR EXISTS (
         SELECT FROM validation.rule_group_activation a
          WHERE a.rule_group_id = v.rule_group_id AND a.version = v.version) AS was_active,
       v.version, v.title, v.datasets, v.last_year_datasets
  FROM validation.rule_group g JOIN validation.rule_group_version v USING (rule_group_id)
 WHERE g.rule_group_id = $1
   AND v.version = CASE $2::int WHEN 0 THEN coalesce(g.newest_version, g.version)
                                WHEN -1 THEN g.version ELSE $2 END;

-- name: list_groups
SELECT g.rule_group_id, g.level, g.state, g.row_version, g.created_at, g.updated_at,
       g.deactivated_at,
       CASE WHEN g.state = 'DRAFT' THEN 0 ELSE g.version END AS active_version,
       coalesce(g.newest_version, g.version) AS newest_version,
       g.state <> 'DRAFT' AS was_active,
       v.version, v.title, v.datasets, v.last_year_datasets
  FROM validation.rule_group g JOIN validation.rule_group_version v USING (rule_group_id, version)
 WHERE (cardinality($1::text[]) = 0 OR g.state = ANY ($1::text[]))
   AND ($2 = '' OR g.level = $2)
   AND (g.title COLLATE "C", g.rule_group_id COLLATE "C") > ($3, $4)
 ORDER BY g.title COLLATE "C", g.rule_group_id COLLATE "C" LIMIT $5;

-- name: list_members
SELECT m.rule_group_id, m.version, m.rule_id, m.rule_version, m.severity, m.settings
  FROM unnest($1::text[], $2::int[]) AS w (rule_group_id, version)
  JOIN validation.rule_group_member m USING (rule_group_id, version)
 ORDER BY m.rule_group_id, m.version, m.place;

-- name: list_member_contents
-- The rules of a group version as a run needs them.
SELECT m.rule_id, m.rule_version, m.severity, m.settings, v.content
  FROM validation.rule_group_member m
  JOIN validation.rule_version v ON v.rule_id = m.rule_id AND v.version = m.rule_version
 WHERE m.rule_group_id = $1 AND m.version = $2 ORDER BY m.place;

-- name: find_inactive_member
SELECT m.rule_id FROM validation.rule_group_member m JOIN validation.rule r USING (rule_id)
 WHERE m.rule_group_id = $1 AND m.version = $2 AND r.state <> 'ACTIVE' ORDER BY m.place LIMIT 1;

-- name: set_newest_group_version
-- Only when the row is still as the caller read it. The title for the list follows the version in
-- use; of a draft that is the newest.
UPDATE validation.rule_group
   SET newest_version = $3,
       version = CASE WHEN state = 'DRAFT' THEN $3 ELSE version END,
       title = CASE WHEN state = 'DRAFT' THEN $4 ELSE title END,
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_group_id = $1 AND row_version = $2;

-- name: record_group_version_in_use
-- Of a group that was activated before anybody wrote that down.
INSERT INTO validation.rule_group_activation (rule_group_id, version, activated_by, activated_at)
SELECT g.rule_group_id, g.version, '', g.updated_at FROM validation.rule_group g
 WHERE g.rule_group_id = $1 AND g.state = 'ACTIVE' AND NOT EXISTS (
       SELECT FROM validation.rule_group_activation a
        WHERE a.rule_group_id = g.rule_group_id AND a.version = g.version);

-- name: activate_group_version
-- Only when the row is still as the caller read it.
UPDATE validation.rule_group
   SET state = 'ACTIVE', version = $3, newest_version = coalesce(newest_version, version),
       title = $4, deactivated_at = NULL, row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_group_id = $1 AND row_version = $2;

-- name: deactivate_group
-- Only when the row is still as the caller read it.
UPDATE validation.rule_group
   SET state = 'INACTIVE', deactivated_at = clock_timestamp(),
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_group_id = $1 AND row_version = $2;

-- name: record_group_activation
INSERT INTO validation.rule_group_activation (rule_group_id, version, activated_by)
VALUES ($1, $2, $3);
