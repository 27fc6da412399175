-- The server's other databases that our role may connect to, one per row.
SELECT d.datname::text AS datname
  FROM pg_catalog.pg_database AS d
 WHERE d.datallowconn
   AND NOT d.datistemplate
   AND d.datname <> pg_catalog.current_database()
   AND pg_catalog.has_database_privilege(d.oid, 'CONNECT')
 ORDER BY 1
