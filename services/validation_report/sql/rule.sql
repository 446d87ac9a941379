-- Rules and their versions.

-- name: insert_rule
INSERT INTO validation.rule (rule_id, code, severity, datasets, tags)
VALUES ($1, $2, $3, $4::text[], $5::text[]) ON CONFLICT DO NOTHING;

-- name: insert_rule_version
INSERT INTO validation.rule_version (rule_id, version, content, author) VALUES ($1, $2, $3, $4);

-- name: get_rule
-- One rule at a version; 0 is the newest.
SELECT r.rule_id, r.state, r.row_version, r.created_at, r.updated_at,
       CASE WHEN r.state = 'DRAFT' OR r.state = 'ARCHIVED' AND NOT EXISTS (
              SELECT FROM validation.rule_activation a WHERE a.rule_id = r.rule_id)
            THEN 0 ELSE r.version END AS active_version,
       coalesce(r.newest_version, r.version) AS newest_version,
       r.asked_version, r.asked_by, r.asked_at, v.version, v.author, v.content
  FROM validation.rule r JOIN validation.rule_version v USING (rule_id)
 WHERE r.rule_id = $1
   AND v.version = CASE WHEN $2 = 0 THEN coalesce(r.newest_version, r.version) ELSE $2 END;

-- name: list_rules
SELECT r.rule_id, r.state, r.row_version, r.created_at, r.updated_at,
       CASE WHEN r.state = 'DRAFT' OR r.state = 'ARCHIVED' AND NOT EXISTS (
              SELECT FROM validation.rule_activation a WHERE a.rule_id = r.rule_id)
            THEN 0 ELSE r.version END AS active_version,
       coalesce(r.newest_version, r.version) AS newest_version,
       r.asked_version, r.asked_by, r.asked_at, v.version, v.author, v.content
  FROM validation.rule r JOIN validation.rule_version v USING (rule_id, version)
 WHERE CASE WHEN cardinality($1::text[]) = 0 THEN r.state <> 'ARCHIVED'
            ELSE r.state = ANY ($1::text[]) END
   AND ($2 = '' OR $2 = ANY (r.datasets))
   AND ($3::int = 0 OR r.severity = $3)
   AND ($4 = '' OR $4 = ANY (r.tags))
   AND r.code COLLATE "C" > $5
 ORDER BY r.code COLLATE "C" LIMIT $6;

-- name: export_rules
-- $1: the newest versions, else those in use.
SELECT v.content FROM validation.rule r JOIN validation.rule_version v USING (rule_id)
 WHERE v.version = CASE WHEN $1::boolean THEN coalesce(r.newest_version, r.version)
                        ELSE r.version END
   AND r.state <> 'ARCHIVED'
   AND ($2 = '' OR $2 = ANY (r.datasets))
   AND ($3 = '' OR $3 = ANY (r.tags))
 ORDER BY r.code COLLATE "C";

-- name: lock_rules
-- The rules with these codes, as they are until the transaction ends.
SELECT r.rule_id, r.code FROM validation.rule r WHERE r.code = ANY ($1::text[])
 ORDER BY r.rule_id FOR UPDATE;

-- name: set_newest_version
-- Only when the row is still as the caller read it. The columns for the list follow the version in
-- use; of a draft that is the newest.
UPDATE validation.rule
   SET newest_version = $3,
       version = CASE WHEN state = 'DRAFT' THEN $3 ELSE version END,
       severity = CASE WHEN state = 'DRAFT' THEN $4 ELSE severity END,
       datasets = CASE WHEN state = 'DRAFT' THEN $5::text[] ELSE datasets END,
       tags = CASE WHEN state = 'DRAFT' THEN $6::text[] ELSE tags END,
       asked_version = NULL, asked_by = '', asked_at = NULL,
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_id = $1 AND row_version = $2;

-- name: ask_for_activation
-- Only when the row is still as the caller read it.
UPDATE validation.rule
   SET asked_version = $3, asked_by = $4, asked_at = clock_timestamp(),
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_id = $1 AND row_version = $2;

-- name: record_version_in_use
-- Of a rule that was activated before anybody wrote that down.
INSERT INTO validation.rule_activation (rule_id, version, asked_by, activated_by, activated_at)
SELECT r.rule_id, r.version, '', '', r.updated_at FROM validation.rule r
 WHERE r.rule_id = $1 AND r.state IN ('ACTIVE', 'INACTIVE') AND NOT EXISTS (
       SELECT FROM validation.rule_activation a
        WHERE a.rule_id = r.rule_id AND a.version = r.version);

-- name: activate_version
-- Only when the row is still as the caller read it.
UPDATE validation.rule
   SET state = 'ACTIVE', version = $3, newest_version = coalesce(newest_version, version),
       severity = $4, datasets = $5::text[], tags = $6::text[],
       asked_version = NULL, asked_by = '', asked_at = NULL,
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_id = $1 AND row_version = $2;

-- name: record_activation
INSERT INTO validation.rule_activation (rule_id, version, asked_by, activated_by)
VALUES ($1, $2, $3, $4);

-- name: set_rule_state
-- Only when the row is still as the caller read it.
UPDATE validation.rule
   SET state = $3, asked_version = NULL, asked_by = '', asked_at = NULL,
       row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE rule_id = $1 AND row_version = $2;

-- name: find_rules
-- What a group needs of its rules, at the versions $2, 0 for the one in use; they keep their state
-- while the group is made. A version that was never in use is not found.
SELECT r.rule_id, r.state, v.version, v.content
  FROM unnest($1::text[], $2::int[]) AS w (rule_id, version)
  JOIN validation.rule r USING (rule_id)
  JOIN validation.rule_version v
    ON v.rule_id = r.rule_id
   AND v.version = CASE WHEN w.version = 0 THEN r.version ELSE w.version END
 WHERE v.version = r.version OR EXISTS (
       SELECT FROM validation.rule_activation a
        WHERE a.rule_id = v.rule_id AND a.version = v.version)
 ORDER BY r.rule_id FOR SHARE OF r;
