-- Extensions of this database, each with the schema that its functions are in.
SELECT e.extname::text AS name,
       e.extversion::text AS version,
       n.nspname::text AS schema
  FROM pg_catalog.pg_extension AS e
  JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
 ORDER BY 1
