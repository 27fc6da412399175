-- Backends by state and kind, and the ages that matter; one row per (backend_type, state).
SELECT COALESCE(a.backend_type, 'unknown')::text AS backend_type,
       COALESCE(a.state, 'none')::text AS state,
       pg_catalog.count(*)::int8 AS backends,
       (pg_catalog.count(*) FILTER (WHERE a.wait_event_type = 'Lock'))::int8 AS waiting_for_lock,
       pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::float8 AS oldest_transaction_seconds,
       pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start))
           FILTER (WHERE a.state = 'active')::float8 AS longest_query_seconds,
       pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change))
           FILTER (WHERE a.state LIKE 'idle in transaction%')::float8 AS longest_idle_in_transaction_seconds
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid <> pg_catalog.pg_backend_pid()
 GROUP BY 1, 2
 ORDER BY 1, 2
