-- How many entries pg_stat_statements holds for all databases (counted only if $1 asks for it): one row.
SELECT (CASE WHEN $1::bool THEN (SELECT pg_catalog.count(*) FROM pg_stat_statements(false)) END)::int8 AS entries,
       NULL::int8 AS dealloc,
       NULL::timestamptz AS stats_reset
