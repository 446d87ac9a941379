-- name: list
SELECT c.id FROM registry.change c
