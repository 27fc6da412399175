-- Whether other sessions' queries can be read: how many other client sessions there are and how many
-- of them hide what they do from us; one row.
SELECT pg_catalog.count(*)::int8 AS others,
       (pg_catalog.count(*) FILTER (WHERE a.query = '<insufficient privilege>'))::int8 AS hidden
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid <> pg_catalog.pg_backend_pid()
   AND a.datid IS NOT NULL
   AND a.usesysid IS NOT NULL
