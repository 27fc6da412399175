-- The columns of the tables and indexes $1 with what the planner's statistics tell of their width.
SELECT a.attrelid::int8 AS relid,
       a.attlen::int4 AS length,
       a.attalign::text AS alignment,
       a.attisdropped::bool AS dropped,
       -- These types may be equal without being the same bytes: an index cannot keep them as one.
       (a.atttypid NOT IN ('pg_catalog.numeric'::pg_catalog.regtype, 'pg_catalog.float4'::pg_catalog.regtype, 'pg_catalog.float8'::pg_catalog.regtype,
                           'pg_catalog.jsonb'::pg_catalog.regtype, 'pg_catalog.interval'::pg_catalog.regtype)
        AND COALESCE(y.typtype NOT IN ('c', 'r', 'm') AND y.typcategory <> 'A', false))::bool AS equal_is_same,
       s.null_frac::float8 AS null_fraction,
       -- An index on "name" keeps it shorter than the table does.
       CASE WHEN NOT (a.attlen = -2 AND k.attlen > 0) THEN s.avg_width END::int4 AS width,
       s.n_distinct::float8 AS distinct_values
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = a.attrelid
  -- An index's column is its table's, or an expression that has statistics of its own.
  LEFT JOIN pg_catalog.pg_attribute AS k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[a.attnum - 1]
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = CASE WHEN k.attnum IS NULL THEN a.attrelid ELSE i.indrelid END
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  -- LIMIT: one look by index for each column, and not the whole view for all of them.
  LEFT JOIN LATERAL (
       SELECT p.null_frac, p.avg_width, p.n_distinct
         FROM pg_catalog.pg_stats AS p
        WHERE p.schemaname = n.nspname AND p.tablename = t.relname AND p.attname = COALESCE(k.attname, a.attname) AND NOT p.inherited
        LIMIT 1) AS s ON true
 WHERE a.attrelid = ANY ($1::int8[]::oid[])
   AND a.attnum > 0
 ORDER BY a.attrelid, a.attnum
