-- The server's other databases, one per row, and whether our role may connect to each.
SELECT d.datname::text AS datname,
       pg_catalog.has_database_privilege(d.oid, 'CONNECT')::bool AS may_connect
  FROM pg_catalog.pg_database AS d
 WHERE d.datallowconn
   AND NOT d.datistemplate
   AND d.datname <> pg_catalog.current_database()
 ORDER BY 1
