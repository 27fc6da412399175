-- Activity of every database since its last reset, times in seconds; one row per database, and one
-- without a name for what all databases share. The conflicts by kind are those of a standby.
SELECT d.datname::text AS datname,
       (CASE WHEN d.datid <> 0 THEN d.numbackends END)::int4 AS numbackends,
       d.xact_commit::int8 AS xact_commit,
       d.xact_rollback::int8 AS xact_rollback,
       d.blks_read::int8 AS blks_read,
       d.blks_hit::int8 AS blks_hit,
       d.tup_returned::int8 AS tup_returned,
       d.tup_fetched::int8 AS tup_fetched,
       d.tup_inserted::int8 AS tup_inserted,
       d.tup_updated::int8 AS tup_updated,
       d.tup_deleted::int8 AS tup_deleted,
       d.temp_files::int8 AS temp_files,
       d.temp_bytes::int8 AS temp_bytes,
       d.conflicts::int8 AS conflicts,
       d.deadlocks::int8 AS deadlocks,
       d.checksum_failures::int8 AS checksum_failures,
       d.checksum_last_failure::timestamptz AS checksum_last_failure,
       (d.blk_read_time / 1000)::float8 AS blk_read_time_seconds,
       (d.blk_write_time / 1000)::float8 AS blk_write_time_seconds,
       d.stats_reset::timestamptz AS stats_reset,
       -- The functions that pg_stat_database_conflicts consists of: a second pass is not needed.
       (CASE WHEN r.standby AND d.datid <> 0 THEN pg_catalog.pg_stat_get_db_conflict_tablespace(d.datid) END)::int8 AS conflicts_tablespace,
       (CASE WHEN r.standby AND d.datid <> 0 THEN pg_catalog.pg_stat_get_db_conflict_lock(d.datid) END)::int8 AS conflicts_lock,
       (CASE WHEN r.standby AND d.datid <> 0 THEN pg_catalog.pg_stat_get_db_conflict_snapshot(d.datid) END)::int8 AS conflicts_snapshot,
       (CASE WHEN r.standby AND d.datid <> 0 THEN pg_catalog.pg_stat_get_db_conflict_bufferpin(d.datid) END)::int8 AS conflicts_bufferpin,
       (CASE WHEN r.standby AND d.datid <> 0 THEN pg_catalog.pg_stat_get_db_conflict_startup_deadlock(d.datid) END)::int8 AS conflicts_deadlock
  FROM pg_catalog.pg_stat_database AS d
 CROSS JOIN (SELECT pg_catalog.pg_is_in_recovery() AS standby) AS r
 ORDER BY 1
