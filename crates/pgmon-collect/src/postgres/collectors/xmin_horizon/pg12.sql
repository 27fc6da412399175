-- Who keeps VACUUM from removing dead rows: the five oldest of each kind of holder.
WITH holders AS (
     SELECT CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'backend' END AS holder,
            a.application_name AS name,
            a.pid,
            a.datname AS database,
            a.state,
            GREATEST(pg_catalog.age(a.backend_xid), pg_catalog.age(a.backend_xmin)) AS xid_age,
            a.xact_start AS since
       FROM pg_catalog.pg_stat_activity AS a
      WHERE (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
        AND a.pid <> pg_catalog.pg_backend_pid()
            -- A VACUUM shows a snapshot that other VACUUMs do not mind.
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
      UNION ALL
     SELECT h.holder, s.slot_name, s.active_pid, s.database, CASE WHEN s.active THEN 'active' ELSE 'inactive' END,
            pg_catalog.age(h.xid), NULL
       FROM pg_catalog.pg_replication_slots AS s
      CROSS JOIN LATERAL (VALUES ('slot', s.xmin), ('slot_catalog', s.catalog_xmin)) AS h (holder, xid)
      WHERE h.xid IS NOT NULL
      UNION ALL
     SELECT 'prepared', p.gid, NULL, p.database, NULL, pg_catalog.age(p.transaction), p.prepared
       FROM pg_catalog.pg_prepared_xacts AS p)
SELECT r.holder::text AS holder,
       r.name::text AS name,
       r.pid::int4 AS pid,
       r.database::text AS database,
       r.state::text AS state,
       r.xid_age::int8 AS xid_age,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - r.since)::float8 AS seconds
  FROM (SELECT h.holder, h.name, h.pid, h.database, h.state, h.xid_age, h.since,
               pg_catalog.row_number() OVER (PARTITION BY h.holder ORDER BY h.xid_age DESC) AS place
          FROM holders AS h) AS r
 WHERE r.place <= 5
 ORDER BY r.xid_age DESC
