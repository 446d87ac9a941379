-- What a run found, and what became of what the runs before found.

-- name: insert_rules
INSERT INTO validation.report_rule
  (report_id, place, rule_id, rule_version, code, severity, dataset, outcome, findings, error,
   stored, changes)
SELECT $1, u.place, u.rule_id, u.rule_version, u.code, u.severity, u.dataset, u.outcome,
       u.findings, u.error, u.stored, string_to_array(u.changes, ' ')::bigint[]
  FROM unnest($2::text[], $3::int[], $4::text[], $5::smallint[], $6::text[], $7::text[],
              $8::bigint[], $9::text[], $10::bigint[], $11::text[]) WITH ORDINALITY
       AS u (rule_id, rule_version, code, severity, dataset, outcome, findings, error, stored,
             changes, place);

-- name: insert_groups
INSERT INTO validation.finding_group
  (report_id, place, rule_place, group_id, cause, description, size, size_new, size_back)
SELECT $1, u.place, u.rule_place, decode(u.group_id, 'hex'), u.cause::jsonb, u.description, u.size,
       u.size_new, u.size_back
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
              $8::bigint[]) WITH ORDINALITY
       AS u (rule_place, group_id, cause, description, size, size_new, size_back, place);

-- name: insert_findings
-- $2: the place before the first.
INSERT INTO validation.finding
  (report_id, place, rule_place, record_key, school, fields, message, fingerprint, change,
   group_place)
SELECT $1, $2::int + u.place, u.rule_place, u.record_key, u.school, u.fields::jsonb, u.message,
       decode(u.fingerprint, 'hex'), u.change, u.group_place
  FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[],
              $10::int[]) WITH ORDINALITY
       AS u (rule_place, record_key, school, fields, message, fingerprint, change, group_place,
             place);

-- name: read_chain
-- One row for each rule that the chain has judged; one without a code when there is none.
SELECT c.chain_id, c.run, c.report_id, r.previous_report_id, r.rule_group_version, r.datasets,
       r.versions, r.previous_snapshot,
       r.counts[3] + r.counts[6] + r.counts[9] + r.counts[12] > 0 AS errored, k.code, k.known, k.cut, u.changes[4] AS fixed
  FROM validation.finding_chain c
  JOIN validation.report r ON r.report_id = c.report_id
  LEFT JOIN validation.chain_rule k ON k.chain_id = c.chain_id
  LEFT JOIN validation.report_rule u ON u.report_id = c.report_id AND u.code = k.code
 WHERE c.organization = $1 AND c.kind = $2 AND c.rule_group_id = $3 AND c.run > 0;

-- name: compare_findings
-- $2: the fingerprints of a run. Those of them that did not stand before it, by place: REGRESSED
-- ones and those that the chain has never known. $3: for a run that is repeated, its number: what
-- came with it came with this one. Each looked up by its key: nobody knows the statistics of a
-- chain that was made a moment ago.
SELECT u.place,
       CASE WHEN k.first_run IS NULL THEN NULL
            WHEN k.gone_run IS NOT NULL OR k.first_run < k.since_run THEN 3
            WHEN k.surely_new THEN 1 ELSE 5 END AS change
  FROM unnest($2::text[]) WITH ORDINALITY AS u (fingerprint, place)
  LEFT JOIN LATERAL
       (SELECT f.first_run, f.since_run, f.gone_run, f.surely_new
          FROM validation.known_finding f
         WHERE f.chain_id = $1 AND f.fingerprint = decode(u.fingerprint, 'hex') OFFSET 0) k ON true
 WHERE k.first_run IS NULL OR k.gone_run IS NOT NULL OR k.since_run = $3
 ORDER BY u.place;

-- name: make_chain
INSERT INTO validation.finding_chain (organization, kind, rule_group_id, report_id)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: lock_chain
SELECT chain_id, run FROM validation.finding_chain
 WHERE organization = $1 AND kind = $2 AND rule_group_id = $3 FOR UPDATE;

-- name: join_rows_at_once
-- What was written a moment ago has no statistics: the planner would compare each with each.
SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true);

-- name: mark_gone
-- $2: the run, $4: the rules that it judged in full.
UPDATE validation.known_finding k SET gone_run = $2
 WHERE k.chain_id = $1 AND k.gone_run IS NULL AND k.code = ANY ($4::text[])
   AND NOT EXISTS (SELECT FROM validation.finding f
                    WHERE f.report_id = $3 AND f.fingerprint = k.fingerprint);

-- name: insert_fixed
-- $3: the run, $4: the places that its findings have. Each former finding by its key.
INSERT INTO validation.fixed_finding
  (report_id, place, rule_place, record_key, school, fields, message, fingerprint, last_seen)
SELECT $1, $4::int + row_number() OVER (ORDER BY u.place, f.record_key COLLATE "C", k.fingerprint),
       u.place, f.record_key, f.school, f.fields, f.message, k.fingerprint, r.judged_at
  FROM validation.known_finding k
  JOIN LATERAL (SELECT w.record_key, w.school, w.fields, w.message FROM validation.finding w
                 WHERE w.report_id = k.report_id AND w.place = k.place OFFSET 0) f ON true
  JOIN validation.report_rule u ON u.report_id = $1 AND u.code = k.code
  JOIN validation.chain_rule r ON r.chain_id = k.chain_id AND r.code = k.code
 WHERE k.chain_id = $2 AND k.gone_run = $3;

-- name: repeat_fixed
-- The same as in another report of the same run. $3: the places that the findings have.
INSERT INTO validation.fixed_finding
  (report_id, place, rule_place, record_key, school, fields, message, fingerprint, last_seen)
SELECT $1, $3::int + row_number() OVER (ORDER BY f.place), u.place, f.record_key, f.school,
       f.fields, f.message, f.fingerprint, f.last_seen
  FROM validation.fixed_finding f
  JOIN validation.report_rule o ON o.report_id = f.report_id AND o.place = f.rule_place
  JOIN validation.report_rule u ON u.report_id = $1 AND u.code = o.code
 WHERE f.report_id = $2;

-- name: mark_back
UPDATE validation.known_finding k
   SET since_run = $2, gone_run = NULL, report_id = $3, place = f.place
  FROM validation.finding f
 WHERE f.report_id = $3 AND f.change = 3 AND k.chain_id = $1 AND k.fingerprint = f.fingerprint;

-- name: insert_known
INSERT INTO validation.known_finding
  (chain_id, fingerprint, code, report_id, place, first_run, surely_new, first_seen, since_run)
SELECT $1, f.fingerprint, u.code, f.report_id, f.place, $2, f.change = 1, transaction_timestamp(),
       $2
  FROM validation.finding f
  JOIN validation.report_rule u ON u.report_id = f.report_id AND u.place = f.rule_place
 WHERE f.report_id = $3 AND f.change IN (1, 5)
 ORDER BY f.place
ON CONFLICT DO NOTHING;

-- name: set_chain_rules
INSERT INTO validation.chain_rule (chain_id, code, known, cut, judged_at)
SELECT $1, u.code, u.known, u.cut <> 0, transaction_timestamp()
  FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS u (code, known, cut)
ON CONFLICT (chain_id, code) DO UPDATE
   SET known = excluded.known, cut = excluded.cut, judged_at = excluded.judged_at;

-- name: set_chain
UPDATE validation.finding_chain SET run = $2, report_id = $3 WHERE chain_id = $1;

-- name: set_report_chain
UPDATE validation.report SET chain_id = $2 WHERE report_id = $1;

-- name: list_findings
-- $3: after this place. $5: with these changes, none: with all but FIXED. $6: of this group. The
-- rest is looked up for the page only.
SELECT p.place, p.rule_id, p.rule_version, p.code, p.severity, p.dataset, p.record_key, p.school,
       p.fields, p.message, encode(p.fingerprint, 'hex') AS fingerprint, p.change,
       encode(g.group_id, 'hex') AS group_id, g.size AS group_size, k.first_seen, p.last_seen,
       x.text AS explanation, x.author AS explained_by, x.created_at AS explained_at, v.waiver_id
  FROM (SELECT f.place, f.rule_place, f.record_key, f.school, f.fields, f.message, f.fingerprint,
               f.change, f.group_place, f.last_seen, u.rule_id, u.rule_version, u.code, u.severity,
               u.dataset
          FROM (SELECT w.place, w.rule_place, w.record_key, w.school, w.fields, w.message,
                       w.fingerprint, coalesce(w.change, 5) AS change, w.group_place,
                       NULL::timestamptz AS last_seen
                  FROM validation.finding w WHERE w.report_id = $1 AND w.place > $3
                UNION ALL
                SELECT w.place, w.rule_place, w.record_key, w.school, w.fields, w.message,
                       w.fingerprint, 4, NULL, w.last_seen
                  FROM validation.fixed_finding w
                 WHERE w.report_id = $1 AND w.place > $3 AND 4 = ANY ($5::int[])) f
          JOIN validation.report_rule u ON u.report_id = $1 AND u.place = f.rule_place
         WHERE ($2 = '' OR u.rule_id = $2)
           AND (cardinality($5::int[]) = 0 OR f.change = ANY ($5::int[]))
           AND ($6 = '' OR f.group_place =
                (SELECT g.place FROM validation.finding_group g
                  WHERE g.report_id = $1 AND g.group_id = decode($6, 'hex')))
         ORDER BY f.place LIMIT $4) p
  JOIN validation.report r ON r.report_id = $1
  LEFT JOIN validation.finding_group g ON g.report_id = $1 AND g.place = p.group_place
  LEFT JOIN validation.known_finding k
    ON k.chain_id = r.chain_id AND k.fingerprint = p.fingerprint
  LEFT JOIN validation.explained_finding e
    ON e.organization = r.organization AND e.fingerprint = p.fingerprint AND e.event = r.event
  LEFT JOIN validation.explanation x ON x.explanation_id = e.explanation_id
  LEFT JOIN LATERAL (SELECT w.waiver_id FROM validation.waived w
                      WHERE p.severity = 4 AND p.change <> 4 AND w.organization = r.organization
                        AND w.event = r.event AND w.fingerprint = p.fingerprint
                      ORDER BY w.waiver_id LIMIT 1) v ON true
 ORDER BY p.place;

-- name: list_finding_groups
-- $6: only those with a finding that nobody explained, by $7 if that is given. $8: the category
-- whose explanations are offered again: of the same finding in another event, else of the rule.
WITH page AS MATERIALIZED (
  SELECT g.place, g.rule_place, g.group_id, g.cause, g.description, g.size, g.size_new,
         g.size_back, u.rule_id, u.rule_version, u.code, u.severity, u.dataset,
         u.findings > u.stored AS truncated
    FROM validation.finding_group g
    JOIN validation.report_rule u ON u.report_id = g.report_id AND u.place = g.rule_place
   WHERE g.report_id = $1 AND ($2 = '' OR u.rule_id = $2) AND ($3 = 0 OR u.severity = $3)
     AND g.place > $4
   ORDER BY g.place LIMIT CASE WHEN $6 THEN NULL ELSE $5::bigint END),
-- What is explained: findings, or that the rule could not be run.
member AS (
  SELECT f.group_place AS place, f.fingerprint,
         EXISTS (SELECT FROM validation.report r, validation.waived w
                  WHERE r.report_id = $1 AND w.organization = r.organization
                    AND w.event = r.event AND w.fingerprint = f.fingerprint) AS is_waived
    FROM validation.finding f
   WHERE f.report_id = $1 AND f.rule_place = ANY (ARRAY(SELECT DISTINCT p.rule_place FROM page p))
     AND f.group_place BETWEEN (SELECT min(p.place) FROM page p) AND (SELECT max(p.place) FROM page p)
  UNION ALL
  SELECT p.place, sha256(p.group_id), false FROM page p WHERE p.size = 0),
told AS (
  SELECT m.place, count(*) FILTER (WHERE m.is_waived) AS waived,
         count(*) - count(e.own) AS unexplained, max(e.own) AS own, max(e.other) AS other
    FROM validation.report r
    JOIN member m ON r.report_id = $1
    LEFT JOIN LATERAL
         (SELECT max(x.explanation_id::text) FILTER (WHERE x.event = r.event) AS own,
                 max(x.explanation_id::text) FILTER (WHERE x.event <> r.event AND x.category = $8)
                   AS other
            FROM validation.explained_finding x
           WHERE x.organization = r.organization AND x.fingerprint = m.fingerprint
             AND ($7::timestamptz IS NULL OR x.explained_at <= $7) OFFSET 0) e ON true
   GROUP BY m.place),
offered AS (
  SELECT p.place, p.group_id, p.cause, p.description, p.size, p.size_new, p.size_back, p.rule_id,
         p.rule_version, p.code, p.severity, p.dataset, p.truncated, t.unexplained, t.own,
         CASE WHEN p.severity = 4 THEN t.waived ELSE 0 END AS waived,
         CASE WHEN t.unexplained > 0 THEN
           coalesce(t.other::uuid,
                    (SELECT x.explanation_id
                       FROM validation.explanation x, validation.report r
                      WHERE r.report_id = $1 AND x.organization = r.organization
                        AND x.category = $8 AND x.code = p.code
                      ORDER BY x.explanation_id DESC LIMIT 1)) END AS offer
    FROM page p JOIN told t ON t.place = p.place
   WHERE NOT $6 OR t.unexplained > 0
   ORDER BY p.place LIMIT $5)
SELECT o.place, encode(o.group_id, 'hex') AS group_id, o.rule_id, o.rule_version, o.code,
       o.severity, o.dataset, o.cause, o.description, o.size, o.size_new, o.size_back, o.truncated,
       o.unexplained, o.waived, x.text AS explanation, x.author AS explained_by,
       x.created_at AS explained_at, s.text AS suggestion
  FROM offered o
  LEFT JOIN validation.explanation x ON x.explanation_id = o.own::uuid
  LEFT JOIN validation.explanation s ON s.explanation_id = o.offer
 ORDER BY o.place;
