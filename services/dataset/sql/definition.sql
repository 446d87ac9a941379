-- name: times
SELECT dataset, created_at, updated_at FROM dataset.definition;
