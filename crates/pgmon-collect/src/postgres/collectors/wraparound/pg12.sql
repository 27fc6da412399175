-- Age of the oldest unfrozen transaction and multixact of every database, and how far the server's counters are.
SELECT d.datname::text AS datname,
       d.datallowconn::bool AS allows_connections,
       pg_catalog.age(d.datfrozenxid)::int8 AS xid_age,
       pg_catalog.mxid_age(d.datminmxid)::int8 AS mxid_age,
       pg_catalog.current_setting('autovacuum_freeze_max_age')::int8 AS freeze_max_age,
       pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::int8 AS multixact_freeze_max_age,
       pg_catalog.current_setting('vacuum_failsafe_age', true)::int8 AS failsafe_age,
       pg_catalog.current_setting('vacuum_multixact_failsafe_age', true)::int8 AS multixact_failsafe_age,
       -- The snapshot's end is the next XID, and asking for it uses none up.
       pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())::int8 AS next_xid,
       -- The age of the first multixact is how many there have been, modulo 2^32.
       pg_catalog.mxid_age('1'::pg_catalog.xid)::int8 AS multixacts
  FROM pg_catalog.pg_database AS d
       -- A database whose DROP was interrupted no longer counts.
 WHERE d.datconnlimit <> -2
 ORDER BY 1
