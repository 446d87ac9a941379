-- Waivers of FATAL findings.

-- name: find_waived_target
-- $2: the id of a group, or the fingerprint of a finding.
SELECT u.rule_id, u.code, u.severity, t.findings
  FROM (SELECT g.rule_place, g.size AS findings
          FROM validation.finding_group g
         WHERE g.report_id = $1 AND g.group_id = decode($2, 'hex')
        UNION ALL
        SELECT f.rule_place, 1
          FROM validation.finding f
         WHERE f.report_id = $1 AND f.fingerprint = decode($2, 'hex')) t
  JOIN validation.report_rule u ON u.report_id = $1 AND u.place = t.rule_place
 LIMIT 1;

-- name: insert_waiver
-- Nothing when somebody asked the same before.
INSERT INTO validation.waiver
  (waiver_id, event, category, organization, report_id, rule_id, code, target, findings, reason,
   until_day, ends_at, asked_by, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, decode($8, 'hex'), $9, $10, $11::date, $12, $13, $14)
ON CONFLICT (report_id, target, until_day) WHERE revoked_at IS NULL DO NOTHING;

-- name: insert_waived
INSERT INTO validation.waived_finding (organization, event, fingerprint, waiver_id)
SELECT DISTINCT v.organization, v.event, f.fingerprint, v.waiver_id
  FROM validation.waiver v
  JOIN validation.finding f ON f.report_id = v.report_id
  LEFT JOIN validation.finding_group g
    ON g.report_id = f.report_id AND g.place = f.group_place
 WHERE v.waiver_id = $1 AND (f.fingerprint = v.target OR g.group_id = v.target);

-- name: find_asked
SELECT v.waiver_id
  FROM validation.waiver v
 WHERE v.report_id = $1 AND v.target = decode($2, 'hex') AND v.until_day = $3::date
   AND v.revoked_at IS NULL;

-- name: get_waiver
SELECT v.waiver_id, v.event, v.category, v.organization, v.report_id, v.rule_id, v.code,
       encode(v.target, 'hex') AS target, v.findings, v.reason, v.until_day, v.ends_at, v.asked_by,
       v.asked_at, v.confirmed_by, v.confirmed_at, v.revoked_by, v.revoked_at, v.revoke_reason
  FROM validation.waiver v WHERE v.waiver_id = $1 FOR UPDATE;

-- name: confirm_waiver
UPDATE validation.waiver SET confirmed_by = $2, confirmed_at = $3 WHERE waiver_id = $1;

-- name: revoke_waiver
UPDATE validation.waiver SET revoked_by = $2, revoked_at = $3, revoke_reason = $4
 WHERE waiver_id = $1;

-- name: list_waivers
SELECT v.waiver_id, v.event, v.category, v.organization, v.report_id, v.rule_id, v.code,
       encode(v.target, 'hex') AS target, v.findings, v.reason, v.until_day, v.ends_at, v.asked_by,
       v.asked_at, v.confirmed_by, v.confirmed_at, v.revoked_by, v.revoked_at, v.revoke_reason
  FROM validation.waiver v
 WHERE v.event = $1 AND v.organization = $2
   AND ($3 = '' OR v.waiver_id < nullif($3, '')::uuid)
 ORDER BY v.waiver_id DESC LIMIT $4;

-- name: list_in_force
SELECT v.waiver_id, v.event, v.category, v.organization, v.report_id, v.rule_id, v.code,
       encode(v.target, 'hex') AS target, v.findings, v.reason, v.until_day, v.ends_at, v.asked_by,
       v.asked_at, v.confirmed_by, v.confirmed_at, v.revoked_by, v.revoked_at, v.revoke_reason
  FROM validation.waiver v
 WHERE v.event = $1 AND v.organization = $2 AND v.confirmed_at IS NOT NULL
   AND v.revoked_at IS NULL AND v.ends_at >= statement_timestamp()
 ORDER BY v.waiver_id;

-- name: list_waived
SELECT encode(w.fingerprint, 'hex') AS fingerprint, w.waiver_id
  FROM validation.waived w WHERE w.organization = $1 AND w.event = $2;

-- name: count_waived
-- Of these reports the FATAL findings that a waiver in force is about; most have none.
SELECT r.report_id, count(*) AS waived
  FROM validation.report r
  JOIN validation.report_rule u
    ON u.report_id = r.report_id AND u.severity = 4 AND u.findings > 0
  JOIN validation.finding f ON f.report_id = r.report_id AND f.rule_place = u.place
 WHERE r.report_id = ANY ($1::uuid[])
   AND EXISTS (SELECT FROM validation.waived w
                WHERE w.organization = r.organization AND w.event = r.event
                  AND w.fingerprint = f.fingerprint)
 GROUP BY r.report_id;
