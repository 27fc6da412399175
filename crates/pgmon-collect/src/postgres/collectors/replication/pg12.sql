-- WAL senders (replicas, subscribers, pg_receivewal, base backups), one row each; the sessions are
-- looked at only where there are senders. If our role may not see them, all but the pid is NULL.
SELECT w.pid::int4 AS pid,
       a.application_name::text AS application_name,
       pg_catalog.host(a.client_addr)::text AS client_addr,
       w.state::text AS state,
       w.sync_state::text AS sync_state,
       w.sync_priority::int4 AS sync_priority,
       s.slot_name::text AS slot_name,
       COALESCE(s.slot_type = 'logical', false)::bool AS logical,
       pg_catalog.pg_wal_lsn_diff(p.lsn, '0/0'::pg_lsn)::int8 AS position_bytes,
       pg_catalog.pg_wal_lsn_diff(w.sent_lsn, '0/0'::pg_lsn)::int8 AS sent_bytes,
       pg_catalog.pg_wal_lsn_diff(w.write_lsn, '0/0'::pg_lsn)::int8 AS write_bytes,
       pg_catalog.pg_wal_lsn_diff(w.flush_lsn, '0/0'::pg_lsn)::int8 AS flush_bytes,
       pg_catalog.pg_wal_lsn_diff(w.replay_lsn, '0/0'::pg_lsn)::int8 AS replay_bytes,
       EXTRACT(epoch FROM w.write_lag)::float8 AS write_lag_seconds,
       EXTRACT(epoch FROM w.flush_lag)::float8 AS flush_lag_seconds,
       EXTRACT(epoch FROM w.replay_lag)::float8 AS replay_lag_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.reply_time)::float8 AS reply_age_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.backend_start)::float8 AS connected_seconds
  FROM pg_catalog.pg_stat_get_wal_senders() AS w
 CROSS JOIN LATERAL (
       SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                   THEN GREATEST(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
                   ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS p
  LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) AS a ON true
  -- A session may own several temporary slots: one row each sender, with the lasting slot if there is one.
  LEFT JOIN LATERAL (
       SELECT g.slot_name, g.slot_type
         FROM pg_catalog.pg_get_replication_slots() AS g
        WHERE g.active_pid = w.pid
        ORDER BY g.temporary, g.slot_name
        LIMIT 1) AS s ON true
 ORDER BY application_name, a.backend_start, w.pid
