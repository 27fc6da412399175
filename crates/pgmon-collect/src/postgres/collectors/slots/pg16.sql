-- Replication slots, one row each: who holds back how much WAL.
SELECT s.slot_name::text AS slot_name,
       s.slot_type::text AS slot_type,
       s.plugin::text AS plugin,
       d.datname::text AS database,
       s.temporary::bool AS temporary,
       s.active::bool AS active,
       -- One that was invalidated keeps its positions, but no WAL.
       (CASE WHEN s.wal_status IS DISTINCT FROM 'lost' AND s.conflicting IS NOT TRUE THEN pg_catalog.pg_wal_lsn_diff(p.lsn, s.restart_lsn) END)::int8 AS retained_bytes,
       (CASE WHEN s.wal_status IS DISTINCT FROM 'lost' AND s.conflicting IS NOT TRUE THEN pg_catalog.pg_wal_lsn_diff(p.lsn, s.confirmed_flush_lsn) END)::int8 AS unconfirmed_bytes,
       s.wal_status::text AS wal_status,
       s.safe_wal_size::int8 AS safe_wal_bytes,
       NULL::float8 AS inactive_seconds,
       (COALESCE(s.wal_status = 'lost', false) OR COALESCE(s.conflicting, false))::bool AS invalid,
       CASE WHEN s.conflicting THEN 'conflicting' WHEN s.wal_status = 'lost' THEN 'wal_removed' END::text AS invalidation_reason,
       NULL::bool AS failover,
       NULL::bool AS synced,
       t.spill_txns::int8 AS spilled_transactions,
       t.spill_count::int8 AS spills,
       t.spill_bytes::int8 AS spilled_bytes,
       t.stream_txns::int8 AS streamed_transactions,
       t.stream_count::int8 AS streams,
       t.stream_bytes::int8 AS streamed_bytes,
       t.total_txns::int8 AS decoded_transactions,
       t.total_bytes::int8 AS decoded_bytes,
       t.stats_reset::timestamptz AS stats_reset
  FROM pg_catalog.pg_get_replication_slots() AS s
 CROSS JOIN LATERAL (
       SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                   THEN GREATEST(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
                   ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS p
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.datoid
  LEFT JOIN LATERAL pg_catalog.pg_stat_get_replication_slot(s.slot_name::text) AS t ON s.slot_type = 'logical'
 ORDER BY 1
