-- name: revision
SELECT revision FROM dataset.definition_revision;

-- name: raise_revision
-- The row is the lock of whoever changes a definition.
UPDATE dataset.definition_revision SET revision = revision + 1 RETURNING revision;

-- name: definitions
-- All columns of all datasets, those of one together.
SELECT d.dataset, d.title, d.description, d.key_columns, d.school_column, d.builtin, d.keeper,
       d.revision, d.created_at, d.updated_at, c.name, c.type, c.length, c.precision, c.scale, c.code_list,
       c.required, c.personal_data, c.description AS column_description, c.unit,
       c.date_column
  FROM dataset.definition d JOIN dataset.definition_column c USING (dataset)
 ORDER BY d.dataset, c.ordinal;

-- name: put_definition
INSERT INTO dataset.definition AS d
  (dataset, title, description, key_columns, school_column, builtin, keeper, revision)
VALUES ($1, $2, $3, $4::text[], $5, $6::boolean, $7, $8::bigint)
ON CONFLICT (dataset) DO UPDATE
   SET title = excluded.title, description = excluded.description,
       key_columns = excluded.key_columns, school_column = excluded.school_column,
       builtin = excluded.builtin, keeper = excluded.keeper, revision = excluded.revision,
       updated_at = clock_timestamp();

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

-- name: make_records
SELECT dataset.make_records($1);

-- name: wait_shortly
SELECT set_config('lock_timeout', '1s', true);

-- name: sql_words
-- Words that SQL keeps for itself. Rules write the names of datasets and columns without quotes.
SELECT word AS name FROM pg_get_keywords() WHERE word = ANY ($1::text[]) AND catcode <> 'U'
 ORDER BY word;

-- name: count_codes
-- How many codes the list $1 has, how many of $2 are among them, and how many other lists there are.
SELECT count(*) FILTER (WHERE code_list = $1) AS of_list,
       count(*) FILTER (WHERE code_list = $1 AND code = ANY ($2::text[])) AS known,
       count(DISTINCT code_list) FILTER (WHERE code_list <> $1) AS other_lists
  FROM dataset.code;

-- name: put_codes
INSERT INTO dataset.code AS c (code_list, code, label, valid_from, valid_to, by_state)
SELECT $1, code, label, nullif(valid_from, '')::date, nullif(valid_to, '')::date, true
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) put (code, label, valid_from, valid_to)
ON CONFLICT (code_list, code) DO UPDATE
   SET label = excluded.label, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
       by_state = true
 WHERE (c.label, c.valid_from, c.valid_to)
       IS DISTINCT FROM (excluded.label, excluded.valid_from, excluded.valid_to);

-- name: unknown_lists
SELECT asked.list AS name FROM unnest($1::text[]) asked (list)
 WHERE NOT EXISTS (SELECT FROM dataset.code c WHERE c.code_list = asked.list) ORDER BY asked.list;
