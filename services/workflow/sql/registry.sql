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
INSERT INTO workflow.member (category, organization, member, role, is_primary, delegate, title)
SELECT $1, m.organization, m.member, m.role, m.rank = 'PRIMARY', m.delegate, m.title
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
       AS m (organization, member, role, rank, delegate, title)
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

-- name: requested_of_event
-- Certifications of an event on which a request is pending.
SELECT id FROM workflow.certification WHERE event = $1 AND state = 'RECERT_REQUESTED' ORDER BY id;

-- name: not_among
-- Certifications of an event for organisations that take no part any more.
SELECT id FROM workflow.certification
 WHERE event = $1 AND state NOT IN ('EXEMPT', 'WITHDRAWN') AND NOT organization = ANY ($2::text[])
 ORDER BY id;
