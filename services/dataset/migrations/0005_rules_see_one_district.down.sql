-- The binaries of before read dataset_read as the role of rules, which has to be granted again where it
-- was revoked.
DROP FUNCTION make_records(text);
ALTER FUNCTION make_published_records(text) RENAME TO make_records;
GRANT EXECUTE ON FUNCTION make_records(text) TO ${schema};
DROP FUNCTION make_rule_view(text);
DROP SCHEMA rule_read CASCADE;
