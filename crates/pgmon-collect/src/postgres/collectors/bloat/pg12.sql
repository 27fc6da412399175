-- The largest tables and btree indexes that nobody's DDL holds, and what may be used to measure them: at least $1 pages, at most $2 of each kind.
WITH can AS (
     SELECT COALESCE(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pgstattuple_approx(regclass)'), 'EXECUTE'), false) AS approx,
            COALESCE(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pgstattuple(regclass)'), 'EXECUTE'), false) AS exact,
            COALESCE(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pgstatindex(regclass)'), 'EXECUTE'), false) AS index),
     held AS (
     SELECT l.relation
       FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'),
     candidates AS (
    (SELECT 'table' AS kind, c.oid AS relid, n.nspname AS schema_name, c.relname AS name, NULL::name AS table_name, c.relpages,
            c.reltuples, c.relnatts, c.reloptions, 100 AS default_fillfactor, false AS deduplicates,
            -- Pages on which reading may leave a mark (a hint bit) that is logged: at most those that were not
            -- all-visible when they were counted, two for each tuple that changed since, and those with dead
            -- ones; at most all there are, with what was added since. All, if nobody counted on record.
            CASE WHEN c.relpersistence = 'u' THEN 0
                 WHEN pg_catalog.pg_stat_get_vacuum_count(c.oid) + pg_catalog.pg_stat_get_autovacuum_count(c.oid)
                    + pg_catalog.pg_stat_get_analyze_count(c.oid) + pg_catalog.pg_stat_get_autoanalyze_count(c.oid) = 0
                 THEN g.pages
                 ELSE LEAST(g.pages, GREATEST(c.relpages - c.relallvisible, 0) + 2 * s.changed + s.dead) END AS unseen_pages
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'heap'
      CROSS JOIN LATERAL (SELECT pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS changed,
                                 pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead) AS s
      CROSS JOIN LATERAL (SELECT c.relpages + (s.changed + s.dead) / GREATEST(c.reltuples / GREATEST(c.relpages, 1), 1) AS pages) AS g
      WHERE c.relkind IN ('r', 'm')
        AND c.relpages >= $1::int8
        -- An unlogged table has no content on a standby; a temporary one is its own session's.
        AND c.relpersistence <> 't' AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
        AND NOT EXISTS (SELECT FROM held AS h WHERE h.relation = c.oid)
      ORDER BY c.relpages DESC, c.oid
      LIMIT $2::int8)
      UNION ALL
    (SELECT 'index', c.oid, n.nspname, c.relname, t.relname, c.relpages, c.reltuples, c.relnatts, c.reloptions, 90,
            NOT i.indisunique AND i.indnatts = i.indnkeyatts AND pg_catalog.current_setting('server_version_num')::int4 >= 130000, NULL
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
       JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
       JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
      WHERE c.relkind = 'i'
        AND t.relkind IN ('r', 'm')
        AND i.indisvalid AND i.indisready
        AND c.relpages >= $1::int8
        AND c.relpersistence <> 't' AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
        AND NOT EXISTS (SELECT FROM held AS h WHERE h.relation IN (c.oid, t.oid))
      ORDER BY c.relpages DESC, c.oid
      LIMIT $2::int8))
-- One row without a relation if there are none: it still tells what may be used.
SELECT can.approx::bool AS can_approx,
       can.exact::bool AS can_exact,
       can.index::bool AS can_index,
       c.kind::text AS kind,
       c.relid::int8 AS relid,
       c.schema_name::text AS schema_name,
       c.name::text AS name,
       c.table_name::text AS table_name,
       c.relpages::int8 AS pages,
       c.unseen_pages::int8 AS unseen_pages,
       c.reltuples::float8 AS rows,
       c.relnatts::int4 AS attributes,
       COALESCE(o.fillfactor::float8, c.default_fillfactor)::float8 AS fillfactor,
       COALESCE(c.deduplicates AND o.deduplicates::bool IS DISTINCT FROM false, false)::bool AS deduplicates
  FROM can
  LEFT JOIN candidates AS c ON true
  LEFT JOIN LATERAL (
       SELECT pg_catalog.max(x.option_value) FILTER (WHERE x.option_name = 'fillfactor') AS fillfactor,
              pg_catalog.max(x.option_value) FILTER (WHERE x.option_name = 'deduplicate_items') AS deduplicates
         FROM pg_catalog.pg_options_to_table(c.reloptions) AS x) AS o ON true
 ORDER BY c.kind DESC, c.relpages DESC, c.relid
