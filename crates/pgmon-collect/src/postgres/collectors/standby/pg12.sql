-- On a standby one row: what was received and replayed, and whether the link to its source is alive. On a primary none.
SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8 AS replay_age_seconds,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0'::pg_lsn)::int8 AS received_bytes,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0'::pg_lsn)::int8 AS replayed_bytes,
       pg_catalog.pg_is_wal_replay_paused()::bool AS paused,
       -- Hidden from a role without pg_read_all_settings: then it is not known whether there should be a link.
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
            THEN pg_catalog.current_setting('primary_conninfo') <> '' END::bool AS link_configured,
       EXTRACT(epoch FROM pg_catalog.current_setting('wal_receiver_timeout')::interval)::float8 AS receiver_timeout_seconds,
       (r.pid IS NOT NULL)::bool AS receiver_running,
       r.status::text AS receiver_status,
       pg_catalog.pg_wal_lsn_diff(r.received_lsn, '0/0'::pg_lsn)::int8 AS written_bytes,
       pg_catalog.pg_wal_lsn_diff(r.latest_end_lsn, '0/0'::pg_lsn)::int8 AS source_bytes,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - r.last_msg_receipt_time)::float8 AS last_message_age_seconds,
       r.slot_name::text AS slot_name,
       r.sender_host::text AS sender_host,
       r.sender_port::int4 AS sender_port,
       r.received_tli::int8 AS timeline
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) AS i
  LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() AS r ON true
 WHERE i.in_recovery
