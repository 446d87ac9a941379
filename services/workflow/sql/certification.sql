-- name: lock
-- Locks a certification; the statement after it sees what the last holder committed.
SELECT id FROM workflow.certification WHERE id = $1::uuid FOR UPDATE;

-- name: get
-- A certification with its signatures, newest first: one row a signature, at least one row.
SELECT v.id, v.event, v.organization, v.state, v.round, v.version, v.transitions, v.came_from,
       v.candidate_snapshot, v.certified_snapshot, v.recert_due, v.recert_due_at,
       v.prior_recert_due, v.prior_recert_due_at, v.administrative, v.return_reason,
       v.round_started_at, v.start_time, v.sent_at, v.approved_at, v.approved_by, v.create_time,
       v.update_time, v.title, v.category, v.datasets, v.level, v.reporting_year, v.event_status,
       v.attestation_version, v.starts_at, v.opens_at, v.due_at, v.ends_at,
       v.organization_display_name, v.organization_parent, v.roster, v.delegates, v.titles,
       v.request_id, v.requester, v.request_reason, v.requested_at,
       s.id AS s_id, s.round AS s_round, s.signer AS s_signer, s.role_title AS s_role_title,
       s.snapshot AS s_snapshot, s.root AS s_root, s.signed_at AS s_signed_at,
       s.attestation_version AS s_attestation_version,
       s.warnings_acknowledged AS s_warnings_acknowledged,
       s.zero_attestation AS s_zero_attestation, s.warning_count AS s_warning_count,
       s.waived_count AS s_waived_count,
       s.membership_version AS s_membership_version, s.voided_at AS s_voided_at,
       s.void_reason AS s_void_reason, s.voided_in_round AS s_voided_in_round
  FROM workflow.certification_seen v
  LEFT JOIN workflow.signature s ON s.certification_id = v.id
 WHERE v.id = $1::uuid
 ORDER BY s.signed_at DESC, s.id DESC;

-- name: save
-- Everything of a certification that may change; the row is locked.
UPDATE workflow.certification
   SET state = $2, round = $3, version = $4, transitions = $5, came_from = $6,
       candidate_snapshot = $7, certified_snapshot = $8, recert_due = $9::date,
       recert_due_at = $10::timestamptz, prior_recert_due = $11::date,
       prior_recert_due_at = $12::timestamptz, administrative = $13, return_reason = $14,
       round_started_at = $15::timestamptz, start_time = $16::timestamptz,
       sent_at = $17::timestamptz, approved_at = $18::timestamptz, approved_by = $19,
       update_time = $20
 WHERE id = $1::uuid AND version < $4;

-- name: open
-- Certifications of an event for organisations that have none.
INSERT INTO workflow.certification (id, event, organization, state, round, version, transitions,
                                    came_from, create_time, update_time)
SELECT f.id::uuid, $1, f.organization, 'IN_PROGRESS', 0, 1, 1, 'NONE', $4, $4
  FROM unnest($2::text[], $3::text[]) AS f (id, organization)
ON CONFLICT (event, organization) DO NOTHING
RETURNING id;

-- name: open_rosters
-- The rosters of new certifications.
INSERT INTO workflow.required_certifier (certification_id, round, member, delegate, title)
SELECT v.id, v.round, r.member, r.delegate, r.title
  FROM workflow.certification_seen v,
       workflow.roster_of(v.category, v.organization, v.organization_parent, v.level, $2::date) r
 WHERE v.id = ANY ($1::uuid[]);

-- name: open_log
-- The first line of their histories.
INSERT INTO workflow.transition_log (certification_id, seq, from_state, action, to_state, actor,
                                     reason, round, snapshot)
SELECT id, 1, 'NONE', 'OPEN', 'IN_PROGRESS', $2, '', 0, '' FROM unnest($1::uuid[]) AS f (id);

-- name: append_transition
INSERT INTO workflow.transition_log (certification_id, seq, from_state, action, to_state, actor,
                                     reason, round, snapshot, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::uuid);

-- name: insert_signature
INSERT INTO workflow.signature (id, certification_id, round, signer, role_title, snapshot, root,
                                signed_at, attestation_version, warnings_acknowledged,
                                zero_attestation, warning_count, membership_version,
                                waived_count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: void_signatures
-- Voids those that count.
UPDATE workflow.signature SET voided_at = $2, void_reason = $3, voided_in_round = $4
 WHERE certification_id = $1 AND voided_at IS NULL;

-- name: reinstate_signatures
-- Those that the start of a round voided count again.
UPDATE workflow.signature SET voided_at = NULL, void_reason = '', voided_in_round = 0
 WHERE certification_id = $1 AND voided_in_round = $2;

-- name: insert_request
INSERT INTO workflow.recertification_request (id, certification_id, round, requester, reason,
                                              requested_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: decide_request
UPDATE workflow.recertification_request
   SET state = $2, decided_by = $3, decided_at = $4, decision_reason = $5
 WHERE certification_id = $1 AND state = 'PENDING';

-- name: clear_roster
DELETE FROM workflow.required_certifier WHERE certification_id = $1 AND round = $2;

-- name: insert_roster
INSERT INTO workflow.required_certifier (certification_id, round, member, delegate, title)
SELECT $1::uuid, $2, r.member, r.delegate, r.title
  FROM unnest($3::text[], $4::text[], $5::text[]) AS r (member, delegate, title);

-- name: next_roster
-- Who must sign from a day on.
SELECT member, delegate, title FROM workflow.roster_of($1, $2, $3, $4, $5::date) ORDER BY member;

-- name: roster_in_round
SELECT member, delegate, title FROM workflow.required_certifier
 WHERE certification_id = $1 AND round = $2 ORDER BY member;

-- name: uncertified_dependency
-- The first of some events that the organisation takes part in and has not certified.
SELECT c.event FROM workflow.certification c
 WHERE c.organization = $1 AND c.event = ANY ($2::text[])
   AND c.state NOT IN ('SENT', 'APPROVED', 'RECERT_REQUESTED', 'EXEMPT', 'WITHDRAWN')
 ORDER BY c.event LIMIT 1;

-- name: previous_snapshot
-- What an organisation certified last of a category for a reporting year. Ids grow with time.
SELECT c.certified_snapshot
  FROM workflow.certification c JOIN workflow.event e ON e.name = c.event
 WHERE c.organization = $1 AND e.category = $2 AND e.reporting_year = $3
   AND c.certified_snapshot <> ''
 ORDER BY c.certified_snapshot COLLATE "C" DESC LIMIT 1;

-- name: names_of
-- Certifications of an organisation and of those directly below it.
SELECT id FROM workflow.certification WHERE organization = $1
UNION ALL
SELECT c.id FROM workflow.organization o JOIN workflow.certification c ON c.organization = o.name
 WHERE o.parent = $1;

-- name: list
-- A page of certifications as a user sees them, with his status.
WITH seen AS (
  SELECT v.id, v.effective_due,
         workflow.user_status(u.must_sign, v.state, coalesce(v.requester = $1, false),
                              u.has_signed, $2::timestamptz > v.effective_due) AS user_status,
         CASE $21::integer
           WHEN 2 THEN v.title || chr(1) || v.organization
           WHEN 3 THEN array_position(ARRAY['IN_PROGRESS', 'SENT', 'APPROVED', 'RECERT_REQUESTED',
                                            'RECERT_IN_PROGRESS', 'EXEMPT', 'WITHDRAWN'],
                                      v.state)::text
           WHEN 4 THEN lpad((9000000000000000 - extract(epoch FROM v.update_time) * 1000000)::bigint
                              ::text, 16, '0')
           -- Sixteen digits reach to the year 2286; what is later, or never, comes last.
           ELSE lpad(least(greatest(extract(epoch FROM v.effective_due) * 1000000, 0),
                           9999999999999999)::bigint::text, 16, '0')
         END COLLATE "C" AS sort_key,
         (u.must_sign AND NOT u.has_signed AND v.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
          AND v.event_status <> 3 AND $2 <= v.effective_end
          AND ($2 >= v.opens_at OR v.recert_due_at IS NOT NULL))
         OR (v.state IN ('SENT', 'RECERT_REQUESTED') AND v.event_status <> 3
             AND EXISTS (SELECT FROM workflow.member m
                          WHERE m.category = v.category AND m.member = $1
                            AND m.role = 'APPROVER' AND m.user_active AND m.in_scope
                            AND $27::date BETWEEN m.valid_from AND m.valid_to)) AS waiting
    FROM workflow.certification_seen v,
         LATERAL (
           SELECT $1 <> '' AND EXISTS (
                    SELECT FROM workflow.required_certifier r
                     WHERE r.certification_id = v.id AND r.round = v.round
                       AND (r.member = $1
                            OR (r.delegate = $1 AND NOT EXISTS (
                                  SELECT FROM workflow.signature s
                                   WHERE s.certification_id = v.id AND s.signer = r.member
                                     AND s.voided_at IS NULL)))) AS must_sign,
                  EXISTS (SELECT FROM workflow.signature s
                           WHERE s.certification_id = v.id AND s.voided_at IS NULL
                             AND (s.signer = $1
                                  OR EXISTS (SELECT FROM workflow.required_certifier r
                                              WHERE r.certification_id = v.id
                                                AND r.round = v.round AND r.member = $1
                                                AND r.delegate = s.signer))) AS has_signed) u
   WHERE ($3 OR (v.event = ANY ($26::text[]) AND v.event_status <> 3
                 AND (v.organization = ANY ($4::text[])
                      OR v.organization_parent = ANY ($25::text[]))))
     AND (cardinality($6::text[]) = 0 OR v.state = ANY ($6::text[]))
     AND ($7::integer = 0 OR v.event_status = $7)
     AND ($8::integer = 0 OR workflow.phase(v.event_status, v.starts_at, v.opens_at, v.due_at,
                                            v.ends_at, $2) = $8)
     AND ($9 = '' OR v.category = $9)
     AND ($10 = '' OR $10 = ANY (v.datasets))
     AND ($11::integer = 0 OR v.level = $11)
     AND ($12::integer = 0 OR v.reporting_year = $12)
     AND ($13 = '' OR v.organization = $13)
     AND ($14 = '' OR v.event = $14)
     AND ($15 = '' OR position(lower($15) IN lower(v.title)) > 0)
     AND ($16::timestamptz IS NULL OR v.effective_due >= $16)
     AND ($17::timestamptz IS NULL OR v.effective_due < $17)
     AND (NOT $18::boolean OR (v.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
                               AND $2 > v.effective_due))
     AND ($20::timestamptz IS NULL OR v.update_time >= $20)),
page AS (
  SELECT id, user_status, sort_key FROM seen
   WHERE (cardinality($5::bigint[]) = 0 OR user_status = ANY ($5::bigint[]))
     AND (NOT $19::boolean OR waiting)
     AND ($23 = '' OR (sort_key, id::text) > ($22, $23))
   ORDER BY sort_key, id::text LIMIT $24)
SELECT page.user_status, page.sort_key,
       v.id, v.event, v.organization, v.state, v.round, v.version, v.transitions, v.came_from,
       v.candidate_snapshot, v.certified_snapshot, v.recert_due, v.recert_due_at,
       v.prior_recert_due, v.prior_recert_due_at, v.administrative, v.return_reason,
       v.round_started_at, v.start_time, v.sent_at, v.approved_at, v.approved_by, v.create_time,
       v.update_time, v.title, v.category, v.datasets, v.level, v.reporting_year, v.event_status,
       v.attestation_version, v.starts_at, v.opens_at, v.due_at, v.ends_at,
       v.organization_display_name, v.organization_parent, v.roster, v.delegates, v.titles,
       v.request_id, v.requester, v.request_reason, v.requested_at,
       s.id AS s_id, s.round AS s_round, s.signer AS s_signer, s.role_title AS s_role_title,
       s.snapshot AS s_snapshot, s.root AS s_root, s.signed_at AS s_signed_at,
       s.attestation_version AS s_attestation_version,
       s.warnings_acknowledged AS s_warnings_acknowledged,
       s.zero_attestation AS s_zero_attestation, s.warning_count AS s_warning_count,
       s.waived_count AS s_waived_count,
       s.membership_version AS s_membership_version, s.voided_at AS s_voided_at,
       s.void_reason AS s_void_reason, s.voided_in_round AS s_voided_in_round
  FROM page
  JOIN workflow.certification_seen v ON v.id = page.id
  LEFT JOIN workflow.signature s ON s.certification_id = v.id
 ORDER BY page.sort_key, page.id::text, s.signed_at DESC, s.id DESC;

-- name: summary
-- Counts of an event by status, as far as the caller may see.
SELECT v.state, count(*) AS count,
       count(*) FILTER (WHERE v.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
                          AND $2::timestamptz > v.effective_due) AS overdue,
       count(*) FILTER (WHERE v.state = 'APPROVED' AND v.administrative) AS administrative,
       count(*) FILTER (WHERE v.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
                          AND cardinality(v.roster) = 0) AS without_certifier
  FROM workflow.certification_seen v
 WHERE v.event = $1
   AND ($3 OR (v.event_status <> 3 AND (v.organization = ANY ($4::text[])
                                        OR v.organization_parent = ANY ($5::text[]))))
 GROUP BY v.state;

-- name: list_transitions
SELECT seq, from_state, action, to_state, actor, reason, round, request_id, at
  FROM workflow.transition_log
 WHERE certification_id = $1::uuid AND seq > $2 ORDER BY seq LIMIT $3;

-- name: compute_user_status
-- The filter's function, for the test that compares it with the C++ one.
SELECT workflow.user_status($1::boolean, $2, $3::boolean, $4::boolean, $5::boolean) AS status;

-- name: compute_phase
SELECT workflow.phase($1::integer, $2, $3, $4, $5, $6) AS phase;

-- name: list_allowed_transitions
SELECT from_state, action, to_state FROM workflow.allowed_transition
 ORDER BY from_state, action, to_state;
