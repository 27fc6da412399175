-- The client sessions whose transactions have been open longest, oldest first; $1: since how many seconds.
SELECT a.pid::int4 AS pid,
       a.datname::text AS datname,
       a.usename::text AS usename,
       a.application_name::text AS application_name,
       pg_catalog.host(a.client_addr)::text AS client_addr,
       a.state::text AS state,
       a.wait_event_type::text AS wait_event_type,
       a.wait_event::text AS wait_event,
       COALESCE(a.wait_event_type = 'Lock', false)::bool AS blocked,
       (a.backend_xid IS NOT NULL)::bool AS has_written,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS query_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS state_seconds,
       NULL::text AS queryid,
       pg_catalog."left"(a.query, 1000)::text AS query
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type = 'client backend'
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.xact_start <= pg_catalog.clock_timestamp() - $1::float8 * interval '1 second'
 ORDER BY a.xact_start
 LIMIT 20
