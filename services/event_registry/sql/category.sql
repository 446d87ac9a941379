-- name: insert_category
-- Nothing when the id is taken.
INSERT INTO registry.category (category_id, title, description, level, active, restricted)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING category_id, title, description, level, active, restricted, row_version, created_at,
          updated_at, published_at;

-- name: get_category
-- One category; of those that were never published only for the state.
SELECT category_id, title, description, level, active, restricted, row_version, created_at,
       updated_at, published_at
  FROM registry.category
 WHERE category_id = $1 AND ($2::boolean OR published_at IS NOT NULL);

-- name: share_category
-- Keeps a category as it is until the transaction ends.
SELECT category_id FROM registry.category WHERE category_id = $1 FOR SHARE;

-- name: list_categories
-- A page of categories; of those that were never published only for the state.
SELECT category_id, title, description, level, active, restricted, row_version, created_at,
       updated_at, published_at
  FROM registry.category
 WHERE ($1::boolean OR published_at IS NOT NULL)
   AND ($2 = '' OR $2 = CASE WHEN published_at IS NULL THEN 'DRAFT'
                             WHEN active THEN 'PUBLISHED' ELSE 'INACTIVE' END)
   AND ($3 = '' OR level = $3)
   AND category_id > $4
 ORDER BY category_id LIMIT $5;

-- name: lock_category
SELECT category_id FROM registry.category WHERE category_id = $1 FOR NO KEY UPDATE;

-- name: publish_category
UPDATE registry.category
   SET published_at = clock_timestamp(), updated_at = clock_timestamp(),
       row_version = row_version + 1
 WHERE category_id = $1 AND published_at IS NULL
RETURNING category_id, title, description, level, active, restricted, row_version, created_at,
          updated_at, published_at;
