-- What people say to findings.

-- name: find_target
-- What an explanation is about: a rule ($2) or a group ($3) of a report.
SELECT u.code, u.severity
  FROM validation.report_rule u
 WHERE u.report_id = $1
   AND (($2 <> '' AND u.rule_id = $2)
        OR u.place = (SELECT g.rule_place FROM validation.finding_group g
                       WHERE g.report_id = $1 AND g.group_id = decode($3, 'hex')));

-- name: insert_explanation
INSERT INTO validation.explanation
  (explanation_id, event, category, organization, code, report_id, text, author, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: explain_findings
-- $2: of this rule, or $3: of this group, all stored findings of the report; of a rule that could
-- not be run, its group.
INSERT INTO validation.explained_finding
  (organization, fingerprint, event, category, explanation_id, explained_at)
SELECT DISTINCT x.organization, t.fingerprint, x.event, x.category, x.explanation_id, x.created_at
  FROM validation.explanation x,
       (SELECT f.fingerprint
          FROM validation.report_rule u
          JOIN validation.finding f ON f.report_id = u.report_id AND f.rule_place = u.place
         WHERE u.report_id = $1 AND $2 <> '' AND u.rule_id = $2
        UNION ALL
        SELECT f.fingerprint
          FROM validation.finding_group g
          JOIN validation.finding f
            ON f.report_id = g.report_id AND f.rule_place = g.rule_place AND f.group_place = g.place
         WHERE g.report_id = $1 AND g.group_id = decode($3, 'hex')
        UNION ALL
        SELECT sha256(g.group_id)
          FROM validation.finding_group g
          JOIN validation.report_rule u ON u.report_id = g.report_id AND u.place = g.rule_place
         WHERE g.report_id = $1 AND g.size = 0
           AND ($2 <> '' AND u.rule_id = $2 OR g.group_id = decode($3, 'hex'))) t
 WHERE x.explanation_id = $4
ON CONFLICT (organization, fingerprint, event) DO UPDATE
   SET explanation_id = excluded.explanation_id, explained_at = excluded.explained_at;

-- name: list_given
SELECT x.explanation_id, x.text, x.author, x.created_at
  FROM validation.explanation x WHERE x.organization = $1 AND x.event = $2;

-- name: list_explained
SELECT encode(e.fingerprint, 'hex') AS fingerprint, e.explanation_id
  FROM validation.explained_finding e WHERE e.organization = $1 AND e.event = $2;
