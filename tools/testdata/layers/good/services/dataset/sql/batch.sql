-- name: get
SELECT b.id FROM dataset.batch b JOIN dataset_read.version v ON v.id = b.id
