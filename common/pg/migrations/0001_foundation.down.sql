DROP TABLE parked_change, feed_cursor, change, audit, idempotency;
