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

-- name: make_rule_views
-- Where there is none: of what the service keeps, and, once, of what was there before rules had views.
SELECT dataset.make_rule_view(dataset) FROM dataset.definition
 WHERE to_regclass(format('rule_read.%I', dataset)) IS NULL
 ORDER BY dataset;

-- name: create_reader
-- A role that another service will log in as; whoever comes first makes it.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
    CREATE ROLE ${role} LOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;

-- name: grant_read_schema
GRANT USAGE ON SCHEMA ${from} TO ${role};

-- name: grant_read
GRANT SELECT ON ALL TABLES IN SCHEMA ${from} TO ${role};

-- name: grant_read_later
-- The same for the views of datasets to come.
ALTER DEFAULT PRIVILEGES IN SCHEMA ${from} GRANT SELECT ON TABLES TO ${role};

-- name: put_code
INSERT INTO dataset.code (code_list, code, label, valid_from, valid_to)
VALUES ($1, $2, $3, nullif($4, '')::date, nullif($5, '')::date)
ON CONFLICT (code_list, code) DO UPDATE
   SET label = excluded.label, valid_from = excluded.valid_from, valid_to = excluded.valid_to
 WHERE NOT code.by_state;
