-- name: put
INSERT INTO dataset.known_organization (organization_id, kind, parent_id, display_name)
VALUES ($1, $2, $3, $4)
ON CONFLICT (organization_id) DO UPDATE
   SET kind = excluded.kind, parent_id = excluded.parent_id, display_name = excluded.display_name;
