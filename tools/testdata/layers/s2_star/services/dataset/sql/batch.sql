-- name: all
SELECT b.* FROM dataset.batch b
-- name: count
SELECT count(*) FROM dataset.batch b
