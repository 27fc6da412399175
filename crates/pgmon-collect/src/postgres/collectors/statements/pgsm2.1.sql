-- How many calls of this database's statements took how long, since each time window of pg_stat_monitor began:
-- one row for each of its entries in the windows that had not ended at $2 (Unix time; now if NULL), or one row
-- without an entry. $1 is the user to leave out, $3 a window's length in seconds. What failed is counted apart
-- (elevel), as if it had taken no time. Texts are not sent.
SELECT EXTRACT(epoch FROM pg_catalog.now())::float8 AS read_at,
       s.bucket_start_time::timestamptz AS window_start,
       s.queryid::int8 AS queryid,
       s.toplevel::bool AS toplevel,
       pg_catalog.array_to_string(s.resp_calls, ',')::text AS counts
  FROM (VALUES (1)) AS one (n)
  LEFT JOIN pg_stat_monitor AS s
    ON s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND s.elevel = 0
   AND s.userid IS DISTINCT FROM $1::int8::oid
   AND s.bucket_start_time + pg_catalog.make_interval(secs => $3::float8)
       > COALESCE(pg_catalog.to_timestamp($2::float8), pg_catalog.now())
