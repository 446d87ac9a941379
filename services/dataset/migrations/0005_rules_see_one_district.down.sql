-- The binaries of before read dataset_read as the role of rules, which has to be granted again where it
-- was revoked.
DROP SCHEMA rule_read CASCADE;
DROP FUNCTION make_rule_view(text);

-- Makes or extends the tables and the view of a stored definition. What it makes is fixed but for
-- names and types, and these are checked here too, since the caller need not be honest: names are
-- identifiers, types come from a list, a column is added or a number gets more digits before the
-- point, and anything else is an error. Only the owner, that is a new version of the product, makes
-- tables and columns that are not called state_...
CREATE OR REPLACE FUNCTION make_records(wanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  by_owner CONSTANT boolean := session_user = current_user;
  of_state CONSTANT boolean := wanted LIKE 'state\_%';
  shown CONSTANT text := format('dataset_read.%I', wanted);
  target text;
  targets CONSTANT text[] := ARRAY[format('${schema}.%I', wanted),
                                   format('${schema}.%I', wanted || '_history')];
  field record;
  known text;
  asked text;
  list text := '';
BEGIN
  IF wanted !~ '^[a-z][a-z0-9_]{0,54}$' OR wanted ~ '_history$' OR
     NOT EXISTS (SELECT FROM ${schema}.definition d WHERE d.dataset = wanted) THEN
    RAISE EXCEPTION 'no dataset of this name';
  END IF;
  IF NOT (by_owner OR of_state OR to_regclass(targets[1]) IS NOT NULL) THEN
    RAISE EXCEPTION 'not a name for a dataset of the state';
  END IF;
  -- In the order of readers, who come by the view: the other way round each would wait for the
  -- other.
  IF to_regclass(shown) IS NOT NULL THEN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', shown);
  END IF;
  EXECUTE format(
    'CREATE TABLE IF NOT EXISTS %s ('
    ' copy text NOT NULL CHECK (copy IN (''DISTRICT'', ''STATE'')), district_id text NOT NULL,'
    ' record_key text COLLATE "C" NOT NULL, valid_from bigint NOT NULL, row_hash bytea NOT NULL,'
    ' school_id text, PRIMARY KEY (copy, district_id, record_key))', targets[1]);
  -- Closed rows: valid from valid_from up to, but not at, valid_to.
  EXECUTE format(
    'CREATE TABLE IF NOT EXISTS %s ('
    ' copy text NOT NULL CHECK (copy IN (''DISTRICT'', ''STATE'')), district_id text NOT NULL,'
    ' record_key text COLLATE "C" NOT NULL, valid_from bigint NOT NULL,'
    ' valid_to bigint NOT NULL CHECK (valid_to > valid_from), row_hash bytea NOT NULL,'
    ' school_id text)', targets[2]);
  EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %s (copy, district_id, valid_to)',
                 wanted || '_history_valid_to', targets[2]);
  FOR field IN SELECT name, type, precision, scale FROM ${schema}.definition_column
                WHERE dataset = wanted ORDER BY ordinal LOOP
    IF field.name !~ '^[a-z][a-z0-9_]{0,62}$' OR
       field.name IN ('copy', 'district_id', 'record_key', 'valid_from', 'valid_to', 'row_hash') THEN
      RAISE EXCEPTION 'not a name for a column';
    END IF;
    asked := CASE field.type
      WHEN 'STRING' THEN 'text' WHEN 'CODE' THEN 'text' WHEN 'CODES' THEN 'text'
      WHEN 'INT64' THEN 'bigint' WHEN 'DATE' THEN 'date' WHEN 'BOOL' THEN 'boolean'
      WHEN 'TIMESTAMP' THEN 'timestamp with time zone'
      WHEN 'DECIMAL' THEN format('numeric(%s,%s)', field.precision, field.scale) END;
    FOREACH target IN ARRAY targets LOOP
      SELECT format_type(atttypid, atttypmod) INTO known FROM pg_attribute
       WHERE attrelid = target::regclass AND attname = field.name AND NOT attisdropped;
      IF known IS NULL THEN
        IF NOT (by_owner OR of_state OR field.name LIKE 'state\_%') THEN
          RAISE EXCEPTION 'not a name for a column of the state';
        END IF;
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', target, field.name, asked);
      ELSIF known <> asked THEN
        IF field.type <> 'DECIMAL' OR known !~ format('^numeric\(\d+,%s\)$', field.scale) OR
           substring(known FROM '\d+')::int > field.precision THEN
          RAISE EXCEPTION 'a column can only grow';
        END IF;
        -- PostgreSQL changes no column that a view shows.
        EXECUTE format('DROP VIEW IF EXISTS %s', shown);
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', target, field.name, asked);
      END IF;
    END LOOP;
    IF field.name <> 'school_id' THEN list := list || format(', %I', field.name); END IF;
  END LOOP;
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s, %s TO ${schema}',
                 targets[1], targets[2]);
  -- Current and closed rows as one: at version v, valid_from <= v AND v < valid_to.
  EXECUTE format(
    'CREATE OR REPLACE VIEW %s AS'
    ' SELECT copy, district_id, record_key, valid_from, 9223372036854775807 AS valid_to,'
    ' school_id, row_hash%s FROM %s UNION ALL'
    ' SELECT copy, district_id, record_key, valid_from, valid_to, school_id, row_hash%s FROM %s',
    shown, list, targets[1], list, targets[2]);
END $function$;
