-- The server's databases, and whether their sizes may be taken; sent if taking all sizes at once failed.
SELECT d.oid::int8 AS oid,
       d.datname::text AS name,
       d.datistemplate::bool AS is_template,
       d.datallowconn::bool AS allows_connections,
       (pg_catalog.has_database_privilege(d.oid, 'CONNECT')
        OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))::bool AS may,
       NULL::int8 AS bytes
  FROM pg_catalog.pg_database AS d
 ORDER BY d.oid
