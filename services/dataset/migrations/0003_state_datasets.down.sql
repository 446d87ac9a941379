DROP FUNCTION make_records(text);
ALTER TABLE definition DROP COLUMN revision;
DROP TABLE definition_revision;
