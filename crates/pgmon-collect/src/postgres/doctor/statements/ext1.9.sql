-- How full pg_stat_statements is, how often it evicted its least used entries, and since when that is
-- counted; one row.
SELECT (SELECT pg_catalog.count(*) FROM pg_stat_statements(false) AS s)::int8 AS entries,
       i.dealloc::int8 AS evictions,
       EXTRACT(epoch FROM pg_catalog.now() - i.stats_reset)::float8 AS counted_seconds
  FROM pg_stat_statements_info AS i
