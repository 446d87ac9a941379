-- name: insert_user
-- Nothing when the id or the staff id is taken.
INSERT INTO registry.app_user (user_id, display_name, email, staff_id, active, is_administrator)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING user_id;

-- name: insert_assignments
INSERT INTO registry.assignment (user_id, ordinal, organization_id, all_schools, valid_from,
                                 valid_to)
SELECT $1, a.ordinal, a.organization_id, a.all_schools, a.valid_from, a.valid_to
  FROM unnest($2::text[], $3::boolean[], $4::date[], $5::date[])
       WITH ORDINALITY AS a (organization_id, all_schools, valid_from, valid_to, ordinal);

-- name: delete_grants
DELETE FROM registry.tool_grant WHERE user_id = $1;

-- name: insert_grants
INSERT INTO registry.tool_grant (user_id, tool, rights)
SELECT $1, g.tool, g.rights FROM unnest($2::bigint[], $3::bigint[]) AS g (tool, rights);

-- name: lock_user
SELECT user_id FROM registry.app_user WHERE user_id = $1 FOR NO KEY UPDATE;

-- name: touch_user
UPDATE registry.app_user SET row_version = row_version + 1, updated_at = clock_timestamp()
 WHERE user_id = $1;

-- name: get_user
-- One user who has, or had, an assignment in a scope.
SELECT user_id, display_name, email, staff_id, active, row_version, created_at, updated_at,
       organizations, all_schools, valid_from, valid_to, tools, rights
  FROM registry.user_detail u
 WHERE user_id = $1
   AND ($2::boolean OR EXISTS (
        SELECT FROM registry.assignment a JOIN registry.organization o USING (organization_id)
         WHERE a.user_id = u.user_id
           AND (o.organization_id = ANY ($3::text[]) OR o.parent_id = ANY ($4::text[]))));

-- name: list_users
-- A page of the users who have an assignment in a scope: one that has not ended on the day.
SELECT user_id, display_name, email, staff_id, active, row_version, created_at, updated_at,
       organizations, all_schools, valid_from, valid_to, tools, rights
  FROM registry.user_detail u
 WHERE ($1::boolean OR EXISTS (
        SELECT FROM registry.assignment a JOIN registry.organization o USING (organization_id)
         WHERE a.user_id = u.user_id AND $4::date <= a.valid_to
           AND (o.organization_id = ANY ($2::text[]) OR o.parent_id = ANY ($3::text[]))))
   AND ($5 = '' OR EXISTS (
        SELECT FROM registry.assignment a
         WHERE a.user_id = u.user_id AND a.organization_id = $5 AND $4::date <= a.valid_to))
   AND ($6 = '' OR strpos(lower(display_name), lower($6)) > 0)
   AND (NOT $7::boolean OR active)
   AND user_id > $8
 ORDER BY user_id LIMIT $9;

-- name: is_assigned
-- Whether a user works at an organisation, or in all schools of the district above it, at some day
-- of an interval. The administrator works at the state.
SELECT EXISTS (
         SELECT FROM registry.assignment a
           JOIN registry.organization o ON o.organization_id = $2
          WHERE a.user_id = $1 AND a.valid_from <= $4::date AND $3::date <= a.valid_to
            AND (a.organization_id = o.organization_id
                 OR (a.all_schools AND a.organization_id = o.parent_id)))
    OR EXISTS (
         SELECT FROM registry.app_user u JOIN registry.organization o ON o.organization_id = $2
          WHERE u.user_id = $1 AND u.is_administrator AND o.kind = 'SEA') AS assigned;

-- name: raise_membership_version
-- To be called by every change of members, assignments or rights; waits for the one under way.
UPDATE registry.membership_version SET version = version + 1;
