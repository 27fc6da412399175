-- A catalog row by its key: what planning and running a small query takes, and where its pages came from.
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = 1259
