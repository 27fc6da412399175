-- Transactions and block accesses of this database since its last reset: one row.
SELECT d.xact_commit::int8 AS xact_commit,
       d.xact_rollback::int8 AS xact_rollback,
       d.blks_read::int8 AS blks_read,
       d.blks_hit::int8 AS blks_hit,
       d.stats_reset::timestamptz AS stats_reset
  FROM pg_catalog.pg_stat_database AS d
 WHERE d.datname = pg_catalog.current_database()
