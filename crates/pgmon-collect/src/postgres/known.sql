-- After another entry had the connection: do server, role and database still have what is known of them? One row.
SELECT pg_catalog.pg_is_in_recovery()::bool AS in_recovery,
       pg_catalog.pg_postmaster_start_time()::timestamptz AS started_at,
       d.oid::int8 AS database_oid,
       r.oid::int8 AS role_oid,
       r.rolsuper::bool AS superuser,
       COALESCE((SELECT s.ssl FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_catalog.pg_backend_pid()), false)::bool AS tls
  FROM pg_catalog.pg_database AS d
 CROSS JOIN pg_catalog.pg_roles AS r
 WHERE d.datname = pg_catalog.current_database()
   AND r.rolname = current_user
