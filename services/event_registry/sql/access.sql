-- name: resolve
-- Everything that decides what a user may do, in one round trip: one row, or none when there is no
-- such user. $1 user, $2 event or '', $3 organisation or '', $4 today.
WITH caller AS (
  SELECT user_id, active, is_administrator FROM registry.app_user WHERE user_id = $1
), assigned AS (  -- where he works today
  SELECT o.organization_id, o.kind, a.all_schools
    FROM caller c
    JOIN registry.assignment a ON a.user_id = c.user_id
         AND $4::date BETWEEN a.valid_from AND a.valid_to
    JOIN registry.organization o USING (organization_id)
   WHERE c.active
), standing AS (
  SELECT c.active AND (c.is_administrator
         OR EXISTS (SELECT FROM assigned WHERE kind = 'SEA')) AS is_state_user
    FROM caller c
), scope AS (  -- what he sees; a service agency sees the districts below it
  SELECT organization_id, bool_or(with_schools) AS with_schools
    FROM (SELECT organization_id, all_schools AND kind = 'DISTRICT' AS with_schools FROM assigned
           UNION ALL
          SELECT d.organization_id, true FROM assigned a
            JOIN registry.organization d ON d.parent_id = a.organization_id
           WHERE a.kind = 'SERVICE_AGENCY') parts
   GROUP BY organization_id
), asked AS (  -- the organisation, when it is in scope
  SELECT o.organization_id, o.kind, o.parent_id, o.display_name
    FROM registry.organization o CROSS JOIN standing
   WHERE o.organization_id = $3
     AND (is_state_user OR EXISTS (
          SELECT FROM scope s WHERE s.organization_id = o.organization_id
              OR (s.with_schools AND s.organization_id = o.parent_id)))
), membership AS (  -- his rows in the event's category: his own, and those he stands in for
  SELECT m.member_id, m.category_id, m.organization_id, m.user_id, m.role, m.rank
    FROM registry.event e
    JOIN registry.member m USING (category_id)
   CROSS JOIN caller c
   WHERE e.event_id = $2 AND c.active AND (m.user_id = $1 OR m.delegate_id = $1)
     AND $4::date BETWEEN m.valid_from AND m.valid_to
), visible AS (  -- the event, when he may see it
  SELECT e.event_id
    FROM registry.event e CROSS JOIN standing
   WHERE e.event_id = $2
     AND (is_state_user OR (
          e.status IN ('PUBLISHED', 'UNPUBLISHED_CHANGES')
          AND EXISTS (SELECT FROM membership)
          -- Cheapest first: mostly the asked organisation takes part.
          AND (EXISTS (
                 SELECT FROM registry.event_participant p
                  WHERE p.event_id = $2
                    AND p.organization_id = (SELECT organization_id FROM asked))
               OR EXISTS (
                 SELECT FROM scope s JOIN registry.event_participant p USING (organization_id)
                  WHERE p.event_id = $2)
               OR EXISTS (
                 SELECT FROM scope s
                   JOIN registry.organization o ON o.parent_id = s.organization_id
                   JOIN registry.event_participant p ON p.organization_id = o.organization_id
                  WHERE s.with_schools AND p.event_id = $2))))
), role AS (  -- the roles that count; those at the state count everywhere
  SELECT m.member_id, m.organization_id, m.role,
         CASE WHEN m.rank = 'SECONDARY' AND EXISTS (
                   SELECT FROM registry.member p JOIN registry.app_user u USING (user_id)
                    WHERE p.category_id = m.category_id AND p.organization_id = m.organization_id
                      AND p.rank = 'PRIMARY' AND NOT u.active
                      AND $4::date BETWEEN p.valid_from AND p.valid_to)
              THEN 'PRIMARY' ELSE m.rank END AS rank
    FROM visible CROSS JOIN standing CROSS JOIN membership m
    JOIN registry.organization o ON o.organization_id = m.organization_id
    LEFT JOIN asked ON true
   WHERE (is_state_user OR EXISTS (
          SELECT FROM scope s WHERE s.organization_id = o.organization_id
              OR (s.with_schools AND s.organization_id = o.parent_id)))
     AND ($3 = '' OR m.organization_id = asked.organization_id
          OR (asked.organization_id IS NOT NULL AND m.role IN ('APPROVER', 'STATE_REVIEWER'))
          OR (m.organization_id = asked.parent_id AND EXISTS (
              SELECT FROM registry.assignment a
               WHERE a.user_id = m.user_id AND a.organization_id = m.organization_id
                 AND a.all_schools AND $4::date BETWEEN a.valid_from AND a.valid_to)))
)
SELECT c.active, is_state_user, v.version AS membership_version,
       (SELECT array_agg(tool ORDER BY tool) FROM registry.tool_grant g
         WHERE g.user_id = c.user_id AND c.active) AS tools,
       (SELECT array_agg(rights ORDER BY tool) FROM registry.tool_grant g
         WHERE g.user_id = c.user_id AND c.active) AS rights,
       (SELECT array_agg(organization_id ORDER BY organization_id)
          FROM scope) AS scope_organizations,
       (SELECT array_agg(organization_id ORDER BY organization_id)
          FROM scope WHERE with_schools) AS scope_districts,
       asked.organization_id, asked.kind AS organization_kind,
       asked.parent_id AS organization_parent, asked.display_name AS organization_display_name,
       roles.members AS role_members, roles.organizations AS role_organizations,
       roles.roles AS role_roles, roles.ranks AS role_ranks,
       EXISTS (SELECT FROM registry.event_participant p
                WHERE p.event_id = e.event_id
                  AND p.organization_id = asked.organization_id) AS participates,
       e.event_id, e.title, e.description, e.reporting_year, e.datasets, e.category_id, e.level,
       e.rule_group, e.start_date, e.certification_opens, e.due_date, e.end_date,
       e.snapshot_available, e.attestation_text, e.attestation_version, e.allows_zero_attestation,
       e.status, e.live_version, e.draft_version, e.rule_group_version, e.row_version,
       e.created_at, e.updated_at, e.published_at, e.closed_at, e.close_reason,
       e.participant_count, e.depends_on
  FROM caller c
 CROSS JOIN standing
 CROSS JOIN registry.membership_version v
  LEFT JOIN asked ON true
  LEFT JOIN registry.event_detail e ON e.event_id = (SELECT event_id FROM visible)
 CROSS JOIN (SELECT array_agg(member_id ORDER BY member_id) AS members,
                    array_agg(organization_id ORDER BY member_id) AS organizations,
                    array_agg(role ORDER BY member_id) AS roles,
                    array_agg(rank ORDER BY member_id) AS ranks FROM role) roles;
