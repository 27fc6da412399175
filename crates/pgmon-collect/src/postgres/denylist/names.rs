//! Functions that act outside of a read-only transaction, by name.

/// Whether a function of this name is refused.
pub(super) fn is_denied(name: &str) -> bool {
    DENIED.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Families of functions.
pub(super) const PREFIXES: &[&str] = &[
    // Large objects.
    "lo_",
    // Locks that outlive the transaction, or that others meet.
    "pg_advisory_",
    "pg_try_advisory_",
    // Slots and origins: getting changes consumes them.
    "pg_create_",
    "pg_drop_",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_logical_",
    "pg_replication_origin_",
    "pg_replication_slot_advance",
    "pg_sync_replication_slots",
    // Statistics.
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stat_monitor_reset",
    "pg_stat_kcache_reset",
    "pg_qualstats_reset",
    "pg_wait_sampling_reset",
    "pg_restore_",
    "pg_clear_",
    // The server itself.
    "pg_backup_",
    "pg_log_",
    "pg_wal_replay_",
    "binary_upgrade_",
    "pg_file_",
    "brin_summarize_",
    "brin_desummarize_",
    "autoprewarm_",
    "pg_background_",
    "pg_truncate_",
    // Other doors to SQL, or to the world.
    "dblink",
    "postgres_fdw_disconnect",
    "query_to_xml",
    "cursor_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "crosstab",
    "http_",
];

/// Single functions.
pub(super) const DENIED: &[&str] = &[
    // Settings: they can end the transaction's read-only mode, and leak through a pooler.
    "set_config",
    // Sequences and transaction ids are consumed.
    "nextval",
    "setval",
    "txid_current",
    "pg_current_xact_id",
    // Large objects.
    "loread",
    "lowrite",
    // Messages.
    "pg_notify",
    // Other sessions, and the server itself.
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_rotate_logfile_old",
    "pg_switch_wal",
    "pg_promote",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_export_snapshot",
    "pg_import_system_collations",
    "pg_extension_config_dump",
    "pg_nextoid",
    "pg_stop_making_pinned_objects",
    "pg_prewarm",
    "pg_buffercache_evict",
    "pg_buffercache_evict_relation",
    "pg_buffercache_evict_all",
    "gin_clean_pending_list",
    "heap_force_kill",
    "heap_force_freeze",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    // Other doors to SQL, or to the world.
    "ts_stat",
    "ts_rewrite",
    "connectby",
    "xpath_table",
    "http",
];
