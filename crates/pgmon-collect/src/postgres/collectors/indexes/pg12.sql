-- The largest indexes, and the largest that are unused, invalid or redundant, with what else needs each.
-- $1: how many of each. The counts of the whole database stand in every row.
-- No pg_get_indexdef, and no size of an index that DDL holds or waits for: both would queue behind it.
-- Windows instead of self-joins: their cost is the same whatever the planner believes.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation AS oid
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype = 'relation'
       AND l.mode = 'AccessExclusiveLock'
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                          WHERE d.datname = pg_catalog.current_database())
), idx AS MATERIALIZED (
    SELECT c.oid,
           c.relname,
           c.relnamespace,
           c.relpages::int8 AS pages,
           c.relam,
           c.relispartition,
           i.indrelid,
           i.indnatts,
           i.indnkeyatts,
           i.indisvalid,
           i.indisunique,
           i.indisreplident,
           i.indimmediate,
           false AS nulls_equal,
           i.indkey,
           i.indkey::text COLLATE "C" AS keys,
           i.indclass::text COLLATE "C" AS classes,
           i.indcollation::text COLLATE "C" AS collations,
           i.indoption::text COLLATE "C" AS orders,
           -- Where an expression stood in the text of its statement says nothing of the index.
           CASE WHEN i.indexprs IS NOT NULL
                THEN pg_catalog.regexp_replace(i.indexprs::text, ':location -?[0-9]+', '', 'g') END COLLATE "C" AS exprs,
           CASE WHEN i.indpred IS NOT NULL
                THEN pg_catalog.regexp_replace(i.indpred::text, ':location -?[0-9]+', '', 'g') END COLLATE "C" AS pred,
           k.contype,
           pg_catalog.pg_stat_get_numscans(c.oid) AS scans
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
     WHERE c.relkind = 'i'
       AND c.relpersistence <> 't'
       AND c.relnamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n
                                   WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))
), compared AS MATERIALIZED (
    SELECT x.oid, x.relname, x.relnamespace, x.pages, x.relam, x.relispartition, x.indrelid, x.indnatts, x.indnkeyatts,
           x.indisvalid, x.indisunique, x.indisreplident, x.nulls_equal, x.contype, x.scans,
           x.exprs IS NOT NULL AS has_exprs,
           x.pred IS NOT NULL AS is_partial,
           -- Of indexes that are equal in all that a scan needs, the first is the one to keep.
           pg_catalog.first_value(x.oid) OVER same AS same_oid,
           pg_catalog.first_value(x.indisunique AND x.indimmediate) OVER same AS same_unique,
           pg_catalog.first_value(x.nulls_equal) OVER same AS same_nulls_equal,
           -- If the columns of any index begin with these, then those of the next one in this order do.
           pg_catalog.first_value(x.oid) OVER longer AS longer_oid,
           pg_catalog.first_value(x.indnkeyatts) OVER longer > x.indnkeyatts
           AND pg_catalog.starts_with(pg_catalog.first_value(x.keys) OVER longer, x.keys || ' ')
           AND pg_catalog.starts_with(pg_catalog.first_value(x.classes) OVER longer, x.classes || ' ')
           AND pg_catalog.starts_with(pg_catalog.first_value(x.collations) OVER longer, x.collations || ' ')
           AND pg_catalog.starts_with(pg_catalog.first_value(x.orders) OVER longer, x.orders || ' ') AS is_prefix,
           x.indkey
      FROM idx AS x
    WINDOW same AS (PARTITION BY x.indrelid, x.relam, x.pred, x.indisvalid, x.keys, x.indnkeyatts, x.classes, x.collations, x.orders, x.exprs
                        ORDER BY (x.contype = 'p') DESC NULLS LAST, (x.contype IS NULL), x.indisreplident DESC,
                                 x.relispartition DESC, x.indisunique DESC, x.nulls_equal DESC, x.indimmediate DESC, x.oid),
           longer AS (PARTITION BY x.indrelid, x.relam, x.pred, x.indisvalid
                          ORDER BY x.keys GROUPS BETWEEN 1 FOLLOWING AND 1 FOLLOWING)
), judged AS MATERIALIZED (
    SELECT x.oid, x.relname, x.relnamespace, x.pages, x.relam, x.relispartition, x.indrelid, x.indnkeyatts,
           x.indisvalid, x.indisunique, x.indisreplident, x.contype, x.scans, x.has_exprs, x.is_partial,
           x.same_oid, x.longer_oid,
           -- A constraint, a replica identity and a part of a partitioned index cannot just be dropped;
           -- a unique index can if the one that stays forbids at least as much.
           x.indisvalid AND x.same_oid <> x.oid
           AND x.contype IS NULL AND NOT x.indisreplident AND NOT x.relispartition
           AND (NOT x.indisunique OR x.same_unique AND x.same_nulls_equal >= x.nulls_equal) AS is_duplicate,
           x.indisvalid AND COALESCE(x.is_prefix, false) AND NOT x.has_exprs AND x.indnatts = x.indnkeyatts
           AND x.relam = (SELECT m.oid FROM pg_catalog.pg_am AS m WHERE m.amname = 'btree' AND m.amtype = 'i')
           AND x.contype IS NULL AND NOT x.indisunique
           AND NOT x.indisreplident AND NOT x.relispartition AS is_prefix,
           NOT x.indisvalid
           -- While an index is being built it is not valid yet. Whose progress may not be seen has no number.
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index AS b
                            WHERE b.index_relid = x.oid OR b.index_relid IS NULL) AS is_invalid,
           -- Deleting from the table that is referred to looks the rows up by it.
           x.indisvalid AND NOT x.is_partial
           AND x.indrelid IN (SELECT k.conrelid FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f')
           AND EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS k
                        WHERE k.conrelid = x.indrelid
                          AND k.contype = 'f'
                          AND (x.indkey::int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey) AS covers_foreign_key
      FROM compared AS x
), flagged AS MATERIALIZED (
    SELECT x.oid, x.relname, x.relnamespace, x.pages, x.relam, x.relispartition, x.indrelid, x.indnkeyatts,
           x.indisvalid, x.indisunique, x.indisreplident, x.contype, x.scans, x.has_exprs, x.is_partial,
           x.same_oid, x.longer_oid, x.is_duplicate, x.is_prefix, x.is_invalid, x.covers_foreign_key,
           x.indisvalid AND x.scans = 0 AND x.contype IS NULL AND NOT x.indisunique AND NOT x.indisreplident
           AND NOT x.relispartition AND NOT x.covers_foreign_key AS is_unused
      FROM judged AS x
), ranked AS MATERIALIZED (
    SELECT x.oid, x.relname, x.relnamespace, x.pages, x.relam, x.relispartition, x.indrelid, x.indnkeyatts,
           x.indisvalid, x.indisunique, x.indisreplident, x.contype, x.scans, x.has_exprs, x.is_partial,
           x.same_oid, x.longer_oid, x.is_duplicate, x.is_prefix, x.is_invalid, x.covers_foreign_key, x.is_unused,
           pg_catalog.row_number() OVER by_size AS place,
           pg_catalog.count(*) FILTER (WHERE x.is_unused) OVER by_size AS unused_place,
           pg_catalog.count(*) FILTER (WHERE x.is_invalid) OVER by_size AS invalid_place,
           pg_catalog.count(*) FILTER (WHERE x.is_duplicate OR x.is_prefix) OVER by_size AS redundant_place,
           pg_catalog.count(*) FILTER (WHERE x.is_unused) OVER () AS unused_count,
           COALESCE(pg_catalog.sum(x.pages) FILTER (WHERE x.is_unused) OVER (), 0) AS unused_pages,
           pg_catalog.count(*) FILTER (WHERE x.is_invalid) OVER () AS invalid_count,
           pg_catalog.count(*) FILTER (WHERE x.is_duplicate) OVER () AS duplicate_count,
           pg_catalog.count(*) FILTER (WHERE x.is_prefix) OVER () AS prefix_count
      FROM flagged AS x
    WINDOW by_size AS (ORDER BY x.pages DESC, x.oid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
), chosen AS MATERIALIZED (
    SELECT x.oid, x.relname, x.relnamespace, x.pages, x.relam, x.relispartition, x.indrelid, x.indnkeyatts,
           x.indisvalid, x.indisunique, x.indisreplident, x.contype, x.scans, x.has_exprs, x.is_partial,
           x.same_oid, x.longer_oid, x.is_duplicate, x.is_prefix, x.is_invalid, x.covers_foreign_key, x.is_unused,
           x.place, x.unused_count, x.unused_pages, x.invalid_count, x.duplicate_count, x.prefix_count,
           x.place <= $1::int8 AS is_large,
           EXISTS (SELECT 1 FROM locked AS l WHERE l.oid IN (x.oid, x.indrelid)) AS is_locked
      FROM ranked AS x
     WHERE x.place <= GREATEST($1::int8, 1)
        OR x.is_unused AND x.unused_place <= $1::int8
        OR x.is_invalid AND x.invalid_place <= $1::int8
        OR (x.is_duplicate OR x.is_prefix) AND x.redundant_place <= $1::int8
)
SELECT x.oid::int8 AS oid,
       n.nspname::text AS schema,
       x.relname::text AS name,
       t.relname::text AS table_name,
       m.amname::text AS method,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_attribute AS a
              WHERE a.attrelid = x.oid
              ORDER BY a.attnum)::text[] AS columns,
       x.indnkeyatts::int8 AS key_columns,
       x.has_exprs::bool AS has_expressions,
       x.is_partial::bool AS is_partial,
       x.place::int8 AS place,
       x.is_large::bool AS is_large,
       x.is_locked::bool AS locked,
       (x.pages * pg_catalog.current_setting('block_size')::int8)::int8 AS estimated_bytes,
       (CASE WHEN x.is_large AND NOT x.is_locked
             THEN pg_catalog.pg_relation_size(x.oid::regclass, 'main') END)::int8 AS bytes,
       x.scans::int8 AS scans,
       NULL::float8 AS scanned_seconds_ago,
       -- Statistics begin with a reset, or where the server lost them (a crash): then the server-wide ones, which
       -- are lost with them, begin anew as well.
       (SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp() - GREATEST(
                   pg_catalog.pg_stat_get_db_stat_reset_time(d.oid),
                   LEAST(pg_catalog.pg_stat_get_bgwriter_stat_reset_time(),
                         (SELECT a.stats_reset FROM pg_catalog.pg_stat_get_archiver() AS a))))
          FROM pg_catalog.pg_database AS d
         WHERE d.datname = pg_catalog.current_database())::float8 AS stats_age_seconds,
       x.indisvalid::bool AS is_valid,
       x.indisunique::bool AS is_unique,
       COALESCE(x.contype = 'p', false)::bool AS is_primary,
       COALESCE(x.contype = 'x', false)::bool AS is_exclusion,
       (x.contype IS NOT NULL)::bool AS is_constraint,
       x.indisreplident::bool AS is_replica_identity,
       x.relispartition::bool AS is_partition,
       EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS k
                WHERE k.conindid = x.oid AND k.contype = 'f')::bool AS referenced_by_foreign_key,
       x.covers_foreign_key::bool AS covers_foreign_key,
       x.is_unused::bool AS is_unused,
       x.is_invalid::bool AS is_invalid,
       x.is_duplicate::bool AS is_duplicate,
       x.is_prefix::bool AS is_prefix,
       s.relname::text AS instead,
       x.unused_count::int8 AS unused_count,
       (x.unused_pages * pg_catalog.current_setting('block_size')::int8)::float8 AS unused_bytes,
       x.invalid_count::int8 AS invalid_count,
       x.duplicate_count::int8 AS duplicate_count,
       x.prefix_count::int8 AS prefix_count
  FROM chosen AS x
  JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
  JOIN pg_catalog.pg_class AS t ON t.oid = x.indrelid
  JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
  LEFT JOIN pg_catalog.pg_class AS s ON s.oid = CASE WHEN x.is_duplicate THEN x.same_oid
                                                     WHEN x.is_prefix THEN x.longer_oid END
 ORDER BY x.place
