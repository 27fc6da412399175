-- The roles whose names begin as ours would: for the name of a new one, where ours is refused.
SELECT r.rolname::text AS name
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname LIKE 'pgmon%'
 ORDER BY 1
