-- One row: checkpoints, who wrote buffers, and the last checkpoint of the control file.
SELECT k.num_timed::int8 AS timed,
       k.num_requested::int8 AS requested,
       NULL::int8 AS done,
       k.restartpoints_timed::int8 AS restartpoints_timed,
       k.restartpoints_req::int8 AS restartpoints_requested,
       k.restartpoints_done::int8 AS restartpoints_done,
       (k.write_time / 1000)::float8 AS write_seconds,
       (k.sync_time / 1000)::float8 AS sync_seconds,
       k.buffers_written::int8 AS buffers_written,
       NULL::int8 AS slru_written,
       b.buffers_clean::int8 AS buffers_clean,
       b.maxwritten_clean::int8 AS maxwritten_clean,
       b.buffers_alloc::int8 AS buffers_alloc,
       -- What backends write is in pg_stat_io from here on.
       NULL::int8 AS buffers_backend,
       NULL::int8 AS buffers_backend_fsync,
       c.checkpoint_time::timestamptz AS last_checkpoint_at,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - c.checkpoint_time)::float8 AS last_checkpoint_age_seconds,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END,
           c.redo_lsn)::int8 AS redo_lag_bytes,
       c.timeline_id::int8 AS timeline,
       -- The one that a primary writes on: after a promotion the first checkpoint comes late.
       CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END::text AS written_timeline,
       k.stats_reset::timestamptz AS checkpointer_stats_reset,
       b.stats_reset::timestamptz AS bgwriter_stats_reset
  FROM pg_catalog.pg_stat_bgwriter AS b
 CROSS JOIN pg_catalog.pg_stat_checkpointer AS k
 CROSS JOIN pg_catalog.pg_control_checkpoint() AS c
