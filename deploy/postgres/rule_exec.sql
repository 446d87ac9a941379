-- Shuts the role that runs rules, rule_exec, into its cage. A superuser runs this in the database of
-- edcert once the roles exist, again when a role is added, and again after all replicas run a version
-- whose changelog says so; validation_report does not start while a door is open. It may be run any
-- number of times.
--
-- The guard (services/validation_report/sql_guard.h) lets none of this through. This is for the day
-- on which it is wrong.

ALTER ROLE rule_exec NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 100;

DO $cage$
DECLARE
  role_name text;
  routine   regprocedure;
BEGIN
  EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC, rule_exec', current_database());
  REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC, rule_exec;
  EXECUTE format('ALTER ROLE rule_exec IN DATABASE %I SET default_transaction_read_only = on',
                 current_database());
  EXECUTE format('ALTER ROLE rule_exec IN DATABASE %I SET temp_file_limit = ''4GB''',
                 current_database());
  -- What the others had as everybody, they keep by name.
  FOR role_name IN
    SELECT rolname FROM pg_roles
     WHERE rolcanlogin AND NOT rolsuper AND rolname <> 'rule_exec'
  LOOP
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), role_name);
    EXECUTE format('GRANT USAGE ON LANGUAGE plpgsql TO %I', role_name);
  END LOOP;
  -- Earlier versions let it read every district.
  IF to_regnamespace('dataset_read') IS NOT NULL THEN
    REVOKE ALL ON SCHEMA dataset_read FROM rule_exec;
    REVOKE ALL ON ALL TABLES IN SCHEMA dataset_read FROM rule_exec;
    FOR role_name IN
      SELECT DISTINCT defaclrole::regrole::text FROM pg_default_acl
       WHERE defaclnamespace = to_regnamespace('dataset_read')
    LOOP
      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA dataset_read'
                     ' REVOKE ALL ON TABLES FROM rule_exec', role_name);
    END LOOP;
  END IF;
  -- What acts beyond the statement: waits, settings, sequences, large objects, locks, messages,
  -- other sessions, files, and what runs a text as a statement.
  FOR routine IN
    SELECT oid::regprocedure FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace
       AND proname ~ ('^(pg_sleep.*|set_config|nextval|setval|lo_.*|loread|lowrite'
                      '|pg_(try_)?advisory_.*|pg_notify|pg_logical_emit_message'
                      '|pg_(cancel|terminate)_backend|pg_export_snapshot|txid_current'
                      '|pg_current_xact_id|pg_read_.*|pg_ls_.*|pg_stat_file'
                      '|(query|table|schema|database|cursor)_to_xml.*|ts_stat|ts_rewrite)$')
  LOOP
    EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, rule_exec', routine);
    -- Files of the server were never everybody's.
    CONTINUE WHEN routine::text ~ '^pg_(read_|ls_|stat_file)';
    FOR role_name IN
      SELECT rolname FROM pg_roles
       WHERE rolcanlogin AND NOT rolsuper AND rolname <> 'rule_exec'
    LOOP
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', routine, role_name);
    END LOOP;
  END LOOP;
END
$cage$;
