-- One row: how far the WAL has come. Before 14 nothing counts what this server wrote but the position itself.
SELECT r.in_recovery,
       r.position_bytes,
       CASE WHEN NOT r.in_recovery THEN r.position_bytes END AS written_bytes,
       NULL::int8 AS records,
       NULL::int8 AS full_page_images,
       NULL::int8 AS buffers_full,
       NULL::int8 AS writes,
       NULL::int8 AS syncs,
       NULL::float8 AS write_seconds,
       NULL::float8 AS sync_seconds,
       NULL::timestamptz AS stats_reset
  FROM (SELECT pg_catalog.pg_is_in_recovery()::bool AS in_recovery,
               pg_catalog.pg_wal_lsn_diff(
                   CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                        ELSE pg_catalog.pg_current_wal_lsn() END,
                   '0/0'::pg_lsn)::int8 AS position_bytes) AS r
