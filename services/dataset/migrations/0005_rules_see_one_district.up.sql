-- The role of rules sees one district: its views stand in a schema of their own (docs/adr/0017).

CREATE SCHEMA rule_read;

-- Makes the view that rules have of a published one: the records of the district that the transaction
-- names. A barrier: no condition of a rule runs on a record of another. Only the owner calls this.
CREATE FUNCTION make_rule_view(published text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  shown CONSTANT text := format('dataset_read.%I', published);
  list text;
BEGIN
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO list FROM pg_attribute
   WHERE attrelid = shown::regclass AND attnum > 0 AND NOT attisdropped;
  EXECUTE format(
    'CREATE VIEW rule_read.%I WITH (security_barrier = true) AS'
    ' SELECT %s FROM %s WHERE district_id = current_setting(''edcert.district'', true)',
    published, list, shown);
END $function$;
REVOKE ALL ON FUNCTION make_rule_view(text) FROM PUBLIC;

-- What made the tables and the published view still does; it checks the name.
ALTER FUNCTION make_records(text) RENAME TO make_published_records;
REVOKE EXECUTE ON FUNCTION make_published_records(text) FROM ${schema};

-- Makes or extends the tables and the views of a stored definition. The view of rules goes first,
-- because it stands on the published one, and because readers come by it: the other way round each
-- would wait for the other.
CREATE FUNCTION make_records(wanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  EXECUTE format('DROP VIEW IF EXISTS rule_read.%I', wanted);
  PERFORM ${schema}.make_published_records(wanted);
  PERFORM ${schema}.make_rule_view(wanted);
END $function$;
REVOKE ALL ON FUNCTION make_records(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_records(text) TO ${schema};
