-- Rules and their versions.

-- name: insert_rule
INSERT INTO validation.rule (rule_id, code, severity, datasets)
VALUES ($1, $2, $3, $4::text[]) ON CONFLICT DO NOTHING;

-- name: insert_rule_version
INSERT INTO validation.rule_version (rule_id, version, content) VALUES ($1, $2, $3);

-- name: get_rule
-- One rule at a version; 0 is the newest.
SELECT r.rule_id, r.state, r.row_version, r.created_at, r.updated_at, v.version, v.content
  FROM validation.rule r JOIN validation.rule_version v USING (rule_id)
 WHERE r.rule_id = $1 AND v.version = CASE WHEN $2 = 0 THEN r.version ELSE $2 END;

-- name: list_rules
SELECT r.rule_id, r.state, r.row_version, r.created_at, r.updated_at, v.version, v.content
  FROM validation.rule r JOIN validation.rule_version v USING (rule_id, version)
 WHERE CASE WHEN cardinality($1::text[]) = 0 THEN r.state <> 'ARCHIVED'
            ELSE r.state = ANY ($1::text[]) END
   AND ($2 = '' OR $2 = ANY (r.datasets))
   AND ($3::int = 0 OR r.severity = $3)
   AND r.code COLLATE "C" > $4
 ORDER BY r.code COLLATE "C" LIMIT $5;

-- name: set_rule_state
-- Only when the row is still as the caller read it.
UPDATE validation.rule
   SET state = $3, row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_id = $1 AND row_version = $2;

-- name: find_rules
-- What a group needs of its rules; they keep their state while the group is made.
SELECT rule_id, state, version, severity, datasets
  FROM validation.rule WHERE rule_id = ANY ($1::text[]) ORDER BY rule_id FOR SHARE;
