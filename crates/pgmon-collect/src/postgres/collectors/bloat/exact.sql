-- Dead rows and free space in the table $1 by pgstattuple, which reads every page; no row if DDL has come in the way.
SELECT s.table_len::int8 AS bytes,
       s.dead_tuple_len::int8 AS dead_bytes,
       s.free_space::int8 AS free_bytes
  FROM (SELECT $1::int8::oid::regclass AS rel
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                            WHERE l.locktype = 'relation' AND l.relation = $1::int8::oid AND l.mode = 'AccessExclusiveLock')) AS r
 CROSS JOIN LATERAL pgstattuple(r.rel) AS s
