-- I/O of the server's processes since the last reset, times in seconds; one row per kind of process, object and
-- context that has done any. Left out: the single-user process that made the data directory.
SELECT i.backend_type::text AS backend_type,
       i.object::text AS object,
       i.context::text AS context,
       i.reads::int8 AS reads,
       i.writes::int8 AS writes,
       i.writebacks::int8 AS writebacks,
       i.extends::int8 AS extends,
       i.hits::int8 AS hits,
       i.evictions::int8 AS evictions,
       i.reuses::int8 AS reuses,
       i.fsyncs::int8 AS fsyncs,
       i.read_bytes::int8 AS read_bytes,
       i.write_bytes::int8 AS write_bytes,
       i.extend_bytes::int8 AS extend_bytes,
       -- Without track_io_timing (track_wal_io_timing for WAL) the times stand still: that is not zero, it is unknown.
       (CASE WHEN (i.object = 'wal' AND t.wal) OR (i.object <> 'wal' AND t.io) THEN i.read_time / 1000 END)::float8 AS read_seconds,
       (CASE WHEN (i.object = 'wal' AND t.wal) OR (i.object <> 'wal' AND t.io) THEN i.write_time / 1000 END)::float8 AS write_seconds,
       (CASE WHEN (i.object = 'wal' AND t.wal) OR (i.object <> 'wal' AND t.io) THEN i.writeback_time / 1000 END)::float8 AS writeback_seconds,
       (CASE WHEN (i.object = 'wal' AND t.wal) OR (i.object <> 'wal' AND t.io) THEN i.extend_time / 1000 END)::float8 AS extend_seconds,
       (CASE WHEN (i.object = 'wal' AND t.wal) OR (i.object <> 'wal' AND t.io) THEN i.fsync_time / 1000 END)::float8 AS fsync_seconds
  FROM pg_catalog.pg_stat_io AS i
 CROSS JOIN (SELECT pg_catalog.current_setting('track_io_timing')::bool AS io,
                    pg_catalog.current_setting('track_wal_io_timing')::bool AS wal) AS t
 WHERE i.backend_type <> 'standalone backend'
   AND (i.reads > 0 OR i.writes > 0 OR i.writebacks > 0 OR i.extends > 0
        OR i.hits > 0 OR i.evictions > 0 OR i.reuses > 0 OR i.fsyncs > 0)
