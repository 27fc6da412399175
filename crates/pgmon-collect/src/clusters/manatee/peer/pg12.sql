-- How a member of a cluster sees itself: one row. Positions are bytes since the cluster was made.
SELECT i.in_recovery::bool AS in_recovery,
       (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)::text AS system_identifier,
       -- What it receives now; else the newer of what it last began from and what its data files need.
       CASE WHEN i.in_recovery
            THEN COALESCE(r.received_tli,
                          GREATEST((SELECT k.timeline_id FROM pg_catalog.pg_control_checkpoint() AS k),
                                   (SELECT m.min_recovery_end_timeline FROM pg_catalog.pg_control_recovery() AS m))) END::int8 AS standby_timeline,
       CASE WHEN NOT i.in_recovery
            THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END::text AS primary_timeline,
       CASE WHEN NOT i.in_recovery
            THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0'::pg_lsn) END::int8 AS written_bytes,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0'::pg_lsn)::int8 AS received_bytes,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0'::pg_lsn)::int8 AS replayed_bytes,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8 AS replay_age_seconds
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) AS i
  LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() AS r ON i.in_recovery
