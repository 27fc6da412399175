-- Sizes of the tablespaces; one row per tablespace, without a size where it may not be taken.
-- pg_default is left out: it is what the databases hold outside of the others.
SELECT t.oid::int8 AS oid,
       t.spcname::text AS name,
       NULLIF(pg_catalog.pg_tablespace_location(t.oid), '')::text AS location,
       r.may::bool AS may,
       (CASE WHEN r.may AND t.spcname <> 'pg_default' THEN pg_catalog.pg_tablespace_size(t.oid) END)::int8 AS bytes
  FROM pg_catalog.pg_tablespace AS t
 CROSS JOIN LATERAL (
       SELECT pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')
              OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS may) AS r
 ORDER BY t.oid
