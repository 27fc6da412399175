-- The bounds of the partitions of the tables with oids $1; one row per partition. Sent for those whose
-- partitions changed since the last round.
-- A bound names no column, so any relation will do to print it: pg_class, which no DDL of users locks.
SELECT i.inhparent::int8 AS parent_oid,
       c.oid::int8 AS oid,
       c.relname::text AS name,
       (c.relkind = 'p')::bool AS is_partitioned,
       pg_catalog.pg_get_expr(c.relpartbound, 'pg_catalog.pg_class'::regclass)::text AS bound
  FROM pg_catalog.pg_inherits AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = ANY($1::int8[]::oid[])
   AND c.relispartition
 ORDER BY i.inhparent, c.oid
