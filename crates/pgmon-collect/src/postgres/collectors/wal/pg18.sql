-- One row: how far the WAL has come, and what this server's processes wrote (its writes and syncs are in pg_stat_io).
SELECT pg_catalog.pg_is_in_recovery()::bool AS in_recovery,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END,
           '0/0'::pg_lsn)::int8 AS position_bytes,
       w.wal_bytes::int8 AS written_bytes,
       w.wal_records::int8 AS records,
       w.wal_fpi::int8 AS full_page_images,
       w.wal_buffers_full::int8 AS buffers_full,
       NULL::int8 AS writes,
       NULL::int8 AS syncs,
       NULL::float8 AS write_seconds,
       NULL::float8 AS sync_seconds,
       w.stats_reset::timestamptz AS stats_reset
  FROM pg_catalog.pg_stat_wal AS w
