-- name: lock_messages
-- One writer of messages at a time: sequence grows in the order of the commits.
SELECT pg_advisory_xact_lock(hashtext('edcert notification messages'));

-- name: list_finished
-- The organisations (empty: all) whose work of this kind was done after an instant.
SELECT organization FROM notification.finished_work
 WHERE event = $1 AND cause = $2 AND finished_at > $3;

-- name: insert_messages
-- One message to each recipient; whoever has it already gets none. `pending` comes as one text per
-- recipient, joined by commas.
INSERT INTO notification.message (message_id, recipient, cause_id, cause, subject, event,
                                  organization, pending, process, title, body, occurred_at,
                                  closed_at)
SELECT r.id::uuid, r.recipient, $1::uuid, $2::smallint, $3, $4, r.organization,
       CASE WHEN r.pending = '' THEN '{}' ELSE string_to_array(r.pending, ',') END,
       $5, $6, $7, $8::timestamptz, CASE WHEN r.closed = 't' THEN clock_timestamp() END
  FROM unnest($9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
       WITH ORDINALITY AS r (id, recipient, organization, pending, closed, n)
 ORDER BY r.n
ON CONFLICT (recipient, cause_id) DO NOTHING
RETURNING message_id, recipient;

-- name: close_for_organization
-- Takes one organisation off what messages ask for; those that ask for nothing more are closed.
UPDATE notification.message m
   SET pending = array_remove(m.pending, $2),
       closed_at = CASE WHEN cardinality(array_remove(m.pending, $2)) = 0
                        THEN clock_timestamp() END
 WHERE m.closed_at IS NULL AND m.event = $1 AND m.pending @> ARRAY[$2] AND m.cause = $3
   AND ($4 = '' OR m.recipient = $4)
RETURNING m.message_id, m.recipient, m.closed_at IS NOT NULL AS closed;

-- name: close_for_event
UPDATE notification.message m
   SET pending = '{}', closed_at = clock_timestamp()
 WHERE m.closed_at IS NULL AND m.event = $1 AND m.cause = $2
RETURNING m.message_id, m.recipient, true AS closed;

-- name: record_finished
INSERT INTO notification.finished_work (event, organization, cause, finished_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (event, organization, cause) DO UPDATE SET finished_at = excluded.finished_at
 WHERE finished_work.finished_at < excluded.finished_at;

-- name: get_message
SELECT m.message_id, m.sequence, m.recipient, m.cause, m.subject, m.event, m.organization,
       m.process, m.title, m.body, m.occurred_at, m.read_at, m.dismissed_at, m.closed_at
  FROM notification.message m
 WHERE m.recipient = $1 AND m.message_id = $2;

-- name: list_messages
-- A page of one person's messages, newest first.
SELECT m.message_id, m.sequence, m.recipient, m.cause, m.subject, m.event, m.organization,
       m.process, m.title, m.body, m.occurred_at, m.read_at, m.dismissed_at, m.closed_at
  FROM notification.message m
 WHERE m.recipient = $1
   AND ($2::bigint = 0 OR m.sequence < $2::bigint)
   AND (NOT $3::boolean OR m.read_at IS NULL)
   AND ($4::boolean OR m.dismissed_at IS NULL)
   AND ($5 = '' OR m.process = $5)
   AND ($6 = '' OR strpos(lower(m.title), lower($6)) > 0)
   AND ($7::timestamptz IS NULL OR m.occurred_at >= $7)
   AND ($8::timestamptz IS NULL OR m.occurred_at < $8)
 ORDER BY m.sequence DESC
 LIMIT $9;

-- name: list_after
-- One person's messages after a place in their order, oldest first.
SELECT m.message_id, m.sequence, m.recipient, m.cause, m.subject, m.event, m.organization,
       m.process, m.title, m.body, m.occurred_at, m.read_at, m.dismissed_at, m.closed_at
  FROM notification.message m
 WHERE m.recipient = $1 AND m.sequence > $2
 ORDER BY m.sequence
 LIMIT $3;

-- name: newest_sequence
SELECT coalesce(max(m.sequence), 0) AS sequence FROM notification.message m WHERE m.recipient = $1;

-- name: mark_read
-- The first time stays.
UPDATE notification.message m
   SET read_at = coalesce(m.read_at, clock_timestamp())
 WHERE m.recipient = $1 AND m.message_id = $2
RETURNING m.message_id, m.sequence, m.recipient, m.cause, m.subject, m.event, m.organization,
          m.process, m.title, m.body, m.occurred_at, m.read_at, m.dismissed_at, m.closed_at;

-- name: dismiss
-- The first times stay.
UPDATE notification.message m
   SET read_at = coalesce(m.read_at, clock_timestamp()),
       dismissed_at = coalesce(m.dismissed_at, clock_timestamp())
 WHERE m.recipient = $1 AND m.message_id = $2
RETURNING m.message_id, m.sequence, m.recipient, m.cause, m.subject, m.event, m.organization,
          m.process, m.title, m.body, m.occurred_at, m.read_at, m.dismissed_at, m.closed_at;
