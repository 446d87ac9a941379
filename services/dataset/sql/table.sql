-- name: create_records
-- The current rows. ${...} is filled in from the definition, by record_sql.cc.
CREATE TABLE IF NOT EXISTS ${table} (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  district_id text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  valid_from  bigint NOT NULL,
  row_hash    bytea NOT NULL,
  ${typed_columns},
  PRIMARY KEY (copy, district_id, record_key)
);

-- name: create_history
-- The closed rows: valid from valid_from up to, but not at, valid_to.
CREATE TABLE IF NOT EXISTS ${history} (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  district_id text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  valid_from  bigint NOT NULL,
  valid_to    bigint NOT NULL CHECK (valid_to > valid_from),
  row_hash    bytea NOT NULL,
  ${typed_columns}
);

-- name: create_history_index
CREATE INDEX IF NOT EXISTS ${id}_history_valid_to ON ${history} (copy, district_id, valid_to);

-- name: add_column
ALTER TABLE ${target} ADD COLUMN IF NOT EXISTS ${column};

-- name: widen_column
ALTER TABLE ${target} ALTER COLUMN ${name} TYPE ${type};

-- name: grant_records
GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}, ${history} TO dataset;

-- name: drop_view
DROP VIEW IF EXISTS dataset_read.${id};

-- name: create_view
-- Current and closed rows as one: at version v, valid_from <= v AND v < valid_to.
CREATE VIEW dataset_read.${id} AS
SELECT copy, district_id, record_key, valid_from, 9223372036854775807 AS valid_to,
       school_id, row_hash${view_columns}
  FROM ${table}
UNION ALL
SELECT copy, district_id, record_key, valid_from, valid_to,
       school_id, row_hash${view_columns}
  FROM ${history};

-- name: create_read_schema
CREATE SCHEMA IF NOT EXISTS dataset_read;

-- name: view_data_version
CREATE OR REPLACE VIEW dataset_read.data_version AS
SELECT v.copy, v.dataset, v.district_id, v.version, v.changed_at, v.row_count
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset AND d.keeper = 'SOURCE'
UNION ALL
SELECT c.copy, v.dataset, v.district_id, v.version, v.changed_at, v.row_count
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset AND d.keeper = 'SERVICE_BY_DISTRICT'
 CROSS JOIN (VALUES ('DISTRICT'), ('STATE')) c (copy)
 WHERE v.copy = 'STATE'
UNION ALL
SELECT c.copy, v.dataset, o.organization_id, v.version, v.changed_at, v.row_count
  FROM dataset.data_version v
  JOIN dataset.definition d ON d.dataset = v.dataset AND d.keeper = 'SERVICE_FOR_ALL'
 CROSS JOIN (VALUES ('DISTRICT'), ('STATE')) c (copy)
 CROSS JOIN dataset.known_organization o
 WHERE v.copy = 'STATE' AND v.district_id = '' AND o.kind = 'DISTRICT';

-- name: view_dataset_definition
CREATE OR REPLACE VIEW dataset_read.dataset_definition AS
SELECT dataset, title, description, key_columns, school_column, builtin, keeper
  FROM dataset.definition;

-- name: view_column_definition
CREATE OR REPLACE VIEW dataset_read.column_definition AS
SELECT dataset, ordinal, name, type, length, precision, scale, code_list, required, personal_data,
       description, unit, date_column
  FROM dataset.definition_column;

-- name: create_reader
-- A role that another service will log in as; whoever comes first makes it.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
    CREATE ROLE ${role} LOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;

-- name: grant_read_schema
GRANT USAGE ON SCHEMA dataset_read TO ${role};

-- name: grant_read
GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO ${role};

-- name: known_column
SELECT ordinal, type, length, precision, scale FROM dataset.definition_column
 WHERE dataset = $1 AND name = $2;

-- name: put_definition
INSERT INTO dataset.definition AS d
  (dataset, title, description, key_columns, school_column, builtin, keeper)
VALUES ($1, $2, $3, $4::text[], $5, $6::boolean, $7)
ON CONFLICT (dataset) DO UPDATE
   SET title = excluded.title, description = excluded.description,
       key_columns = excluded.key_columns, school_column = excluded.school_column,
       builtin = excluded.builtin, keeper = excluded.keeper, updated_at = clock_timestamp()
 WHERE (d.title, d.description, d.key_columns, d.school_column, d.builtin, d.keeper)
       IS DISTINCT FROM (excluded.title, excluded.description, excluded.key_columns,
                         excluded.school_column, excluded.builtin, excluded.keeper);

-- name: known_definition
SELECT d.key_columns, (SELECT count(c.name) FROM dataset.definition_column c
                        WHERE c.dataset = d.dataset) AS columns
  FROM dataset.definition d WHERE d.dataset = $1;

-- name: put_column
INSERT INTO dataset.definition_column
  (dataset, ordinal, name, type, length, precision, scale, code_list, required, personal_data,
   description, unit, date_column)
VALUES ($1, $2::int, $3, $4, $5::int, $6::int, $7::int, $8, $9::boolean, $10, $11, $12, $13)
ON CONFLICT (dataset, name) DO UPDATE
   SET ordinal = excluded.ordinal, length = excluded.length, precision = excluded.precision,
       scale = excluded.scale, code_list = excluded.code_list, required = excluded.required,
       personal_data = excluded.personal_data, description = excluded.description,
       unit = excluded.unit, date_column = excluded.date_column;

-- name: put_code
INSERT INTO dataset.code (code_list, code, label, valid_from, valid_to)
VALUES ($1, $2, $3, nullif($4, '')::date, nullif($5, '')::date)
ON CONFLICT (code_list, code) DO UPDATE
   SET label = excluded.label, valid_from = excluded.valid_from, valid_to = excluded.valid_to;
