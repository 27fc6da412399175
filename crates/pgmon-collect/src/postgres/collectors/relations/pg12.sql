-- Sizes of the largest tables and materialised views, largest first; one row per relation.
-- $1: how many. $2: system tables count from so many bytes on.
-- Which are the largest is told by pg_class alone: no lock, no file. Only these are measured, and of
-- these only what no DDL holds or waits for: a size function would queue behind it.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation AS oid
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype = 'relation'
       AND l.mode = 'AccessExclusiveLock'
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                          WHERE d.datname = pg_catalog.current_database())
), page AS MATERIALIZED (
    SELECT pg_catalog.current_setting('block_size')::int8 AS bytes
), index_pages AS MATERIALIZED (
    SELECT i.indrelid AS oid,
           pg_catalog.sum(x.relpages)::int8 AS pages
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
     GROUP BY 1
), ranked AS MATERIALIZED (
    SELECT c.oid,
           n.nspname,
           c.relname,
           c.relkind,
           c.reltuples,
           c.reltoastrelid,
           c.relispartition,
           -- A table that was never vacuumed or analysed has no pages yet: guess from its rows.
           (CASE WHEN c.relpages > 0 THEN c.relpages
                 ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) / 100 END
            + COALESCE(t.relpages, 0) + COALESCE(ti.pages, 0) + COALESCE(i.pages, 0))::int8 AS pages
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid AND c.reltoastrelid <> 0
      LEFT JOIN index_pages AS ti ON ti.oid = t.oid
      LEFT JOIN index_pages AS i ON i.oid = c.oid
     WHERE c.relkind IN ('r', 'm')
       AND c.relpersistence <> 't'
), largest AS MATERIALIZED (
    SELECT r.oid, r.nspname, r.relname, r.relkind, r.reltuples, r.reltoastrelid, r.relispartition, r.pages
      FROM ranked AS r, page
     WHERE r.nspname NOT IN ('pg_catalog', 'information_schema')
        OR r.pages * page.bytes >= $2::int8
     ORDER BY r.pages DESC, r.oid
     LIMIT $1::int8
), seen AS MATERIALIZED (
    SELECT r.oid, r.nspname, r.relname, r.relkind, r.reltuples, r.reltoastrelid, r.relispartition, r.pages,
           EXISTS (SELECT 1 FROM locked AS l WHERE l.oid IN (r.oid, r.reltoastrelid))
           OR EXISTS (SELECT 1
                        FROM locked AS l
                        JOIN pg_catalog.pg_index AS i ON i.indexrelid = l.oid
                       WHERE i.indrelid IN (r.oid, r.reltoastrelid)) AS locked
      FROM largest AS r
)
SELECT s.oid::int8 AS oid,
       s.nspname::text AS schema,
       s.relname::text AS name,
       (CASE s.relkind WHEN 'm' THEN 'matview' ELSE 'table' END)::text AS relkind,
       s.relispartition::bool AS is_partition,
       NULLIF(s.reltuples, -1)::float8 AS estimated_rows,
       (s.pages * page.bytes)::int8 AS estimated_bytes,
       s.locked::bool AS locked,
       (CASE WHEN NOT s.locked THEN pg_catalog.pg_relation_size(s.oid::regclass, 'main') END)::int8 AS heap_bytes,
       (CASE WHEN NOT s.locked AND s.reltoastrelid <> 0
             THEN pg_catalog.pg_total_relation_size(s.reltoastrelid::regclass) END)::int8 AS toast_bytes,
       (CASE WHEN NOT s.locked THEN pg_catalog.pg_table_size(s.oid::regclass) END)::int8 AS table_bytes,
       (CASE WHEN NOT s.locked THEN pg_catalog.pg_indexes_size(s.oid::regclass) END)::int8 AS index_bytes
  FROM seen AS s, page
 ORDER BY s.pages DESC, s.oid
