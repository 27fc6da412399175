-- Clients of this database that run a statement, without the session that asks: one row.
SELECT (pg_catalog.count(*) FILTER (WHERE a.state IN ('active', 'fastpath function call')))::int8 AS active,
       (pg_catalog.count(*) FILTER (WHERE a.state = 'disabled'))::int8 AS untracked
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database()
   AND a.backend_type = 'client backend'
   AND a.pid <> pg_catalog.pg_backend_pid()
