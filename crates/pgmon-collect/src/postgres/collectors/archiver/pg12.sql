-- One row: what the archiver has done, and how many complete WAL segments wait for it.
SELECT s.mode,
       s.archived,
       s.failed,
       s.last_archived_wal,
       s.last_archived_age_seconds,
       s.last_failed_wal,
       s.last_failed_age_seconds,
       s.active,
       (s.active AND s.failing)::bool AS failing,
       -- Segments are archived in order, so the name of the last one tells how many are left; the name
       -- of a timeline's history or of a backup's label tells nothing.
       CASE WHEN s.active AND s.last_archived_wal ~ '^[0-9A-F]{24}$'
            THEN GREATEST(pg_catalog.div(pg_catalog.pg_wal_lsn_diff(s.lsn, '0/0'::pg_lsn), s.segment_bytes::numeric)::int8
                 - ('x' || pg_catalog.substr(s.last_archived_wal, 9, 8))::bit(32)::int8 * (4294967296 / s.segment_bytes)
                 - ('x' || pg_catalog.substr(s.last_archived_wal, 17, 8))::bit(32)::int8
                 - 1, 0) END::int8 AS backlog_segments,
       s.segment_bytes,
       s.stats_reset
  FROM (SELECT pg_catalog.current_setting('archive_mode')::text AS mode,
               CASE pg_catalog.current_setting('archive_mode')
                    WHEN 'always' THEN true
                    WHEN 'on' THEN NOT pg_catalog.pg_is_in_recovery()
                    ELSE false END AS active,
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn,
               pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::int8 AS segment_bytes,
               a.archived_count::int8 AS archived,
               a.failed_count::int8 AS failed,
               a.last_archived_wal::text AS last_archived_wal,
               EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.last_archived_time)::float8 AS last_archived_age_seconds,
               a.last_failed_wal::text AS last_failed_wal,
               EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.last_failed_time)::float8 AS last_failed_age_seconds,
               (a.last_failed_time IS NOT NULL
                AND (a.last_archived_time IS NULL OR a.last_failed_time > a.last_archived_time))::bool AS failing,
               a.stats_reset::timestamptz AS stats_reset
          FROM pg_catalog.pg_stat_archiver AS a) AS s
