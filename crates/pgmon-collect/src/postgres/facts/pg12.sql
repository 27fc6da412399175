-- What is known of the server and of our role on it: one row.
SELECT pg_catalog.current_setting('server_version_num')::int4 AS version_num,
       pg_catalog.current_setting('server_version')::text AS version_text,
       pg_catalog.pg_is_in_recovery()::bool AS in_recovery,
       pg_catalog.pg_postmaster_start_time()::timestamptz AS started_at,
       pg_catalog.current_database()::text AS database,
       d.oid::int8 AS database_oid,
       current_user::text AS role,
       (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)::int8 AS role_oid,
       (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)::bool AS superuser,
       COALESCE((SELECT pg_catalog.bool_or(pg_catalog.pg_has_role(r.oid, 'USAGE'))
                   FROM pg_catalog.pg_roles AS r
                  WHERE r.rolname IN ('pg_monitor', 'pg_read_all_stats')), false)::bool AS monitor,
       -- Granted to pg_monitor, not to pg_read_all_stats; a server may have given or taken the right itself.
       COALESCE((SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                   FROM pg_catalog.pg_proc AS p
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                  WHERE p.proname IN ('pg_ls_waldir', 'pg_ls_archive_statusdir')
                    AND n.nspname = 'pg_catalog'), false)::bool AS wal_directory,
       COALESCE((SELECT pg_catalog.bool_or(pg_catalog.pg_has_role(r.oid, 'USAGE'))
                   FROM pg_catalog.pg_roles AS r
                  WHERE r.rolname IN ('pg_monitor', 'pg_read_all_settings')), false)::bool AS read_all_settings,
       COALESCE((SELECT pg_catalog.bool_or(pg_catalog.pg_has_role(r.oid, 'USAGE'))
                   FROM pg_catalog.pg_roles AS r
                  WHERE r.rolname = 'pg_read_all_data'), false)::bool AS read_all_data,
       -- Before 14 there is no such role: what counts is whether the user tables can be read.
       NOT EXISTS (SELECT 1
                     FROM pg_catalog.pg_class AS c
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                    WHERE c.relkind IN ('r', 'p', 'm')
                      AND n.nspname <> 'information_schema'
                      AND n.nspname !~ '^pg_'
                      AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT'))::bool AS reads_all_tables,
       pg_catalog.current_setting('block_size')::int4 AS block_size,
       COALESCE((SELECT s.ssl FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_catalog.pg_backend_pid()), false)::bool AS tls,
       (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)::text AS system_identifier,
       pg_catalog.pg_backend_pid()::int4 AS backend_pid
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()
