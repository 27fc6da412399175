-- The texts of the statements $1, cut at $2 characters; sent only for a statement that is new among the top ones.
SELECT s.queryid::int8 AS queryid,
       pg_catalog."left"(s.query, $2::int4)::text AS text
  FROM pg_stat_statements(true) AS s
 WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND s.queryid = ANY ($1::int8[])
