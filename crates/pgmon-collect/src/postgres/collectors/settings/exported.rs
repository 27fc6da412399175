//! The settings that are exported as figures.

use pgmon_core::metric::Desc;

/// A setting's name in `pg_settings`, and the family that it becomes.
type Exported = (&'static str, Desc);

/// Ordered by name. What a server lacks, or hides from our role, is absent.
#[rustfmt::skip]
static EXPORTED: [Exported; 64] = [
    ("autovacuum", Desc::gauge("pg_settings_autovacuum", "Whether autovacuum is on: 1 or 0.", &[])),
    ("autovacuum_analyze_scale_factor", Desc::gauge("pg_settings_autovacuum_analyze_scale_factor", "Share of a table's rows that is added to autovacuum_analyze_threshold.", &[])),
    ("autovacuum_analyze_threshold", Desc::gauge("pg_settings_autovacuum_analyze_threshold", "Changed rows that make autovacuum analyze a table, before the scale factor.", &[])),
    ("autovacuum_freeze_max_age", Desc::gauge("pg_settings_autovacuum_freeze_max_age", "Transaction age at which autovacuum is forced on a table.", &[])),
    ("autovacuum_max_workers", Desc::gauge("pg_settings_autovacuum_max_workers", "Autovacuum workers that may run at a time.", &[])),
    ("autovacuum_multixact_freeze_max_age", Desc::gauge("pg_settings_autovacuum_multixact_freeze_max_age", "Multixact age at which autovacuum is forced on a table.", &[])),
    ("autovacuum_naptime", Desc::gauge("pg_settings_autovacuum_naptime_seconds", "Seconds between two autovacuum runs in a database.", &[])),
    ("autovacuum_vacuum_cost_delay", Desc::gauge("pg_settings_autovacuum_vacuum_cost_delay_seconds", "Seconds that an autovacuum worker sleeps at its cost limit; -1 means as vacuum_cost_delay.", &[])),
    ("autovacuum_vacuum_cost_limit", Desc::gauge("pg_settings_autovacuum_vacuum_cost_limit", "Cost at which an autovacuum worker sleeps; -1 means as vacuum_cost_limit.", &[])),
    ("autovacuum_vacuum_insert_scale_factor", Desc::gauge("pg_settings_autovacuum_vacuum_insert_scale_factor", "Share of a table's rows that is added to autovacuum_vacuum_insert_threshold.", &[])),
    ("autovacuum_vacuum_insert_threshold", Desc::gauge("pg_settings_autovacuum_vacuum_insert_threshold", "Inserted rows that make autovacuum vacuum a table, before the scale factor; -1 means never.", &[])),
    ("autovacuum_vacuum_max_threshold", Desc::gauge("pg_settings_autovacuum_vacuum_max_threshold", "The most dead rows that autovacuum waits for in any table; -1 means no maximum.", &[])),
    ("autovacuum_vacuum_scale_factor", Desc::gauge("pg_settings_autovacuum_vacuum_scale_factor", "Share of a table's rows that is added to autovacuum_vacuum_threshold.", &[])),
    ("autovacuum_vacuum_threshold", Desc::gauge("pg_settings_autovacuum_vacuum_threshold", "Dead rows that make autovacuum vacuum a table, before the scale factor.", &[])),
    ("autovacuum_work_mem", Desc::gauge("pg_settings_autovacuum_work_mem_bytes", "Bytes of memory of an autovacuum worker; -1 means as maintenance_work_mem.", &[])),
    ("block_size", Desc::gauge("pg_settings_block_size_bytes", "Bytes in a page.", &[])),
    ("checkpoint_completion_target", Desc::gauge("pg_settings_checkpoint_completion_target", "Share of the time between checkpoints over which a checkpoint spreads its writes, 0-1.", &[])),
    ("checkpoint_timeout", Desc::gauge("pg_settings_checkpoint_timeout_seconds", "Seconds between two checkpoints at most.", &[])),
    ("deadlock_timeout", Desc::gauge("pg_settings_deadlock_timeout_seconds", "Seconds that a session waits for a lock before it looks for a deadlock.", &[])),
    ("default_statistics_target", Desc::gauge("pg_settings_default_statistics_target", "How detailed the statistics are that ANALYZE takes.", &[])),
    ("effective_cache_size", Desc::gauge("pg_settings_effective_cache_size_bytes", "Bytes that the planner believes to be cached.", &[])),
    ("effective_io_concurrency", Desc::gauge("pg_settings_effective_io_concurrency", "Reads that a session may have under way at a time.", &[])),
    ("fsync", Desc::gauge("pg_settings_fsync", "Whether writes are forced to disk: 1 or 0.", &[])),
    ("full_page_writes", Desc::gauge("pg_settings_full_page_writes", "Whether a page is written to WAL in full at its first change after a checkpoint: 1 or 0.", &[])),
    ("hot_standby_feedback", Desc::gauge("pg_settings_hot_standby_feedback", "Whether a standby keeps its primary from removing rows that it still reads: 1 or 0.", &[])),
    ("idle_in_transaction_session_timeout", Desc::gauge("pg_settings_idle_in_transaction_session_timeout_seconds", "Seconds after which a session that is idle in a transaction is ended; 0 means never.", &[])),
    ("jit", Desc::gauge("pg_settings_jit", "Whether queries may be compiled: 1 or 0.", &[])),
    ("lock_timeout", Desc::gauge("pg_settings_lock_timeout_seconds", "Seconds that a statement may wait for a lock; 0 means for ever.", &[])),
    ("log_autovacuum_min_duration", Desc::gauge("pg_settings_log_autovacuum_min_duration_seconds", "Seconds from which on an autovacuum run is logged; -1 means never.", &[])),
    ("log_min_duration_statement", Desc::gauge("pg_settings_log_min_duration_statement_seconds", "Seconds from which on a statement is logged; -1 means never.", &[])),
    ("maintenance_work_mem", Desc::gauge("pg_settings_maintenance_work_mem_bytes", "Bytes of memory of a maintenance operation.", &[])),
    ("max_connections", Desc::gauge("pg_settings_max_connections", "Connections that the server takes.", &[])),
    ("max_locks_per_transaction", Desc::gauge("pg_settings_max_locks_per_transaction", "Locks that the lock table holds per connection.", &[])),
    ("max_parallel_maintenance_workers", Desc::gauge("pg_settings_max_parallel_maintenance_workers", "Parallel workers of a maintenance operation at most.", &[])),
    ("max_parallel_workers", Desc::gauge("pg_settings_max_parallel_workers", "Parallel workers of all queries at most.", &[])),
    ("max_parallel_workers_per_gather", Desc::gauge("pg_settings_max_parallel_workers_per_gather", "Parallel workers of a query's node at most.", &[])),
    ("max_prepared_transactions", Desc::gauge("pg_settings_max_prepared_transactions", "Transactions that may be prepared at a time.", &[])),
    ("max_replication_slots", Desc::gauge("pg_settings_max_replication_slots", "Replication slots at most.", &[])),
    ("max_slot_wal_keep_size", Desc::gauge("pg_settings_max_slot_wal_keep_size_bytes", "Bytes of WAL that a replication slot may hold back; -1 means without limit.", &[])),
    ("max_standby_archive_delay", Desc::gauge("pg_settings_max_standby_archive_delay_seconds", "Seconds that replay of archived WAL waits for conflicting queries; -1 means for ever.", &[])),
    ("max_standby_streaming_delay", Desc::gauge("pg_settings_max_standby_streaming_delay_seconds", "Seconds that replay of streamed WAL waits for conflicting queries; -1 means for ever.", &[])),
    ("max_wal_senders", Desc::gauge("pg_settings_max_wal_senders", "WAL senders at most.", &[])),
    ("max_wal_size", Desc::gauge("pg_settings_max_wal_size_bytes", "Bytes of WAL between two checkpoints that make the server hurry.", &[])),
    ("max_worker_processes", Desc::gauge("pg_settings_max_worker_processes", "Background processes at most.", &[])),
    ("min_wal_size", Desc::gauge("pg_settings_min_wal_size_bytes", "Bytes of WAL files that are kept to be used again.", &[])),
    ("random_page_cost", Desc::gauge("pg_settings_random_page_cost", "The planner's cost of a page that is read out of order.", &[])),
    ("reserved_connections", Desc::gauge("pg_settings_reserved_connections", "Connections kept for members of pg_use_reserved_connections.", &[])),
    ("seq_page_cost", Desc::gauge("pg_settings_seq_page_cost", "The planner's cost of a page that is read in order.", &[])),
    ("shared_buffers", Desc::gauge("pg_settings_shared_buffers_bytes", "Bytes of the server's own cache.", &[])),
    ("statement_timeout", Desc::gauge("pg_settings_statement_timeout_seconds", "Seconds that a statement may run; 0 means for ever.", &[])),
    ("superuser_reserved_connections", Desc::gauge("pg_settings_superuser_reserved_connections", "Connections kept for superusers.", &[])),
    ("temp_buffers", Desc::gauge("pg_settings_temp_buffers_bytes", "Bytes of a session's cache for temporary tables at most.", &[])),
    ("temp_file_limit", Desc::gauge("pg_settings_temp_file_limit_bytes", "Bytes of temporary files of a session at most; -1 means without limit.", &[])),
    ("track_activities", Desc::gauge("pg_settings_track_activities", "Whether sessions report what they do: 1 or 0.", &[])),
    ("track_counts", Desc::gauge("pg_settings_track_counts", "Whether statistics are taken of tables and indexes: 1 or 0.", &[])),
    ("track_io_timing", Desc::gauge("pg_settings_track_io_timing", "Whether reads and writes are timed: 1 or 0.", &[])),
    ("track_wal_io_timing", Desc::gauge("pg_settings_track_wal_io_timing", "Whether writes of WAL are timed: 1 or 0.", &[])),
    ("vacuum_cost_limit", Desc::gauge("pg_settings_vacuum_cost_limit", "Cost at which VACUUM sleeps.", &[])),
    ("vacuum_failsafe_age", Desc::gauge("pg_settings_vacuum_failsafe_age", "Transaction age at which VACUUM drops everything but freezing.", &[])),
    ("vacuum_multixact_failsafe_age", Desc::gauge("pg_settings_vacuum_multixact_failsafe_age", "Multixact age at which VACUUM drops everything but freezing.", &[])),
    ("wal_buffers", Desc::gauge("pg_settings_wal_buffers_bytes", "Bytes of WAL that wait in memory at most.", &[])),
    ("wal_keep_size", Desc::gauge("pg_settings_wal_keep_size_bytes", "Bytes of WAL files that are kept for standbys.", &[])),
    ("wal_segment_size", Desc::gauge("pg_settings_wal_segment_size_bytes", "Bytes in a WAL file.", &[])),
    ("work_mem", Desc::gauge("pg_settings_work_mem_bytes", "Bytes of memory of a sort or hash before it goes to disk.", &[])),
];

/// How many settings are exported.
pub(super) const COUNT: usize = EXPORTED.len();

/// The families of all of them.
pub(super) const FAMILIES: [&Desc; COUNT] = {
    let mut families = [&EXPORTED[0].1; COUNT];
    let mut i = 1;
    while i < COUNT {
        families[i] = &EXPORTED[i].1;
        i += 1;
    }
    families
};

/// The family of a setting, if it is exported.
pub(super) fn desc(setting: &str) -> Option<&'static Desc> {
    let at = EXPORTED.binary_search_by_key(&setting, |(name, _)| name).ok()?;
    EXPORTED.get(at).map(|(_, desc)| desc)
}

/// A setting's value in base units; `on` is 1 and `off` is 0.
pub(super) fn value(setting: &str, unit: Option<&str>) -> Option<f64> {
    let number: f64 = match setting {
        "on" => return Some(1.0),
        "off" => return Some(0.0),
        text => text.parse().ok()?,
    };
    // A negative number is a word (never, no limit), not an amount.
    if number < 0.0 {
        return Some(number);
    }
    unit.map_or(Some(number), |unit| Some(number * factor(unit)?))
}

/// What a unit such as `8kB` or `min` is in bytes or seconds.
fn factor(unit: &str) -> Option<f64> {
    let letters = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = unit.strip_suffix(letters).filter(|digits| !digits.is_empty());
    let count: f64 = count.map_or(Some(1.0), |digits| digits.parse().ok())?;
    let base = match letters {
        "B" => 1.0,
        "kB" => 1024.0,
        "MB" => 1_048_576.0,
        "GB" => 1_073_741_824.0,
        "TB" => 1_099_511_627_776.0,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(count * base)
}
