-- name: insert_organization
-- Nothing when the id is taken, or the state education agency exists.
INSERT INTO registry.organization (organization_id, kind, display_name, parent_id, nces_id,
                                   open_date, close_date, grades_offered)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING organization_id, kind, display_name, parent_id, nces_id, open_date, close_date,
          grades_offered, row_version, created_at, updated_at;

-- name: get_organization
-- One organisation in a scope: everything, organisations, or schools of districts.
SELECT organization_id, kind, display_name, parent_id, nces_id, open_date, close_date,
       grades_offered, row_version, created_at, updated_at
  FROM registry.organization
 WHERE organization_id = $1
   AND ($2::boolean OR organization_id = ANY ($3::text[]) OR parent_id = ANY ($4::text[]));

-- name: list_organizations
-- A page of the organisations in a scope.
SELECT organization_id, kind, display_name, parent_id, nces_id, open_date, close_date,
       grades_offered, row_version, created_at, updated_at
  FROM registry.organization
 WHERE ($1::boolean OR organization_id = ANY ($2::text[]) OR parent_id = ANY ($3::text[]))
   AND ($4 = '' OR parent_id = $4)
   AND ($5 = '' OR kind = $5)
   AND ($6 = '' OR strpos(lower(display_name), lower($6)) > 0)
   AND organization_id > $7
 ORDER BY organization_id LIMIT $8;

-- name: get_kinds
-- The kinds of those organisations that exist.
SELECT organization_id, kind FROM registry.organization WHERE organization_id = ANY ($1::text[]);
