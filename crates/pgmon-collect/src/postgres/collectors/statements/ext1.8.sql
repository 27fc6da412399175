-- Figures of this database's statements since each entry was made, times in milliseconds; one row per entry
-- (user, queryid). The file with the texts is not read, nothing is sorted or added up:
-- that is cheaper on our side.
SELECT s.queryid::int8 AS queryid,
       s.userid::oid AS userid,
       NULL::bool AS toplevel,
       NULL::timestamptz AS stats_since,
       s.calls::int8 AS calls,
       s.total_exec_time::float8 AS exec_ms,
       s.stddev_exec_time::float8 AS stddev_ms,
       s.rows::int8 AS rows,
       s.shared_blks_hit::int8 AS shared_blks_hit,
       s.shared_blks_read::int8 AS shared_blks_read,
       s.temp_blks_written::int8 AS temp_blks_written,
       s.blk_read_time::float8 AS blk_read_ms,
       s.total_plan_time::float8 AS plan_ms,
       s.wal_bytes::int8 AS wal_bytes
  FROM pg_stat_statements(false) AS s
 WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
