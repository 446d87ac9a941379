-- name: insert_event
-- Nothing when the id is taken.
INSERT INTO registry.event (event_id, title, description, reporting_year, datasets, category_id,
                            level, rule_group, start_date, certification_opens, due_date, end_date,
                            snapshot_available, attestation_text, attestation_version,
                            allows_zero_attestation, status, live_version, draft_version,
                            rule_group_version, participant_count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21)
ON CONFLICT DO NOTHING RETURNING event_id;

-- name: insert_participants
INSERT INTO registry.event_participant (event_id, organization_id)
SELECT $1, organization_id FROM unnest($2::text[]) AS p (organization_id);

-- name: insert_dependencies
INSERT INTO registry.event_dependency (event_id, depends_on_id)
SELECT $1, depends_on_id FROM unnest($2::text[]) AS d (depends_on_id);

-- name: get_event
-- One event, without its participants.
SELECT event_id, title, description, reporting_year, datasets, category_id, level, rule_group,
       start_date, certification_opens, due_date, end_date, snapshot_available, attestation_text,
       attestation_version, allows_zero_attestation, status, live_version, draft_version,
       rule_group_version, row_version, created_at, updated_at, published_at, closed_at,
       close_reason, participant_count, depends_on
  FROM registry.event_detail WHERE event_id = $1;

-- name: list_participants
-- The participants of an event in a scope: everything, organisations, or schools of districts.
SELECT organization_id
  FROM registry.event_participant JOIN registry.organization o USING (organization_id)
 WHERE event_id = $1
   AND ($2::boolean OR organization_id = ANY ($3::text[]) OR o.parent_id = ANY ($4::text[]))
 ORDER BY organization_id;

-- name: find_missing_events
-- Those of some ids that are no event.
SELECT id FROM unnest($1::text[]) AS wanted (id)
 WHERE NOT EXISTS (SELECT FROM registry.event WHERE event_id = wanted.id);

-- name: lock_event
SELECT event_id FROM registry.event WHERE event_id = $1 FOR NO KEY UPDATE;

-- name: lock_dependencies
-- One change of the dependencies of existing events at a time, so that two of them make no circle.
SELECT pg_advisory_xact_lock(hashtext('edcert registry event dependencies'));

-- name: find_cycle
-- Whether an event is among those that some events need, directly or by way of others.
WITH RECURSIVE needed (event_id) AS (
  SELECT unnest($2::text[]) COLLATE "C"
   UNION
  SELECT d.depends_on_id FROM needed JOIN registry.event_dependency d USING (event_id)
)
SELECT event_id FROM needed WHERE event_id = $1;

-- name: clear_participants
DELETE FROM registry.event_participant WHERE event_id = $1;

-- name: clear_dependencies
DELETE FROM registry.event_dependency WHERE event_id = $1;

-- name: update_event
-- Writes what a request may say of an event that was never published.
UPDATE registry.event
   SET title = $2, description = $3, reporting_year = $4, datasets = $5, category_id = $6,
       level = $7, rule_group = $8, start_date = $9, certification_opens = $10, due_date = $11,
       end_date = $12, snapshot_available = $13, attestation_text = $14, attestation_version = $15,
       allows_zero_attestation = $16, participant_count = $17, row_version = row_version + 1,
       updated_at = clock_timestamp()
 WHERE event_id = $1 AND status = 'UNPUBLISHED';

-- name: update_lifecycle
-- Writes what a step of the lifecycle changes. The status is compared once more.
UPDATE registry.event
   SET status = $3, live_version = $4, draft_version = $5, rule_group_version = $6,
       close_reason = $7, row_version = row_version + 1, updated_at = clock_timestamp(),
       published_at = CASE WHEN $3 = 'PUBLISHED' THEN clock_timestamp() ELSE published_at END,
       closed_at = CASE WHEN $3 = 'CLOSED' THEN clock_timestamp() END
 WHERE event_id = $1 AND status = $2;

-- name: delete_event
DELETE FROM registry.event WHERE event_id = $1;

-- name: list_events
-- A page of the events that a caller sees. Outside the state those are live, an organisation of the
-- scope takes part, and the caller is a member of the category or stands in for one.
SELECT e.event_id, e.title, e.description, e.reporting_year, e.datasets, e.category_id, e.level,
       e.rule_group, e.start_date, e.certification_opens, e.due_date, e.end_date,
       e.snapshot_available, e.attestation_text, e.attestation_version, e.allows_zero_attestation,
       e.status, e.live_version, e.draft_version, e.rule_group_version, e.row_version,
       e.created_at, e.updated_at, e.published_at, e.closed_at, e.close_reason,
       e.participant_count, e.depends_on
  FROM registry.event_detail e
 WHERE ($1::boolean OR (
        e.status IN ('PUBLISHED', 'UNPUBLISHED_CHANGES')
        AND EXISTS (
            SELECT FROM registry.member m
             WHERE m.category_id = e.category_id AND (m.user_id = $4 OR m.delegate_id = $4)
               AND $5::date BETWEEN m.valid_from AND m.valid_to)
        AND EXISTS (
            SELECT FROM registry.event_participant p
              JOIN registry.organization o USING (organization_id)
             WHERE p.event_id = e.event_id
               AND (o.organization_id = ANY ($2::text[]) OR o.parent_id = ANY ($3::text[])))))
   AND (cardinality($6::text[]) = 0 OR e.status = ANY ($6::text[]))
   AND ($7 = '' OR e.category_id = $7)
   AND ($8::bigint = 0 OR e.reporting_year = $8::bigint)
   AND ($9 = '' OR EXISTS (
        SELECT FROM registry.event_participant p JOIN registry.organization o USING (organization_id)
         WHERE p.event_id = e.event_id AND p.organization_id = $9
           AND ($1::boolean OR o.organization_id = ANY ($2::text[])
                OR o.parent_id = ANY ($3::text[]))))
   AND ($10 = '' OR e.level = $10)
   AND ($11 = '' OR strpos(lower(e.title), lower($11)) > 0)
   AND (e.due_date, e.event_id) > ($12::date, $13)
 ORDER BY e.due_date, e.event_id LIMIT $14;
