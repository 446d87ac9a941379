-- name: insert_member
INSERT INTO registry.member (member_id, category_id, organization_id, user_id, role, rank, title,
                             valid_from, valid_to, delegate_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING member_id, category_id, organization_id, user_id, role, rank, title, valid_from,
          valid_to, delegate_id, created_at;

-- name: find_overlapping_member
-- The row that gives a user the same role at an organisation on a day of the interval.
SELECT member_id FROM registry.member
 WHERE category_id = $1 AND organization_id = $2 AND user_id = $3 AND role = $4
   AND valid_from <= $6::date AND $5::date <= valid_to
 LIMIT 1;

-- name: get_member
-- One member at an organisation in a scope, of a category that the caller sees.
SELECT m.member_id, m.category_id, m.organization_id, m.user_id, m.role, m.rank, m.title,
       m.valid_from, m.valid_to, m.delegate_id, m.created_at
  FROM registry.member m
  JOIN registry.category c USING (category_id)
  JOIN registry.organization o USING (organization_id)
 WHERE m.category_id = $1 AND m.member_id = $2
   AND ($3::boolean
        OR (c.published_at IS NOT NULL
            AND (o.organization_id = ANY ($4::text[]) OR o.parent_id = ANY ($5::text[]))));

-- name: delete_member
-- Takes a member away and keeps what he was.
WITH removed AS (
  DELETE FROM registry.member WHERE member_id = $1
  RETURNING member_id, category_id, organization_id, user_id, role, rank, title, valid_from,
            valid_to, delegate_id, created_at
)
INSERT INTO registry.removed_member (member_id, category_id, organization_id, user_id, role, rank,
                                     title, valid_from, valid_to, delegate_id, created_at)
SELECT member_id, category_id, organization_id, user_id, role, rank, title, valid_from, valid_to,
       delegate_id, created_at
  FROM removed;

-- name: list_members
-- A page of the members at organisations in a scope, of categories that the caller sees; with what
-- counts on the day, as `resolve` counts it. At an instant, if one is given, else now.
SELECT m.member_id, m.category_id, m.organization_id, m.user_id, m.role, m.rank, m.title,
       m.valid_from, m.valid_to, m.delegate_id, m.created_at,
       u.active AS user_active,
       u.active AND (u.is_administrator OR coalesce(s.in_scope, false)) AS in_scope,
       coalesce(s.all_schools, false) AS all_schools,
       coalesce(d.active AND (d.is_administrator OR s.delegate_in_scope), false)
         AS delegate_in_scope,
       coalesce(d.active AND (d.is_administrator OR s.delegate_all_schools), false)
         AS delegate_all_schools
  FROM (SELECT member_id, category_id, organization_id, user_id, role, rank, title, valid_from,
               valid_to, delegate_id, created_at
          FROM registry.member
         WHERE $12::timestamptz IS NULL OR created_at <= $12
         UNION ALL
        SELECT member_id, category_id, organization_id, user_id, role, rank, title, valid_from,
               valid_to, delegate_id, created_at
          FROM registry.removed_member
         WHERE created_at <= $12 AND $12 < removed_at) m
  JOIN registry.category c USING (category_id)
  JOIN registry.organization o USING (organization_id)
  JOIN registry.app_user u USING (user_id)
  LEFT JOIN registry.organization p ON p.organization_id = o.parent_id
  LEFT JOIN registry.app_user d ON d.user_id = m.delegate_id
 CROSS JOIN LATERAL (
       SELECT bool_or(a.user_id = m.user_id AND r.here) AS in_scope,
              bool_or(a.user_id = m.user_id AND a.all_schools
                      AND a.organization_id = m.organization_id) AS all_schools,
              bool_or(a.user_id = m.delegate_id AND r.here) AS delegate_in_scope,
              bool_or(a.user_id = m.delegate_id AND r.below) AS delegate_all_schools
         FROM registry.assignment a
         JOIN registry.organization w ON w.organization_id = a.organization_id
        CROSS JOIN LATERAL (
              SELECT w.kind = 'SEA' OR w.organization_id = o.organization_id
                     OR (a.all_schools AND w.kind = 'DISTRICT' AND w.organization_id = o.parent_id)
                     OR (w.kind = 'SERVICE_AGENCY'
                         AND w.organization_id IN (o.parent_id, p.parent_id)) AS here,
                     w.kind = 'SEA'
                     OR (a.all_schools AND w.kind = 'DISTRICT'
                         AND w.organization_id = o.organization_id)
                     OR (w.kind = 'SERVICE_AGENCY' AND w.organization_id = o.parent_id) AS below) r
        WHERE a.user_id IN (m.user_id, m.delegate_id)
          AND $8::date BETWEEN a.valid_from AND a.valid_to) s
 WHERE ($1::boolean
        OR (c.published_at IS NOT NULL
            AND (o.organization_id = ANY ($2::text[]) OR o.parent_id = ANY ($3::text[]))))
   AND ($4 = '' OR m.category_id = $4)
   AND ($5 = '' OR m.organization_id = $5)
   AND ($6 = '' OR m.user_id = $6)
   AND (NOT $7::boolean OR (u.active AND $8::date BETWEEN m.valid_from AND m.valid_to))
   AND (m.category_id, m.member_id) > ($9, $10)
 ORDER BY m.category_id, m.member_id LIMIT $11;
