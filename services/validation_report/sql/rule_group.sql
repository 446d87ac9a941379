-- Rule groups, their versions and members.

-- name: insert_group
INSERT INTO validation.rule_group (rule_group_id, level, title)
VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: insert_group_version
INSERT INTO validation.rule_group_version (rule_group_id, version, title, datasets)
VALUES ($1, $2, $3, $4::text[]);

-- name: insert_group_members
INSERT INTO validation.rule_group_member
  (rule_group_id, version, place, rule_id, rule_version, severity)
SELECT $1, $2, m.place, m.rule_id, m.rule_version, m.severity
  FROM unnest($3::text[], $4::int[], $5::smallint[]) WITH ORDINALITY
       AS m (rule_id, rule_version, severity, place);

-- name: get_group
-- One group at a version; 0 is the newest.
SELECT g.rule_group_id, g.level, g.state, g.row_version, g.created_at, g.updated_at,
       v.version, v.title, v.datasets
  FROM validation.rule_group g JOIN validation.rule_group_version v USING (rule_group_id)
 WHERE g.rule_group_id = $1 AND v.version = CASE WHEN $2 = 0 THEN g.version ELSE $2 END;

-- name: list_groups
SELECT g.rule_group_id, g.level, g.state, g.row_version, g.created_at, g.updated_at,
       v.version, v.title, v.datasets
  FROM validation.rule_group g JOIN validation.rule_group_version v USING (rule_group_id, version)
 WHERE (cardinality($1::text[]) = 0 OR g.state = ANY ($1::text[]))
   AND ($2 = '' OR g.level = $2)
   AND (g.title COLLATE "C", g.rule_group_id COLLATE "C") > ($3, $4)
 ORDER BY g.title COLLATE "C", g.rule_group_id COLLATE "C" LIMIT $5;

-- name: list_members
SELECT m.rule_group_id, m.version, m.rule_id, m.rule_version, m.severity
  FROM unnest($1::text[], $2::int[]) AS w (rule_group_id, version)
  JOIN validation.rule_group_member m USING (rule_group_id, version)
 ORDER BY m.rule_group_id, m.version, m.place;

-- name: list_member_contents
-- The rules of a group version as a run needs them.
SELECT m.rule_id, m.rule_version, m.severity, v.content
  FROM validation.rule_group_member m
  JOIN validation.rule_version v ON v.rule_id = m.rule_id AND v.version = m.rule_version
 WHERE m.rule_group_id = $1 AND m.version = $2 ORDER BY m.place;

-- name: find_archived_member
SELECT m.rule_id FROM validation.rule_group_member m JOIN validation.rule r USING (rule_id)
 WHERE m.rule_group_id = $1 AND m.version = $2 AND r.state = 'ARCHIVED' ORDER BY m.place LIMIT 1;

-- name: set_group_state
-- Only when the row is still as the caller read it.
UPDATE validation.rule_group
   SET state = $3, row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_group_id = $1 AND row_version = $2;
