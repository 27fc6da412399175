-- Locks by mode, held and awaited; pgmon's own session left out.
SELECT l.mode::text AS mode,
       pg_catalog.count(*)::int8 AS locks,
       (pg_catalog.count(*) FILTER (WHERE NOT l.granted))::int8 AS waiting
  FROM pg_catalog.pg_locks AS l
 WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
 GROUP BY 1
