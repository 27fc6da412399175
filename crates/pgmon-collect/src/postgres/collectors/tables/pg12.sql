-- Tuples, scans and vacuums of the tables that rank first by dead tuples, by changes or by size.
-- $1: how many rows. One pass over the statistics to rank; the rest is read for the chosen only.
WITH counted AS MATERIALIZED (
    SELECT c.oid,
           c.relname,
           c.relnamespace,
           c.relpages,
           c.reltuples,
           c.reloptions,
           c.reltoastrelid,
           pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
           pg_catalog.pg_stat_get_tuples_inserted(c.oid) AS ins,
           pg_catalog.pg_stat_get_tuples_updated(c.oid) AS upd,
           pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS del
      FROM pg_catalog.pg_class AS c
     WHERE c.relkind IN ('r', 'm')
       AND c.relpersistence <> 't'
       AND c.relnamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n
                                   WHERE n.nspname IN ('pg_catalog', 'information_schema'))
), ranked AS MATERIALIZED (
    SELECT t.oid, t.relname, t.relnamespace, t.relpages, t.reltuples, t.reloptions, t.reltoastrelid,
           t.dead, t.ins, t.upd, t.del,
           -- The best place in any ranking; without dead tuples or changes there is no place in that one.
           LEAST(CASE WHEN t.dead > 0 THEN pg_catalog.row_number() OVER (ORDER BY t.dead DESC, t.oid) END,
                 CASE WHEN t.ins + t.upd + t.del > 0
                      THEN pg_catalog.row_number() OVER (ORDER BY t.ins + t.upd + t.del DESC, t.oid) END,
                 pg_catalog.row_number() OVER (ORDER BY t.relpages DESC, t.oid)) AS place
      FROM counted AS t
), chosen AS MATERIALIZED (
    SELECT r.oid, r.relname, r.relnamespace, r.relpages, r.reltuples, r.reloptions, r.reltoastrelid,
           r.dead, r.ins, r.upd, r.del, r.place
      FROM ranked AS r
     ORDER BY r.place, r.relpages DESC, r.oid
     LIMIT $1::int8
)
SELECT t.oid::int8 AS oid,
       n.nspname::text AS schema,
       t.relname::text AS name,
       t.relpages::int8 AS pages,
       NULL::int8 AS frozen_pages,
       NULLIF(t.reltuples, -1)::float8 AS estimated_rows,
       t.reloptions::text[] AS options,
       pg_catalog.pg_stat_get_live_tuples(t.oid)::int8 AS live_tuples,
       t.dead::int8 AS dead_tuples,
       (CASE WHEN t.reltoastrelid <> 0 THEN pg_catalog.pg_stat_get_dead_tuples(t.reltoastrelid) END)::int8 AS toast_dead_tuples,
       pg_catalog.pg_stat_get_mod_since_analyze(t.oid)::int8 AS modified_since_analyze,
       NULL::int8 AS inserted_since_vacuum,
       t.ins::int8 AS tuples_inserted,
       t.upd::int8 AS tuples_updated,
       t.del::int8 AS tuples_deleted,
       pg_catalog.pg_stat_get_tuples_hot_updated(t.oid)::int8 AS tuples_hot_updated,
       NULL::int8 AS tuples_newpage_updated,
       pg_catalog.pg_stat_get_numscans(t.oid)::int8 AS seq_scans,
       pg_catalog.pg_stat_get_tuples_returned(t.oid)::int8 AS seq_tuples_read,
       i.scans::int8 AS idx_scans,
       (i.fetched + pg_catalog.pg_stat_get_tuples_fetched(t.oid))::int8 AS idx_tuples_fetched,
       pg_catalog.pg_stat_get_vacuum_count(t.oid)::int8 AS vacuums,
       pg_catalog.pg_stat_get_autovacuum_count(t.oid)::int8 AS autovacuums,
       pg_catalog.pg_stat_get_analyze_count(t.oid)::int8 AS analyzes,
       pg_catalog.pg_stat_get_autoanalyze_count(t.oid)::int8 AS autoanalyzes,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_vacuum_time(t.oid))::float8 AS vacuumed_seconds_ago,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_autovacuum_time(t.oid))::float8 AS autovacuumed_seconds_ago,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_analyze_time(t.oid))::float8 AS analyzed_seconds_ago,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid))::float8 AS autoanalyzed_seconds_ago
  FROM chosen AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  LEFT JOIN LATERAL (
        SELECT pg_catalog.sum(pg_catalog.pg_stat_get_numscans(x.indexrelid)) AS scans,
               COALESCE(pg_catalog.sum(pg_catalog.pg_stat_get_tuples_fetched(x.indexrelid)), 0) AS fetched
          FROM pg_catalog.pg_index AS x
         WHERE x.indrelid = t.oid) AS i ON true
 ORDER BY t.place, t.relpages DESC, t.oid
