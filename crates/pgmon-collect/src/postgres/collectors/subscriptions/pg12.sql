-- Subscriptions of all databases of the server, one row each, with the apply worker's progress.
SELECT u.datname,
       w.subname::text AS subscription,
       u.enabled,
       w.running,
       w.sync_workers,
       w.received_bytes,
       w.latest_end_bytes,
       w.last_message_age_seconds,
       w.latest_end_age_seconds,
       NULL::int8 AS apply_errors,
       NULL::int8 AS sync_errors,
       NULL::int8 AS confl_insert_exists,
       NULL::int8 AS confl_update_origin_differs,
       NULL::int8 AS confl_update_exists,
       NULL::int8 AS confl_update_missing,
       NULL::int8 AS confl_delete_origin_differs,
       NULL::int8 AS confl_delete_missing,
       NULL::int8 AS confl_multiple_unique_conflicts,
       NULL::timestamptz AS stats_reset
  FROM (
       SELECT v.subid,
              v.subname,
              ((pg_catalog.count(v.pid) FILTER (WHERE v.relid IS NULL)) > 0)::bool AS running,
              (pg_catalog.count(v.pid) FILTER (WHERE v.relid IS NOT NULL))::int8 AS sync_workers,
              (pg_catalog.max(pg_catalog.pg_wal_lsn_diff(v.received_lsn, '0/0'::pg_lsn)) FILTER (WHERE v.relid IS NULL))::int8 AS received_bytes,
              (pg_catalog.max(pg_catalog.pg_wal_lsn_diff(v.latest_end_lsn, '0/0'::pg_lsn)) FILTER (WHERE v.relid IS NULL))::int8 AS latest_end_bytes,
              EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.max(v.last_msg_receipt_time) FILTER (WHERE v.relid IS NULL))::float8 AS last_message_age_seconds,
              EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.max(v.latest_end_time) FILTER (WHERE v.relid IS NULL))::float8 AS latest_end_age_seconds
         FROM pg_catalog.pg_stat_subscription AS v
        GROUP BY v.subid, v.subname
       ) AS w
  -- The oid of a subscription is hidden before 14: a name that two databases use does not tell which is which.
  LEFT JOIN (
       SELECT s.subname,
              pg_catalog.min(d.datname::text) AS datname,
              pg_catalog.bool_and(s.subenabled)::bool AS enabled
         FROM pg_catalog.pg_subscription AS s
         JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
        GROUP BY s.subname
       HAVING pg_catalog.count(*) = 1
       ) AS u ON u.subname = w.subname
 -- On a standby no worker ever runs: the subscriptions there are those of the primary.
 WHERE NOT pg_catalog.pg_is_in_recovery()
 ORDER BY 1, 2, w.subid
