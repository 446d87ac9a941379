-- name: save_event
INSERT INTO workflow.event (name, title, category, datasets, level, reporting_year, status,
                            attestation_version, starts_at, opens_at, due_at, ends_at)
VALUES ($1, $2, $3, $4::text[], $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (name) DO UPDATE
   SET title = excluded.title, category = excluded.category, datasets = excluded.datasets,
       level = excluded.level, reporting_year = excluded.reporting_year,
       status = excluded.status, attestation_version = excluded.attestation_version,
       starts_at = excluded.starts_at, opens_at = excluded.opens_at, due_at = excluded.due_at,
       ends_at = excluded.ends_at;

-- name: close_event
UPDATE workflow.event SET status = 3 WHERE name = $1;

-- name: save_organization
INSERT INTO workflow.organization (name, display_name, parent) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
   SET display_name = excluded.display_name, parent = excluded.parent;

-- name: clear_members
-- Forgets the members of a category at an organisation; at all when that is empty.
DELETE FROM workflow.member WHERE category = $1 AND ($2 = '' OR organization = $2);

-- name: insert_members
INSERT INTO workflow.member (category, organization, member, role, is_primary, delegate, title,
                             valid_from, valid_to, user_active, in_scope, all_schools,
                             delegate_in_scope, delegate_all_schools)
SELECT $1, m.organization, m.member, m.role, m.rank = 'PRIMARY', m.delegate, m.title, m.valid_from,
       m.valid_to, m.user_active, m.in_scope, m.all_schools, m.delegate_in_scope,
       m.delegate_all_schools
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[],
              $9::date[], $10::boolean[], $11::boolean[], $12::boolean[], $13::boolean[],
              $14::boolean[])
       AS m (organization, member, role, rank, delegate, title, valid_from, valid_to, user_active,
             in_scope, all_schools, delegate_in_scope, delegate_all_schools)
ON CONFLICT DO NOTHING;

-- name: unsent_of_category
-- Certifications whose roster follows the members: not sent yet, of a category at an organisation
-- and, when it is a district, at its schools.
SELECT c.id FROM workflow.certification c
  JOIN workflow.event e ON e.name = c.event
  LEFT JOIN workflow.organization o ON o.name = c.organization
 WHERE e.category = $1 AND e.status <> 3 AND c.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
   AND (c.organization = $2 OR o.parent = $2)
 ORDER BY c.id;

-- name: is_day_taken_up
-- Whether members and rosters were made exact for a day.
SELECT day >= $1::date AS done FROM workflow.roster_day;

-- name: try_day
-- One replica at a time takes up a day; released when the transaction ends.
SELECT pg_try_advisory_xact_lock(hashtext('edcert workflow day')) AS locked;

-- name: live_categories
-- Categories whose members may have to sign.
SELECT DISTINCT category FROM workflow.event WHERE status <> 3 ORDER BY category;

-- name: changed_rosters
-- Certifications that are not sent and whose roster is another one on a day, at most some.
SELECT v.id FROM workflow.certification_seen v
 WHERE v.event_status <> 3 AND v.state IN ('IN_PROGRESS', 'RECERT_IN_PROGRESS')
   AND ARRAY(SELECT concat_ws(chr(1), r.member, r.delegate, r.title)
               FROM workflow.roster_of(v.category, v.organization, v.organization_parent, v.level,
                                       $1::date) r ORDER BY r.member)
       IS DISTINCT FROM
       ARRAY(SELECT concat_ws(chr(1), r.member, r.delegate, r.title)
               FROM workflow.required_certifier r
              WHERE r.certification_id = v.id AND r.round = v.round ORDER BY r.member)
 ORDER BY v.id LIMIT $2;

-- name: finish_day
UPDATE workflow.roster_day SET day = $1::date WHERE day < $1::date;

-- name: requested_of_event
-- Certifications of an event on which a request is pending.
SELECT id FROM workflow.certification WHERE event = $1 AND state = 'RECERT_REQUESTED' ORDER BY id;

-- name: not_among
-- Certifications of an event for organisations that take no part any more.
SELECT id FROM workflow.certification
 WHERE event = $1 AND state NOT IN ('EXEMPT', 'WITHDRAWN') AND NOT organization = ANY ($2::text[])
 ORDER BY id;
