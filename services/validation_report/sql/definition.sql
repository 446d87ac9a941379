-- The definitions of datasets, as their service publishes them.

-- name: get_definitions
SELECT c.dataset, c.name, c.type, d.school_column, d.keeper <> 'SOURCE' AS kept
  FROM dataset_read.column_definition c JOIN dataset_read.dataset_definition d USING (dataset)
 WHERE c.dataset = ANY ($1::text[]) ORDER BY c.dataset, c.ordinal;
