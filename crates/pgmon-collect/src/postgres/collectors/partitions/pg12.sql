-- Partitioned tables and old-style inheritance parents, those with most children first; one row per parent.
-- $1: how many. The fingerprint changes when a partition comes, goes, or gets another bound or name.
WITH child AS MATERIALIZED (
    SELECT i.inhparent,
           pg_catalog.count(*) AS children,
           pg_catalog.count(*) FILTER (WHERE c.relkind = 'p') AS partitioned_children,
           pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(',', c.oid, c.relname, c.relkind, c.relpartbound::text))::int8) AS fingerprint
      FROM pg_catalog.pg_inherits AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     WHERE c.relkind IN ('r', 'p', 'f')
     GROUP BY i.inhparent
), locked AS MATERIALIZED (
    SELECT DISTINCT l.relation AS oid
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype = 'relation'
       AND l.mode = 'AccessExclusiveLock'
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                          WHERE d.datname = pg_catalog.current_database())
), parent AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relispartition,
           p.partstrat, p.partnatts, p.partattrs, NULLIF(p.partdefid, 0) AS partdefid,
           h.children, h.partitioned_children, h.fingerprint
      FROM pg_catalog.pg_class AS c
      LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = c.oid
      LEFT JOIN child AS h ON h.inhparent = c.oid
     WHERE c.relkind = 'p' OR c.relkind = 'r' AND c.relhassubclass AND h.children > 0
     -- What is not itself a partition comes first: it is what people know by name.
     ORDER BY c.relispartition, h.children DESC NULLS LAST, c.oid
     LIMIT $1::int8
)
SELECT p.oid::int8 AS oid,
       n.nspname::text AS schema,
       p.relname::text AS name,
       (SELECT i.inhparent FROM pg_catalog.pg_inherits AS i
         WHERE p.relispartition AND i.inhrelid = p.oid)::int8 AS parent_oid,
       (CASE p.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' WHEN 'h' THEN 'hash' ELSE 'inheritance' END)::text AS strategy,
       p.partnatts::int8 AS key_columns,
       a.attname::text AS key_column,
       -- A domain counts as what it is made of.
       pg_catalog.format_type(COALESCE(NULLIF(b.typbasetype, 0), a.atttypid), NULL)::text AS key_type,
       COALESCE(p.children, 0)::int8 AS children,
       COALESCE(p.partitioned_children, 0)::int8 AS partitioned_children,
       COALESCE(p.fingerprint, 0)::int8 AS fingerprint,
       p.partdefid::int8 AS default_oid,
       d.relname::text AS default_name,
       (CASE WHEN d.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM locked AS l WHERE l.oid = d.oid)
             THEN pg_catalog.pg_relation_size(d.oid::regclass, 'main') END)::int8 AS default_bytes,
       (CASE WHEN d.relkind = 'r' THEN NULLIF(d.reltuples, -1) END)::float8 AS default_estimated_rows,
       (CASE WHEN d.relkind = 'r'
              AND pg_catalog.pg_stat_get_tuples_inserted(d.oid) + pg_catalog.pg_stat_get_vacuum_count(d.oid)
                  + pg_catalog.pg_stat_get_autovacuum_count(d.oid) + pg_catalog.pg_stat_get_analyze_count(d.oid)
                  + pg_catalog.pg_stat_get_autoanalyze_count(d.oid) > 0
             THEN pg_catalog.pg_stat_get_live_tuples(d.oid) END)::int8 AS default_live_tuples,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp())::float8 AS now
  FROM parent AS p
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
  LEFT JOIN pg_catalog.pg_type AS b ON b.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_class AS d ON d.oid = p.partdefid
 ORDER BY p.relispartition, p.children DESC NULLS LAST, p.oid
