-- The versions that the server could install of the extensions $1; one row each, none if it lacks one.
SELECT e.name::text AS name,
       e.default_version::text AS default_version,
       e.installed_version::text AS installed_version
  FROM pg_catalog.pg_available_extensions AS e
 WHERE e.name = ANY ($1::text[]::name[])
 ORDER BY e.name
