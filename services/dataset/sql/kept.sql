-- name: create_kept
-- The tables of a dataset that the service keeps; only the product changes their columns. ${...} is
-- filled in from the definition, by record_sql.cc.
CREATE TABLE IF NOT EXISTS ${table} (
  copy        text NOT NULL CHECK (copy = 'STATE'),
  district_id text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  valid_from  bigint NOT NULL,
  row_hash    bytea NOT NULL,
  ${typed_columns},
  PRIMARY KEY (copy, district_id, record_key)
);

-- name: create_kept_history
CREATE TABLE IF NOT EXISTS ${history} (
  copy        text NOT NULL CHECK (copy = 'STATE'),
  district_id text NOT NULL,
  record_key  text COLLATE "C" NOT NULL,
  valid_from  bigint NOT NULL,
  valid_to    bigint NOT NULL CHECK (valid_to > valid_from),
  row_hash    bytea NOT NULL,
  ${typed_columns}
);

-- name: add_kept_column
ALTER TABLE ${target} ADD COLUMN IF NOT EXISTS ${column};

-- name: grant_kept
GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}, ${history} TO dataset;

-- name: drop_kept_view
-- The view of rules, which stands on it, goes first: so do readers.
DROP VIEW IF EXISTS rule_read.${id}, dataset_read.${id};

-- name: create_view_of_districts
-- What the service keeps of each district stands once, in the STATE copy, and is read in both.
CREATE VIEW dataset_read.${id} AS
SELECT c.copy, r.district_id, r.record_key, r.valid_from, r.valid_to, r.school_id,
       r.row_hash${r.view_columns}
  FROM (SELECT district_id, record_key, valid_from, 9223372036854775807 AS valid_to, school_id,
               row_hash${view_columns}
          FROM ${table} WHERE copy = 'STATE'
        UNION ALL
        SELECT district_id, record_key, valid_from, valid_to, school_id, row_hash${view_columns}
          FROM ${history} WHERE copy = 'STATE') r
 CROSS JOIN (VALUES ('DISTRICT'), ('STATE')) c (copy);

-- name: create_view_for_all
-- What it keeps for all stands under no district, and is read as each one's.
CREATE VIEW dataset_read.${id} AS
SELECT c.copy, o.organization_id AS district_id, r.record_key, r.valid_from, r.valid_to,
       r.school_id, r.row_hash${r.view_columns}
  FROM (SELECT record_key, valid_from, 9223372036854775807 AS valid_to, school_id,
               row_hash${view_columns}
          FROM ${table} WHERE copy = 'STATE' AND district_id = ''
        UNION ALL
        SELECT record_key, valid_from, valid_to, school_id, row_hash${view_columns}
          FROM ${history} WHERE copy = 'STATE' AND district_id = '') r
 CROSS JOIN (VALUES ('DISTRICT'), ('STATE')) c (copy)
 CROSS JOIN dataset.known_organization o
 WHERE o.kind = 'DISTRICT';

-- name: known_codes
SELECT code_list, code, label, coalesce(valid_from::text, '') AS valid_from,
       coalesce(valid_to::text, '') AS valid_to
  FROM dataset.code ORDER BY code_list, code;
