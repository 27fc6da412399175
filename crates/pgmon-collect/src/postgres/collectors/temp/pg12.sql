-- What this database has spilled to temporary files since its statistics were reset: one row.
SELECT s.temp_files::int8 AS temp_files,
       s.temp_bytes::int8 AS temp_bytes,
       EXTRACT(epoch FROM s.stats_reset)::float8 AS stats_reset
  FROM pg_catalog.pg_stat_database AS s
 WHERE s.datname = pg_catalog.current_database()
