-- Pages and fill of the btree index $1 by pgstatindex, which reads every page; no row if DDL has come in the way.
SELECT s.index_size::int8 AS bytes,
       s.internal_pages::int8 AS internal_pages,
       s.leaf_pages::int8 AS leaf_pages,
       s.avg_leaf_density::float8 AS leaf_density_percent
  FROM (SELECT $1::int8::oid::regclass AS rel
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                            WHERE l.locktype = 'relation' AND l.relation = $1::int8::oid AND l.mode = 'AccessExclusiveLock')) AS r
 CROSS JOIN LATERAL pgstatindex(r.rel) AS s
