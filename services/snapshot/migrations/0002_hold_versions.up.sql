-- A snapshot holds the data versions that it names: nobody deletes their records while it is there.
-- Triggers do it and not the server, so that the servers of before, which still run, do it too.

CREATE FUNCTION hold_versions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  named record;
BEGIN
  -- In the order of the datasets, as everybody who pins: two never wait for each other.
  FOR named IN
    SELECT s.snapshot_id, s.district_id, n.dataset, n.version
      FROM new_versions n JOIN ${schema}.snapshot s ON s.snapshot_id = n.snapshot_id
     ORDER BY s.district_id, n.dataset LOOP
    PERFORM dataset_read.pin_version('snapshot', named.snapshot_id::text, 'STATE', named.dataset,
                                     named.district_id, named.version);
  END LOOP;
  RETURN NULL;
END $function$;

CREATE FUNCTION release_versions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  PERFORM dataset_read.unpin('snapshot', old.snapshot_id::text);
  RETURN NULL;
END $function$;

-- Each waits for the snapshots that are being taken, and the others wait for this transaction: what
-- was taken before it is pinned below, what is taken after it by the trigger.
CREATE TRIGGER hold_versions AFTER INSERT ON snapshot_version
  REFERENCING NEW TABLE AS new_versions
  FOR EACH STATEMENT EXECUTE FUNCTION hold_versions();
CREATE TRIGGER release_versions AFTER DELETE ON snapshot
  FOR EACH ROW EXECUTE FUNCTION release_versions();

DO $pins$
DECLARE
  named record;
BEGIN
  FOR named IN
    SELECT s.snapshot_id, s.district_id, v.dataset, v.version
      FROM snapshot_version v JOIN snapshot s ON s.snapshot_id = v.snapshot_id
     ORDER BY s.district_id, v.dataset LOOP
    PERFORM dataset_read.pin_version('snapshot', named.snapshot_id::text, 'STATE', named.dataset,
                                     named.district_id, named.version);
  END LOOP;
END $pins$;
