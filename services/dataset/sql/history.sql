-- name: function_pin_version
-- Published. The holder will read this version for as long as his `holder_id` exists. In his own
-- transaction: what he writes and the pin are there together or not at all. Fails when the version
-- was purged. A pin and a purge of the same counter wait for each other; a push waits for neither.
CREATE OR REPLACE FUNCTION dataset_read.pin_version(
  pin_holder text, pin_holder_id text, pin_copy text, pin_dataset text, pin_district text,
  pin_version bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  oldest bigint;
BEGIN
  INSERT INTO dataset.pin_holder (holder) VALUES (pin_holder) ON CONFLICT DO NOTHING;
  IF pin_version = 0 THEN RETURN; END IF;  -- has no records
  INSERT INTO dataset.version_horizon (copy, dataset, district_id)
  VALUES (pin_copy, pin_dataset, pin_district) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM dataset.version_horizon h
   WHERE h.district_id = pin_district AND h.copy = pin_copy AND h.dataset = pin_dataset
     FOR KEY SHARE;
  -- Statements of their own: they see what was purged and unpinned until the lock was there. The one
  -- before may give the row as it was when it began.
  SELECT h.kept_from INTO oldest FROM dataset.version_horizon h
   WHERE h.district_id = pin_district AND h.copy = pin_copy AND h.dataset = pin_dataset;
  IF pin_version < oldest AND NOT EXISTS (
       SELECT FROM dataset.version_pin p
        WHERE p.district_id = pin_district AND p.copy = pin_copy AND p.dataset = pin_dataset
          AND p.version = pin_version) THEN
    RAISE EXCEPTION 'version % of % is purged, the oldest one is %', pin_version, pin_dataset, oldest
      USING ERRCODE = 'no_data_found';
  END IF;
  INSERT INTO dataset.version_pin (copy, dataset, district_id, version, holder, holder_id)
  VALUES (pin_copy, pin_dataset, pin_district, pin_version, pin_holder, pin_holder_id)
  ON CONFLICT DO NOTHING;
END $function$;

-- name: function_unpin
-- Published. What was pinned for this `holder_id` may go.
CREATE OR REPLACE FUNCTION dataset_read.unpin(pin_holder text, pin_holder_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  gone record;
BEGIN
  FOR gone IN
    WITH deleted AS (
      DELETE FROM dataset.version_pin p
       WHERE p.holder = pin_holder AND p.holder_id = pin_holder_id
      RETURNING p.district_id, p.copy, p.dataset, p.version)
    SELECT d.district_id, d.copy, d.dataset, min(d.version) AS version FROM deleted d
     GROUP BY d.district_id, d.copy, d.dataset ORDER BY d.district_id, d.copy, d.dataset LOOP
    -- The purge looks again at the rows that only this pin kept: all of them end after the version.
    UPDATE dataset.version_horizon h SET purged_to = least(h.purged_to, gone.version)
     WHERE h.district_id = gone.district_id AND h.copy = gone.copy AND h.dataset = gone.dataset;
  END LOOP;
END $function$;

-- name: function_version_is_kept
-- Published. Whether a version has all of its records. To be asked after they were read, in a later
-- statement: whoever is told yes has read all.
CREATE OR REPLACE FUNCTION dataset_read.version_is_kept(
  asked_copy text, asked_dataset text, asked_district text, asked_version bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
  SELECT asked_version = 0
      OR NOT EXISTS (
           SELECT FROM dataset.version_horizon h
            WHERE h.district_id = asked_district AND h.copy = asked_copy
              AND h.dataset = asked_dataset AND asked_version < h.kept_from)
      OR EXISTS (
           SELECT FROM dataset.version_pin p
            WHERE p.district_id = asked_district AND p.copy = asked_copy
              AND p.dataset = asked_dataset AND p.version = asked_version)
$function$;

-- name: close_functions
-- The role of rules, for one, calls none of them.
REVOKE EXECUTE ON FUNCTION dataset_read.pin_version(text, text, text, text, text, bigint),
                           dataset_read.unpin(text, text),
                           dataset_read.version_is_kept(text, text, text, bigint) FROM PUBLIC;

-- name: grant_pins
GRANT EXECUTE ON FUNCTION dataset_read.pin_version(text, text, text, text, text, bigint),
                          dataset_read.unpin(text, text) TO snapshot;

-- name: grant_version_is_kept
GRANT EXECUTE ON FUNCTION dataset_read.version_is_kept(text, text, text, bigint)
   TO snapshot, validation;

-- name: oldest_kept
-- From which version on all are whole, and whether this one is.
SELECT coalesce(max(h.kept_from), 0) AS oldest,
       $4::bigint = 0 OR $4::bigint >= coalesce(max(h.kept_from), 0) OR EXISTS (
         SELECT FROM dataset.version_pin p
          WHERE p.district_id = $3 AND p.copy = $1 AND p.dataset = $2 AND p.version = $4::bigint)
         AS kept
  FROM dataset.version_horizon h
 WHERE h.district_id = $3 AND h.copy = $1 AND h.dataset = $2;

-- name: mark_versions
-- Notes at $1 what is current, where it is another version than that of the newest mark and this one
-- is older than $2. What the service keeps itself changes little and stays for ever.
INSERT INTO dataset.version_mark (copy, dataset, district_id, seen_at, version)
SELECT v.copy, v.dataset, v.district_id, $1::timestamptz, v.version
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset AND d.keeper = 'SOURCE'
  LEFT JOIN LATERAL (
         SELECT m.version, m.seen_at FROM dataset.version_mark m
          WHERE m.district_id = v.district_id AND m.copy = v.copy AND m.dataset = v.dataset
          ORDER BY m.seen_at DESC LIMIT 1) newest ON true
 WHERE v.version > coalesce(newest.version, 0)
   AND (newest.seen_at IS NULL OR newest.seen_at <= $2::timestamptz)
ON CONFLICT DO NOTHING;

-- name: raise_horizons
-- Of what was superseded at $1 nothing is promised any more. Answers how many counters moved; none
-- while the snapshots' service does not pin.
INSERT INTO dataset.version_horizon AS h (copy, dataset, district_id, kept_from)
SELECT m.copy, m.dataset, m.district_id, max(m.version)
  FROM dataset.version_mark m
 WHERE m.seen_at <= $1::timestamptz
   AND EXISTS (SELECT FROM dataset.pin_holder WHERE holder = 'snapshot')
 GROUP BY m.copy, m.dataset, m.district_id
 ORDER BY m.district_id, m.copy, m.dataset COLLATE "C"
ON CONFLICT (district_id, copy, dataset) DO UPDATE SET kept_from = excluded.kept_from
 WHERE h.kept_from < excluded.kept_from;

-- name: drop_marks
-- Those that said their part.
DELETE FROM dataset.version_mark m
 USING dataset.version_horizon h
 WHERE h.district_id = m.district_id AND h.copy = m.copy AND h.dataset = m.dataset
   AND m.version < h.kept_from AND m.seen_at <= $1::timestamptz;

-- name: take_counter
-- One that is behind, for this transaction; what another replica is at is left to it.
SELECT h.copy, h.dataset, h.district_id, h.kept_from, h.purged_to
  FROM dataset.version_horizon h
 WHERE h.purged_to < h.kept_from
 ORDER BY h.district_id, h.copy, h.dataset
 LIMIT 1
   FOR UPDATE SKIP LOCKED;

-- name: find_stretch
-- Up to which version the closed rows after $3 are looked at now: about $5 of them, and all that end
-- at the same version.
SELECT coalesce((SELECT h.valid_to FROM ${history} h
                  WHERE h.copy = $1 AND h.district_id = $2 AND h.valid_to > $3::bigint
                    AND h.valid_to <= $4::bigint
                  ORDER BY h.valid_to OFFSET $5::bigint - 1 LIMIT 1), $4::bigint) AS until;

-- name: purge
-- At most $5 of the rows that end after $3 and not after $4, and that no pinned version has.
DELETE FROM ${history}
 WHERE ctid = ANY (ARRAY(
         SELECT h.ctid FROM ${history} h
          WHERE h.copy = $1 AND h.district_id = $2 AND h.valid_to > $3::bigint
            AND h.valid_to <= $4::bigint
            AND NOT EXISTS (
                  SELECT FROM dataset.version_pin p
                   WHERE p.district_id = $2 AND p.copy = $1 AND p.dataset = $6
                     AND p.version >= h.valid_from AND p.version < h.valid_to)
          LIMIT $5::bigint));

-- name: set_purged
UPDATE dataset.version_horizon SET purged_to = $4::bigint
 WHERE copy = $1 AND dataset = $2 AND district_id = $3;

-- name: count_behind
SELECT count(h.dataset) AS behind FROM dataset.version_horizon h WHERE h.purged_to < h.kept_from;
