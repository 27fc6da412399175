-- Who waits for whom: one row per waiting session, blocker (pid 0: a prepared transaction) and lock that it has there.
WITH l AS MATERIALIZED (
    SELECT l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid,
           l.objsubid, l.virtualtransaction, l.pid, l.mode, l.granted, NULL::timestamptz AS waitstart
      FROM pg_catalog.pg_locks AS l
), a AS MATERIALIZED (
    SELECT a.pid, NULL::int4 AS leader_pid, a.backend_type, a.state, a.datname, a.usename, a.application_name,
           a.xact_start, a.query_start, a.state_change, NULL::int8 AS queryid,
           pg_catalog."left"(a.query, 1000) AS query
      FROM pg_catalog.pg_stat_activity AS a
), waiting AS (
    -- A parallel query waits as one: its workers count as their leader.
    SELECT DISTINCT ON (1)
           COALESCE(a.leader_pid, l.pid) AS session, l.pid AS lock_pid,
           COALESCE(l.waitstart, a.state_change) AS since,
           l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid,
           l.objsubid, l.mode
      FROM l
      JOIN a ON a.pid = l.pid
     WHERE NOT l.granted
     ORDER BY 1, 3
), w AS MATERIALIZED (
    SELECT waiting.session, waiting.lock_pid, waiting.since, waiting.locktype, waiting.database, waiting.relation,
           waiting.page, waiting.tuple, waiting.virtualxid, waiting.transactionid, waiting.classid, waiting.objid,
           waiting.objsubid, waiting.mode, pg_catalog.count(*) OVER () AS blocked_sessions
      FROM waiting
     ORDER BY waiting.since
     LIMIT 200
), e AS MATERIALIZED (
    SELECT DISTINCT w.session, b.pid
      FROM w
      CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.lock_pid)) AS b(pid)
)
SELECT w.blocked_sessions::int8 AS blocked_sessions,
       w.session::int4 AS pid,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.since)::float8 AS wait_seconds,
       w.locktype::text AS locktype,
       w.mode::text AS mode,
       (SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.oid = w.database)::text AS lock_datname,
       -- Who waits for a row waits for its last writer's transaction, and holds a lock on the tuple meanwhile.
       COALESCE(w.relation, t.relation)::int8 AS relation_oid,
       (SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.oid = COALESCE(w.relation, t.relation) AND here.oid = COALESCE(w.database, t.database))::text AS schema,
       (SELECT c.relname FROM pg_catalog.pg_class AS c
         WHERE c.oid = COALESCE(w.relation, t.relation) AND here.oid = COALESCE(w.database, t.database))::text AS relation,
       wa.backend_type::text AS backend_type,
       wa.state::text AS state,
       wa.datname::text AS datname,
       wa.usename::text AS usename,
       wa.application_name::text AS application_name,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - wa.xact_start)::float8 AS transaction_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - wa.state_change)::float8 AS state_seconds,
       wa.queryid::text AS queryid,
       wa.query::text AS query,
       e.pid::int4 AS blocker_pid,
       h.mode::text AS blocker_mode,
       h.granted::bool AS blocker_granted,
       ba.backend_type::text AS blocker_backend_type,
       ba.state::text AS blocker_state,
       COALESCE(ba.datname, x.database)::text AS blocker_datname,
       COALESCE(ba.usename, x.owner)::text AS blocker_usename,
       ba.application_name::text AS blocker_application_name,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - COALESCE(ba.xact_start, x.prepared))::float8 AS blocker_transaction_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - COALESCE(ba.state_change, x.prepared))::float8 AS blocker_state_seconds,
       ba.queryid::text AS blocker_queryid,
       ba.query::text AS blocker_query,
       x.gid::text AS blocker_gid
  FROM w
  JOIN a AS wa ON wa.pid = w.session
  LEFT JOIN l AS t ON t.pid = w.lock_pid AND t.locktype = 'tuple' AND t.granted AND w.locktype = 'transactionid'
  LEFT JOIN e ON e.session = w.session
  LEFT JOIN a AS ba ON ba.pid = e.pid
  LEFT JOIN l AS h
    ON COALESCE(h.pid, 0) = e.pid
   AND h.locktype = w.locktype
   AND h.database IS NOT DISTINCT FROM w.database
   AND h.relation IS NOT DISTINCT FROM w.relation
   AND h.page IS NOT DISTINCT FROM w.page
   AND h.tuple IS NOT DISTINCT FROM w.tuple
   AND h.virtualxid IS NOT DISTINCT FROM w.virtualxid
   AND h.transactionid IS NOT DISTINCT FROM w.transactionid
   AND h.classid IS NOT DISTINCT FROM w.classid
   AND h.objid IS NOT DISTINCT FROM w.objid
   AND h.objsubid IS NOT DISTINCT FROM w.objsubid
  -- A prepared transaction's locks have no pid. Its lock on its own transaction id leads to its name.
  LEFT JOIN l AS own
    ON e.pid = 0 AND own.pid IS NULL AND own.locktype = 'transactionid' AND own.granted
   AND own.virtualtransaction = h.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = own.transactionid
  CROSS JOIN (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) AS here
