-- When the largest tables were last vacuumed and analysed: one row per table, largest first.
SELECT t.oid::int8 AS oid,
       n.nspname::text AS schema,
       t.relname::text AS name,
       t.relpages::int8 AS pages,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_autovacuum_time(t.oid))::float8 AS last_autovacuum_age_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_vacuum_time(t.oid))::float8 AS last_vacuum_age_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid))::float8 AS last_autoanalyze_age_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_analyze_time(t.oid))::float8 AS last_analyze_age_seconds
  FROM (SELECT c.oid, c.relname, c.relnamespace, c.relpages,
               -- A table that was never vacuumed or analysed has no pages yet: guess from its rows.
               CASE WHEN c.relpages > 0 THEN c.relpages ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) / 100 END AS size
          FROM pg_catalog.pg_class AS c
         WHERE c.relkind IN ('r', 'm')
           AND c.relpersistence <> 't'
           -- The system's own tables have smaller oids, except those of information_schema and later toast tables.
           AND c.oid >= 16384
         ORDER BY size DESC, c.oid
         LIMIT $1) AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
 ORDER BY t.size DESC, t.oid
