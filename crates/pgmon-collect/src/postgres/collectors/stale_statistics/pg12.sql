-- Tables whose planner statistics are behind: by changes against what makes autovacuum analyze them, then partitioned tables (nothing analyzes those by itself).
WITH RECURSIVE defaults AS (
     SELECT pg_catalog.current_setting('autovacuum_analyze_threshold')::float8 AS threshold,
            pg_catalog.current_setting('autovacuum_analyze_scale_factor')::float8 AS scale),
     counted AS (
     SELECT n.nspname AS schema_name,
            c.relname AS table_name,
            c.oid AS relid,
            c.relpages,
            GREATEST(c.reltuples, 0)::float8 AS reltuples,
            c.reloptions,
            pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS mods,
            pg_catalog.pg_stat_get_live_tuples(c.oid) AS live
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'm')
        AND c.relpersistence <> 't'
        AND n.nspname <> 'information_schema'
        AND n.nspname !~ '^pg_'
      -- Keeps the functions from being called again for each use of their results.
     OFFSET 0),
     -- Changed by more than a handful of rows, and large enough for a plan to matter.
     changed AS (
     SELECT t.schema_name, t.table_name, t.relid, t.mods, GREATEST(t.reltuples, t.live) AS live_rows, a.at AS analyzed_at,
            o.threshold + o.scale * t.reltuples AS trigger_rows, o.enabled,
            -- Statistics may have been lost since it was analyzed; but then the changes do not make up all its rows.
            a.at IS NULL AND t.mods >= GREATEST(t.reltuples, t.live) AS never_analyzed
       FROM counted AS t
      CROSS JOIN defaults AS d
      CROSS JOIN LATERAL (
            SELECT COALESCE(pg_catalog.max(x.option_value) FILTER (WHERE x.option_name = 'autovacuum_analyze_threshold'), d.threshold::text)::float8 AS threshold,
                   COALESCE(pg_catalog.max(x.option_value) FILTER (WHERE x.option_name = 'autovacuum_analyze_scale_factor'), d.scale::text)::float8 AS scale,
                   COALESCE(pg_catalog.max(x.option_value) FILTER (WHERE x.option_name = 'autovacuum_enabled'), 'true')::bool AS enabled
              FROM pg_catalog.pg_options_to_table(t.reloptions) AS x) AS o
      CROSS JOIN LATERAL (
            SELECT GREATEST(pg_catalog.pg_stat_get_last_analyze_time(t.relid), pg_catalog.pg_stat_get_last_autoanalyze_time(t.relid)) AS at) AS a
      WHERE t.mods > 0
        AND GREATEST(t.reltuples, t.live) >= 1000
        AND t.mods >= o.threshold),
     -- Nothing at all is known of these (as after pg_upgrade): only their files tell whether they are empty.
     unknown AS (
     SELECT t.schema_name, t.table_name, t.relid
       FROM counted AS t
      WHERE t.relpages = 0 AND t.reltuples = 0 AND t.live = 0 AND t.mods = 0
        AND pg_catalog.pg_stat_get_last_analyze_time(t.relid) IS NULL
        AND pg_catalog.pg_stat_get_last_autoanalyze_time(t.relid) IS NULL
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                         WHERE l.locktype = 'relation' AND l.relation = t.relid AND l.mode = 'AccessExclusiveLock')
      ORDER BY t.relid
      LIMIT 500),
     tables AS (
     SELECT c.schema_name, c.table_name, c.relid, c.mods, c.live_rows, c.analyzed_at, c.trigger_rows, c.enabled, c.never_analyzed,
            c.mods / GREATEST(c.trigger_rows, 1) AS ratio
       FROM changed AS c
      UNION ALL
     SELECT u.schema_name, u.table_name, u.relid, NULL, NULL, NULL, NULL, NULL, true, NULL
       FROM unknown AS u
      WHERE pg_catalog.pg_relation_size(u.relid) >= 1048576),
     ranked AS (
     SELECT t.schema_name, t.table_name, t.relid, t.mods, t.live_rows, t.analyzed_at, t.trigger_rows, t.enabled, t.never_analyzed, t.ratio,
            pg_catalog.count(*) FILTER (WHERE t.never_analyzed) OVER () AS never_analyzed_tables,
            pg_catalog.count(*) FILTER (WHERE t.ratio > 1) OVER () AS stale_tables
       FROM tables AS t
      ORDER BY t.ratio DESC NULLS LAST, t.relid
      LIMIT $1::int8),
     tree AS (
     SELECT c.oid AS root, c.oid AS relid
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind = 'p' AND NOT c.relispartition AND c.relpersistence <> 't'
      UNION ALL
     SELECT t.root, i.inhrelid
       FROM tree AS t
       JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.relid),
     parents AS (
     SELECT t.root, pg_catalog.sum(GREATEST(c.reltuples, 0)) FILTER (WHERE c.relkind <> 'p') AS live_rows
       FROM tree AS t
       JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
      GROUP BY 1)
SELECT r.schema_name::text AS schema_name,
       r.table_name::text AS table_name,
       false::bool AS partition_parent,
       r.never_analyzed::bool AS never_analyzed,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - r.analyzed_at)::float8 AS analyzed_seconds,
       r.mods::int8 AS mods_since_analyze,
       r.live_rows::int8 AS live_rows,
       r.trigger_rows::int8 AS analyze_trigger_rows,
       r.ratio::float8 AS ratio,
       r.enabled::bool AS autovacuum_enabled,
       r.never_analyzed_tables::int8 AS never_analyzed_tables,
       r.stale_tables::int8 AS stale_tables
  FROM ranked AS r
 UNION ALL
(SELECT n.nspname, c.relname, true,
        -- Up to 13 no trace is left of an ANALYZE of a partitioned table.
        CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 140000 THEN a.at IS NULL END,
        EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.at)::float8,
        NULL, p.live_rows::int8, NULL, NULL, NULL, NULL, NULL
   FROM parents AS p
   JOIN pg_catalog.pg_class AS c ON c.oid = p.root
   JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (SELECT pg_catalog.pg_stat_get_last_analyze_time(c.oid) AS at) AS a
  WHERE p.live_rows >= 1000
  ORDER BY a.at NULLS FIRST, p.root
  LIMIT $1::int8)
