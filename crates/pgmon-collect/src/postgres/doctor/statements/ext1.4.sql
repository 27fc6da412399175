-- How full pg_stat_statements is; one row. This version does not count what it evicted.
SELECT pg_catalog.count(*)::int8 AS entries,
       NULL::int8 AS evictions,
       NULL::float8 AS counted_seconds
  FROM pg_stat_statements(false) AS s
