-- Sizes of the server's databases; one row per database, without a size where it may not be taken.
SELECT d.oid::int8 AS oid,
       d.datname::text AS name,
       d.datistemplate::bool AS is_template,
       d.datallowconn::bool AS allows_connections,
       r.may::bool AS may,
       (CASE WHEN r.may THEN pg_catalog.pg_database_size(d.oid) END)::int8 AS bytes
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL (
       SELECT pg_catalog.has_database_privilege(d.oid, 'CONNECT')
              OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS may) AS r
 ORDER BY d.oid
