-- How many entries pg_stat_statements holds for all databases (counted only if $1 asks for it), how often it had
-- to drop entries, and when it was reset: one row.
SELECT (CASE WHEN $1::bool THEN (SELECT pg_catalog.count(*) FROM pg_stat_statements(false)) END)::int8 AS entries,
       i.dealloc::int8 AS dealloc,
       i.stats_reset::timestamptz AS stats_reset
  FROM pg_stat_statements_info AS i
