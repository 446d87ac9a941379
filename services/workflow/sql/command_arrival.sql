-- name: note_arrival
-- Notes that a command arrived, and says when the same one first did.
INSERT INTO workflow.command_arrival (principal, method, request_id, request_sha256, at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (principal, method, request_id, request_sha256)
  DO UPDATE SET at = least(command_arrival.at, excluded.at)
RETURNING at;
