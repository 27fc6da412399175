-- Server processes by kind, state and (where they work for somebody) what they wait for, with the greatest ages.
SELECT a.backend_type::text AS backend_type,
       a.state::text AS state,
       CASE WHEN a.state = 'active' AND a.backend_type IN ('client backend', 'parallel worker', 'autovacuum worker')
            THEN a.wait_event_type END::text AS wait_event_type,
       CASE WHEN a.state = 'active' AND a.backend_type IN ('client backend', 'parallel worker', 'autovacuum worker')
            THEN a.wait_event END::text AS wait_event,
       (a.pid = pg_catalog.pg_backend_pid())::bool AS own,
       -- What a role without pg_monitor can tell of a session: background processes lack one of the two.
       (a.datid IS NOT NULL AND a.usesysid IS NOT NULL)::bool AS in_database,
       pg_catalog.count(*)::int8 AS backends,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(a.xact_start))::float8 AS oldest_transaction_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(a.query_start))::float8 AS oldest_query_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(a.state_change))::float8 AS longest_in_state_seconds
  FROM pg_catalog.pg_stat_activity AS a
 GROUP BY 1, 2, 3, 4, 5, 6
