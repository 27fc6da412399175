-- Subscriptions of all databases of the server, one row each, with the apply worker's progress.
SELECT d.datname::text AS datname,
       u.subname::text AS subscription,
       u.subenabled::bool AS enabled,
       w.running,
       w.sync_workers,
       w.received_bytes,
       w.latest_end_bytes,
       w.last_message_age_seconds,
       w.latest_end_age_seconds,
       t.apply_error_count::int8 AS apply_errors,
       t.sync_error_count::int8 AS sync_errors,
       t.confl_insert_exists::int8 AS confl_insert_exists,
       t.confl_update_origin_differs::int8 AS confl_update_origin_differs,
       t.confl_update_exists::int8 AS confl_update_exists,
       t.confl_update_missing::int8 AS confl_update_missing,
       t.confl_delete_origin_differs::int8 AS confl_delete_origin_differs,
       t.confl_delete_missing::int8 AS confl_delete_missing,
       t.confl_multiple_unique_conflicts::int8 AS confl_multiple_unique_conflicts,
       t.stats_reset::timestamptz AS stats_reset
  FROM pg_catalog.pg_subscription AS u
  JOIN pg_catalog.pg_database AS d ON d.oid = u.subdbid
  JOIN (
       SELECT v.subid,
              v.subname,
              ((pg_catalog.count(v.pid) FILTER (WHERE v.relid IS NULL AND v.leader_pid IS NULL)) > 0)::bool AS running,
              (pg_catalog.count(v.pid) FILTER (WHERE v.relid IS NOT NULL))::int8 AS sync_workers,
              (pg_catalog.max(pg_catalog.pg_wal_lsn_diff(v.received_lsn, '0/0'::pg_lsn)) FILTER (WHERE v.relid IS NULL AND v.leader_pid IS NULL))::int8 AS received_bytes,
              (pg_catalog.max(pg_catalog.pg_wal_lsn_diff(v.latest_end_lsn, '0/0'::pg_lsn)) FILTER (WHERE v.relid IS NULL AND v.leader_pid IS NULL))::int8 AS latest_end_bytes,
              EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.max(v.last_msg_receipt_time) FILTER (WHERE v.relid IS NULL AND v.leader_pid IS NULL))::float8 AS last_message_age_seconds,
              EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.max(v.latest_end_time) FILTER (WHERE v.relid IS NULL AND v.leader_pid IS NULL))::float8 AS latest_end_age_seconds
         FROM pg_catalog.pg_stat_subscription AS v
        GROUP BY v.subid, v.subname
       ) AS w ON w.subid = u.oid
  LEFT JOIN LATERAL pg_catalog.pg_stat_get_subscription_stats(u.oid) AS t ON true
 -- On a standby no worker ever runs: the subscriptions there are those of the primary.
 WHERE NOT pg_catalog.pg_is_in_recovery()
 ORDER BY 1, 2
