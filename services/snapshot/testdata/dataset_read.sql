-- What the dataset service publishes in `dataset_read`, made by hand for two datasets: the shape
-- that this service relies on. Writers go through fixture.apply, which raises the version like a
-- batch does.

CREATE SCHEMA fixture;
CREATE TABLE fixture.data_version (
  copy        text NOT NULL,
  dataset     text NOT NULL,
  district_id text NOT NULL,
  version     bigint NOT NULL DEFAULT 0,
  changed_at  timestamptz,
  row_count   bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (district_id, copy, dataset)
);
CREATE TABLE fixture.enrollment (
  copy        text NOT NULL,
  district_id text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  valid_from  bigint NOT NULL,
  valid_to    bigint NOT NULL DEFAULT 9223372036854775807,
  school_id   text,
  row_hash    bytea NOT NULL,
  grade       text,
  weight      numeric(8, 2),
  entered     date
);
CREATE TABLE fixture.attendance (LIKE fixture.enrollment INCLUDING DEFAULTS);

CREATE SCHEMA dataset_read;
CREATE VIEW dataset_read.data_version AS
SELECT copy, dataset, district_id, version, changed_at, row_count FROM fixture.data_version;
CREATE VIEW dataset_read.enrollment AS
SELECT copy, district_id, record_key, valid_from, valid_to, school_id, row_hash, grade, weight,
       entered
  FROM fixture.enrollment;
CREATE VIEW dataset_read.attendance AS
SELECT copy, district_id, record_key, valid_from, valid_to, school_id, row_hash, grade, weight,
       entered
  FROM fixture.attendance;

-- What is pinned, and below which version all else is purged.
CREATE TABLE fixture.pin (
  holder_id text NOT NULL,
  dataset   text NOT NULL,
  district  text NOT NULL,
  version   bigint NOT NULL
);
CREATE TABLE fixture.horizon (kept_from bigint NOT NULL);
INSERT INTO fixture.horizon VALUES (0);
CREATE FUNCTION dataset_read.pin_version(
  pin_holder text, pin_holder_id text, pin_copy text, pin_dataset text, pin_district text,
  pin_version bigint) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO fixture.pin (holder_id, dataset, district, version)
  VALUES (pin_holder_id, pin_dataset, pin_district, pin_version)
$$;
CREATE FUNCTION dataset_read.unpin(pin_holder text, pin_holder_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$ DELETE FROM fixture.pin p WHERE p.holder_id = $2 $$;
CREATE FUNCTION dataset_read.version_is_kept(
  asked_copy text, asked_dataset text, asked_district text, asked_version bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $$
  SELECT asked_version >= h.kept_from FROM fixture.horizon h
$$;
GRANT USAGE ON SCHEMA fixture TO snapshot;
GRANT SELECT ON fixture.pin TO snapshot;
GRANT USAGE ON SCHEMA dataset_read TO snapshot;
GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO snapshot;

-- One batch of one record: NULL grade removes it. Returns the new version.
CREATE FUNCTION fixture.apply(dataset text, district text, key text, school text, grade text)
RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  new_version bigint;
  closed bigint;
BEGIN
  INSERT INTO fixture.data_version AS v (copy, dataset, district_id, version, changed_at)
  VALUES ('STATE', apply.dataset, district, 1, clock_timestamp())
  ON CONFLICT (district_id, copy, dataset) DO UPDATE
     SET version = v.version + 1, changed_at = clock_timestamp()
  RETURNING version INTO new_version;
  EXECUTE format('UPDATE fixture.%I SET valid_to = $1 WHERE copy = ''STATE'' AND district_id = $2
                   AND record_key = $3 AND valid_to = 9223372036854775807', dataset)
    USING new_version, district, key;
  GET DIAGNOSTICS closed = ROW_COUNT;
  UPDATE fixture.data_version v
     SET row_count = row_count + (grade IS NOT NULL)::int - closed
   WHERE v.copy = 'STATE' AND v.dataset = apply.dataset AND v.district_id = district;
  IF grade IS NOT NULL THEN
    EXECUTE format('INSERT INTO fixture.%I (copy, district_id, record_key, valid_from, school_id,
                      row_hash, grade, weight, entered)
                    VALUES (''STATE'', $1, $2, $3, $4, $5, $6, 1.50, ''2026-09-01'')', dataset)
      USING district, key, new_version, school,
            sha256(convert_to(key || '|' || school || '|' || grade, 'UTF8')), grade;
  END IF;
  RETURN new_version;
END $$;
