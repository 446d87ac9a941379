-- name: find
SELECT content_sha256, response FROM dataset.batch
 WHERE batch_id = $1 AND response IS NOT NULL;

-- name: claim
-- A twin with the same batch id waits here until the first one has ended.
INSERT INTO dataset.batch (batch_id, dataset, district_id, mode, source_watermark, content_sha256)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- name: store
UPDATE dataset.batch SET version = $2, response = $3 WHERE batch_id = $1;
