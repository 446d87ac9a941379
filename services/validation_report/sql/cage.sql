-- What the role of rules could do and must not.

-- name: find_open_doors
-- $1: the role. One row for each door that stands open.
SELECT 'it has an attribute: superuser, createdb, createrole, replication or bypassrls' AS door
  FROM pg_roles
 WHERE rolname = $1::text
   AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
UNION ALL
SELECT 'it is a member of ' || m.roleid::regrole::text FROM pg_auth_members m
 WHERE m.member = $1::text::regrole
UNION ALL
SELECT 'it may make things in the database, or temporary tables'
 WHERE has_database_privilege($1::text, current_database(), 'CREATE, TEMPORARY')
UNION ALL
SELECT 'it sees the schema ' || n.nspname FROM pg_namespace n
 WHERE n.nspname NOT IN ('dataset_read', 'information_schema', 'pg_catalog', 'public',
                         'rule_read')
   AND has_schema_privilege($1::text, n.oid, 'USAGE')
UNION ALL
SELECT 'it may make things in the schema ' || n.nspname FROM pg_namespace n
 WHERE has_schema_privilege($1::text, n.oid, 'CREATE')
UNION ALL
SELECT 'it may change ' || c.oid::regclass::text FROM pg_class c
 WHERE c.relnamespace IN (to_regnamespace('dataset_read'), to_regnamespace('rule_read'))
   AND c.relkind IN ('r', 'v', 'm', 'p')
   AND has_table_privilege($1::text, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT 'it may see more than one district in ' || c.oid::regclass::text FROM pg_class c
 WHERE c.relnamespace = to_regnamespace('rule_read') AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
   AND NOT (c.relkind = 'v' AND coalesce('security_barrier=true' = ANY (c.reloptions), false))
UNION ALL
SELECT 'it may write programs in ' || l.lanname FROM pg_language l
 WHERE has_language_privilege($1::text, l.oid, 'USAGE') AND l.lanname <> 'sql'
   AND l.lanpltrusted
UNION ALL
SELECT 'it may call ' || p.oid::regprocedure::text
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace
   AND p.proname IN ('pg_sleep', 'set_config', 'nextval', 'setval', 'lo_create', 'lo_from_bytea',
                     'lo_import', 'lo_put', 'lo_get', 'lo_unlink', 'pg_advisory_lock',
                     'pg_try_advisory_lock', 'pg_advisory_xact_lock', 'pg_notify',
                     'pg_logical_emit_message', 'pg_cancel_backend', 'pg_terminate_backend',
                     'pg_export_snapshot', 'txid_current', 'pg_read_file', 'pg_ls_dir',
                     'pg_stat_file', 'query_to_xml', 'table_to_xml', 'schema_to_xml',
                     'database_to_xml', 'cursor_to_xml', 'ts_stat', 'ts_rewrite')
   AND has_function_privilege($1::text, p.oid, 'EXECUTE')
   -- The other ts_rewrite runs no text.
   AND NOT (p.proname = 'ts_rewrite' AND p.pronargs = 3)
UNION ALL
SELECT 'it may fill the disk: no temp_file_limit' FROM pg_roles r
 WHERE r.rolname = $1::text AND NOT EXISTS (
       SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS setting
        WHERE s.setrole = r.oid AND setting LIKE 'temp\_file\_limit=%'
          AND s.setdatabase IN (0, (SELECT oid FROM pg_database
                                     WHERE datname = current_database())))
UNION ALL
SELECT 'its transactions may write' FROM pg_roles r
 WHERE r.rolname = $1::text AND NOT EXISTS (
       SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS setting
        WHERE s.setrole = r.oid AND setting = 'default_transaction_read_only=on'
          AND s.setdatabase IN (0, (SELECT oid FROM pg_database
                                     WHERE datname = current_database())));

-- name: sees_all_districts
-- $1: the role. No door: binaries of an earlier version need it while they are replaced.
SELECT coalesce(has_schema_privilege($1::text, to_regnamespace('dataset_read')::oid, 'USAGE'),
                false) AS sees;

-- name: who_am_i
SELECT current_user AS role;
