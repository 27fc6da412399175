-- The settings that decide what collectors compute; a name that this version lacks gives no row.
SELECT s.name::text AS name,
       s.setting::text AS setting,
       s.unit::text AS unit
  FROM pg_catalog.pg_settings AS s
 WHERE s.name IN (
        'max_connections', 'superuser_reserved_connections', 'reserved_connections',
        'max_locks_per_transaction', 'max_prepared_transactions', 'max_wal_senders', 'max_replication_slots',
        'autovacuum', 'autovacuum_max_workers', 'autovacuum_naptime',
        'autovacuum_vacuum_threshold', 'autovacuum_vacuum_scale_factor', 'autovacuum_vacuum_max_threshold',
        'autovacuum_vacuum_insert_threshold', 'autovacuum_vacuum_insert_scale_factor',
        'autovacuum_analyze_threshold', 'autovacuum_analyze_scale_factor',
        'autovacuum_freeze_max_age', 'autovacuum_multixact_freeze_max_age',
        'vacuum_failsafe_age', 'vacuum_multixact_failsafe_age',
        'track_activities', 'track_counts', 'track_io_timing', 'track_wal_io_timing', 'track_functions',
        'track_activity_query_size', 'compute_query_id', 'shared_preload_libraries',
        'pg_stat_statements.max', 'pg_stat_statements.track', 'pg_stat_monitor.pgsm_bucket_time',
        'pg_stat_monitor.pgsm_histogram_min', 'pg_stat_monitor.pgsm_histogram_max',
        'data_checksums', 'wal_log_hints', 'archive_mode', 'wal_level', 'wal_segment_size', 'hot_standby', 'hot_standby_feedback',
        'max_slot_wal_keep_size', 'checkpoint_timeout', 'max_wal_size', 'cluster_name')
 ORDER BY 1
