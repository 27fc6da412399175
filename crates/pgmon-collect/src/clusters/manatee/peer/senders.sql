-- Who replicates from a member of a cluster: one row for each WAL sender, base backups included.
SELECT w.pid::int4 AS pid,
       a.application_name::text AS application_name,
       pg_catalog.host(a.client_addr)::text AS client_addr,
       w.state::text AS state,
       w.sync_state::text AS sync_state,
       pg_catalog.pg_wal_lsn_diff(w.replay_lsn, '0/0'::pg_lsn)::int8 AS replay_bytes
  FROM pg_catalog.pg_stat_get_wal_senders() AS w
  LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) AS a ON true
 ORDER BY a.backend_start, w.pid
 LIMIT 100
