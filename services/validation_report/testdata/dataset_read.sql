-- What the dataset service publishes, as plain tables without records; rule_fixture.h makes those of
-- the datasets from their definitions. Tests fill them as the owner.
CREATE SCHEMA dataset_read;
CREATE SCHEMA rule_read;

CREATE TABLE dataset_read.data_version (
  copy text NOT NULL, dataset text NOT NULL, district_id text NOT NULL, version bigint NOT NULL,
  changed_at timestamptz, row_count bigint NOT NULL, PRIMARY KEY (copy, dataset, district_id));

-- What is purged: nothing, until a test says so.
CREATE TABLE dataset_read.purged (below bigint NOT NULL);
CREATE FUNCTION dataset_read.version_is_kept(
  asked_copy text, asked_dataset text, asked_district text, asked_version bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $$
  SELECT NOT EXISTS (SELECT FROM dataset_read.purged p WHERE asked_version < p.below)
$$;

CREATE TABLE dataset_read.dataset_definition (
  dataset text PRIMARY KEY, school_column text NOT NULL, keeper text NOT NULL);

CREATE TABLE dataset_read.column_definition (
  dataset text NOT NULL, ordinal int NOT NULL, name text NOT NULL, type text NOT NULL,
  PRIMARY KEY (dataset, ordinal));
