-- name: find
-- The stored answer of a request.
SELECT request_sha256, response FROM idempotency
 WHERE principal = $1 AND method = $2 AND request_id = $3 AND response IS NOT NULL;

-- name: claim
-- Claims a request; a concurrent twin waits here until the first one commits or rolls back.
INSERT INTO idempotency (principal, method, request_id, request_sha256)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING request_id;

-- name: store
-- Stores the answer of a claimed request.
UPDATE idempotency SET response = $4
 WHERE principal = $1 AND method = $2 AND request_id = $3;

-- name: audit
-- The audit row of a command.
INSERT INTO audit (id, actor, on_behalf_by, method, subject, request_id, request_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: list_audit
-- A page of audit records, newest first; $1 is the last of the page before.
SELECT id, actor, on_behalf_by, method, subject, request_id,
       encode(request_sha256, 'hex') AS request_sha256, at
  FROM audit
 WHERE ($1::uuid IS NULL OR (at, id) < ((SELECT at FROM audit WHERE id = $1::uuid), $1::uuid))
   AND ($2 = '' OR subject = $2) AND ($3 = '' OR actor = $3)
   AND at >= $4::timestamptz AND at < $5::timestamptz
 ORDER BY at DESC, id DESC LIMIT $6;
