-- name: append
-- One change, in the transaction of the command that causes it; it has no position yet.
INSERT INTO change (id, subject, type, payload) VALUES ($1, $2, $3, $4);

-- name: has_unnumbered
SELECT EXISTS (SELECT FROM change WHERE position IS NULL) AS any;

-- name: lock
-- One numbering at a time; the statement after it sees all earlier numbering.
SELECT pg_advisory_xact_lock(hashtext('edcert feed ' || current_schema()));

-- name: number
WITH head AS (SELECT coalesce(max(position), 0) AS at FROM change),
     fresh AS (SELECT id, row_number() OVER (ORDER BY occurred_at, id) AS n
                 FROM change WHERE position IS NULL)
UPDATE change SET position = head.at + fresh.n FROM head, fresh WHERE change.id = fresh.id;

-- name: list
SELECT position, payload, occurred_at FROM change
 WHERE position > $1 ORDER BY position LIMIT $2;

-- name: head
SELECT coalesce(max(position), 0) AS position FROM change;

-- name: read_cursor
SELECT position FROM feed_cursor WHERE feed = $1;

-- name: move_cursor
INSERT INTO feed_cursor (feed, position) VALUES ($1, $2)
ON CONFLICT (feed) DO UPDATE SET position = excluded.position
 WHERE feed_cursor.position < excluded.position;

-- name: park
INSERT INTO parked_change (feed, position, subject, type, reason)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: is_parked
-- Whether an earlier change of the same subject is parked: later ones wait behind it.
SELECT EXISTS (SELECT FROM parked_change WHERE feed = $1 AND subject = $2) AS parked;

-- name: lead
-- One consumer of a feed at a time; released when the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('edcert consume ' || current_schema() || ' ' || $1::text));
