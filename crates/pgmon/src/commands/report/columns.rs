//! Which columns of a panel people read, the most important first. `--format json` has all of them.

use serde_json::Value;

/// A panel that is too long for text: what matters of it is in another one.
pub fn is_for_text(page: &str, panel: &str) -> bool {
    !matches!((page, panel), ("settings", "all") | ("indexes", "indexes") | ("activity", "groups"))
}

/// The columns of a panel that some row has a value for; of a panel that is not known here, all plain ones.
pub fn of(page: &str, panel: &str, rows: &[Value]) -> Vec<String> {
    let known = known(page, panel);
    let names: Vec<String> = if known.is_empty() {
        let first = rows.first().and_then(Value::as_object);
        first.into_iter().flatten().filter(|(_, v)| !v.is_object()).map(|(name, _)| name.clone()).collect()
    } else {
        known.split_whitespace().map(str::to_owned).collect()
    };
    let has_value = |name: &String| rows.iter().any(|row| row.get(name).is_some_and(|v| !is_empty(v)));
    names.into_iter().filter(has_value).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn known(page: &str, panel: &str) -> &'static str {
    match (page, panel) {
        ("overview", "pages") => "level page sentence",
        (_, "throughput") => {
            "transactions_per_second cache_hit_ratio rollback_ratio xact_commit xact_rollback blks_hit blks_read"
        }
        ("overview", "canary") => {
            "probe latency_seconds round_trip_seconds planning_seconds execution_seconds sql"
        }
        (_, "top_statements" | "statements") => {
            "time_share calls_per_second mean_ms p95_ms text hit_ratio calls time_seconds mean_ms_since_reset \
             rows_per_call mean_change_ratio queryid"
        }
        ("activity", "states") => "state sessions oldest_transaction_seconds longest_in_state_seconds",
        ("activity", "waits") => "wait_event_type wait_event sessions",
        ("activity", "sessions") => {
            "pid state transaction_seconds state_seconds application_name usename query datname blocked \
             wait_event client_addr"
        }
        (_, "progress" | "workers") => {
            "command relation phase running_seconds done total unit automatic blocked datname pid"
        }
        ("activity", "groups") => {
            "backend_type state wait_event_type wait_event backends oldest_transaction_seconds \
             oldest_query_seconds longest_in_state_seconds"
        }
        ("locks", "tree") => {
            "pid level state blocked_count wait_seconds relation query mode application_name usename \
             transaction_seconds remedy"
        }
        ("locks", "modes") => "mode locks waiting",
        ("autovacuum", "tables") => {
            "level relation pressure dead_tuples dead_ratio live_tuples last_vacuum_seconds_ago \
             last_analyze_seconds_ago freeze_ratio modified_since_analyze dead_bytes_estimate autovacuums hint \
             remedy"
        }
        (_, "xmin_holders") => "holder name xid_age seconds state pid database",
        ("autovacuum", "stale_statistics") => {
            "schema_name table_name partition_parent never_analyzed analyzed_seconds mods_since_analyze \
             analyze_trigger_rows live_rows hint remedy"
        }
        (_, "settings") | ("settings", _) => {
            "name setting unit boot_value source pending_restart value_at_start changed_at"
        }
        ("storage", "tables") => {
            "relation total_bytes table_bytes index_bytes toast_bytes share growth_bytes_per_day estimated_rows"
        }
        ("storage", "databases") => "name bytes allows_connections",
        ("storage", "tablespaces") => "name bytes location",
        ("storage", "sequences") => "sequence used_ratio last_value max_value remaining data_type",
        (_, "files") | ("storage", "wal") => "files bytes ready_files",
        ("indexes", _) => {
            "level index table_name bytes scans scanned_seconds_ago is_invalid is_unused is_duplicate is_prefix \
             instead kept_for columns method hint remedy"
        }
        ("bloat", _) => {
            "level schema_name name table_name size_bytes bloat_bytes bloat_ratio estimate not_measured remedy"
        }
        ("partitions", _) => {
            "level relation strategy partitions horizon_seconds newest_upper missing gaps default_partition \
             default_rows hint remedy"
        }
        ("replication", "topology") => "level name role kind state sync_state lag_bytes lag_seconds",
        ("replication", "replicas") => {
            "level replica state stage lag_bytes lag_seconds sync_state slot_name client_addr unsent_bytes \
             unflushed_bytes unreplayed_bytes reply_age_seconds"
        }
        (_, "slots") => {
            "level slot_name slot_type active retained_bytes wal_status safe_wal_bytes inactive_seconds database \
             plugin hint remedy"
        }
        ("replication", "standby") => {
            "lag_seconds lag_bytes replay_age_seconds receiver_status last_message_age_seconds sender_host \
             slot_name link_down paused"
        }
        ("replication", "subscriptions") => {
            "datname subscription enabled running latest_end_age_seconds apply_errors sync_errors sync_workers"
        }
        (_, "archiver") => {
            "mode active archived failed failing backlog_segments last_archived_wal last_archived_age_seconds \
             last_failed_wal last_failed_age_seconds"
        }
        ("wraparound", "databases") => {
            "level datname used_ratio xid_age mxid_age freeze_ratio xids_per_second seconds_until_protection"
        }
        ("wraparound", "tables") => "level schema_name table_name ratio xid_age mxid_age temporary remedy",
        ("wal", "wal") => {
            "bytes_per_second written_bytes records full_page_images buffers_full write_seconds sync_seconds"
        }
        ("wal", "checkpoints") => {
            "timed requested last_checkpoint_age_seconds write_seconds sync_seconds buffers_written \
             redo_lag_bytes timeline"
        }
        ("io", "processes") => {
            "backend_type object context reads read_bytes writes write_bytes hits evictions extends fsyncs \
             read_seconds write_seconds"
        }
        ("io", "databases") => {
            "datname numbackends xact_commit xact_rollback blks_hit blks_read temp_files temp_bytes deadlocks \
             conflicts checksum_failures"
        }
        ("io", "temp") => "temp_files temp_bytes",
        ("io", "slru") => "name blks_hit blks_read blks_written",
        ("collectors", "agent") => "version connects connect_errors tls leads redacts_sql_text",
        ("collectors", "loops") => {
            "level loop last_duration_seconds budget_seconds rounds errors interval_seconds degraded"
        }
        ("collectors", "collectors") => {
            "level name loop outcome duration_ms statements rows datname message blind"
        }
        ("collectors", "grants") => "needs met effects remedy collectors",
        ("collectors", "warnings") => "right effect remedy",
        _ => "",
    }
}
