-- What vacuum, index builds and other long commands have done of their present phase: one row per process.
SELECT p.command::text AS command,
       p.phase::text AS phase,
       p.pid::int4 AS pid,
       COALESCE(a.backend_type = 'autovacuum worker', false)::bool AS automatic,
       (SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.oid = p.datid)::text AS datname,
       NULLIF(p.relid, 0)::int8 AS relation_oid,
       CASE WHEN p.datid = here.oid THEN
            (SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
              WHERE c.oid = p.relid) END::text AS schema,
       CASE WHEN p.datid = here.oid THEN
            (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = p.relid) END::text AS relation,
       p.done::int8 AS done,
       NULLIF(p.total, 0)::int8 AS total,
       p.unit::text AS unit,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS running_seconds,
       COALESCE(a.wait_event_type = 'Lock', false)::bool AS blocked
  FROM (
        SELECT 'vacuum'::text AS command, v.phase, v.pid, v.datid, v.relid,
               CASE v.phase WHEN 'scanning heap' THEN v.heap_blks_scanned
                            WHEN 'vacuuming heap' THEN v.heap_blks_vacuumed END AS done,
               CASE WHEN v.phase IN ('scanning heap', 'vacuuming heap') THEN v.heap_blks_total END AS total,
               'blocks'::text AS unit
          FROM pg_catalog.pg_stat_progress_vacuum AS v
        UNION ALL
        SELECT 'analyze', n.phase, n.pid, n.datid, n.relid,
               CASE WHEN n.phase LIKE 'acquiring%' THEN n.sample_blks_scanned
                    WHEN n.phase = 'computing extended statistics' THEN n.ext_stats_computed END,
               CASE WHEN n.phase LIKE 'acquiring%' THEN n.sample_blks_total
                    WHEN n.phase = 'computing extended statistics' THEN n.ext_stats_total END,
               CASE WHEN n.phase = 'computing extended statistics' THEN 'statistics' ELSE 'blocks' END
          FROM pg_catalog.pg_stat_progress_analyze AS n
        UNION ALL
        SELECT pg_catalog.lower(i.command), i.phase, i.pid, i.datid, i.relid,
               CASE WHEN i.phase LIKE 'waiting%' THEN i.lockers_done
                    WHEN i.blocks_total > 0 THEN i.blocks_done
                    ELSE i.tuples_done END,
               CASE WHEN i.phase LIKE 'waiting%' THEN i.lockers_total
                    WHEN i.blocks_total > 0 THEN i.blocks_total
                    ELSE i.tuples_total END,
               CASE WHEN i.phase LIKE 'waiting%' THEN 'lockers'
                    WHEN i.blocks_total > 0 THEN 'blocks'
                    ELSE 'tuples' END
          FROM pg_catalog.pg_stat_progress_create_index AS i
        UNION ALL
        SELECT pg_catalog.lower(c.command), c.phase, c.pid, c.datid, c.relid,
               CASE c.phase WHEN 'seq scanning heap' THEN c.heap_blks_scanned END,
               CASE c.phase WHEN 'seq scanning heap' THEN c.heap_blks_total END,
               'blocks'
          FROM pg_catalog.pg_stat_progress_cluster AS c
        UNION ALL
        SELECT 'base backup', b.phase, b.pid, NULL, NULL, b.backup_streamed, b.backup_total, 'bytes'
          FROM pg_catalog.pg_stat_progress_basebackup AS b
        UNION ALL
        SELECT pg_catalog.lower(y.command), 'copying', y.pid, y.datid, y.relid, y.bytes_processed, y.bytes_total, 'bytes'
          FROM pg_catalog.pg_stat_progress_copy AS y
       ) AS p
  LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(p.pid) AS a ON true
  CROSS JOIN (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) AS here
