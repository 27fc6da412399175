//! `alerts`: thresholds of the built-in rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Thresholds of the built-in alert rules. `_warn` raises a warning, `_crit` a critical alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Connections in use over max_connections (ratio 0-1).
    #[schemars(range(min = 0, max = 1))]
    pub connections_warn: f64,
    /// Connections in use over max_connections (ratio 0-1).
    #[schemars(range(min = 0, max = 1))]
    pub connections_crit: f64,
    /// Age of the oldest transaction (seconds).
    pub long_txn_warn_s: u64,
    /// Age of the oldest transaction (seconds).
    pub long_txn_crit_s: u64,
    /// Longest wait of a session for a lock (seconds).
    pub blocked_warn_s: u64,
    /// Longest wait of a session for a lock (seconds).
    pub blocked_crit_s: u64,
    /// Replay lag of a replica (seconds).
    pub repl_warn_s: u64,
    /// Replay lag of a replica (seconds).
    pub repl_crit_s: u64,
    /// Age of the last analyze of a table that changed since (hours).
    pub stats_stale_warn_hours: u64,
    /// Age of the last analyze of a table that changed since (hours).
    pub stats_stale_crit_hours: u64,
    /// Age of the oldest unfrozen transaction id (transactions).
    #[schemars(range(max = 2_147_483_647))]
    pub wraparound_warn_tx_age: u64,
    /// Age of the oldest unfrozen transaction id (transactions).
    #[schemars(range(max = 2_147_483_647))]
    pub wraparound_crit_tx_age: u64,
    /// WAL written (bytes per second).
    pub wal_surge_warn_bytes_per_sec: u64,
    /// WAL written (bytes per second).
    pub wal_surge_crit_bytes_per_sec: u64,
    /// Temporary files written (bytes per second).
    pub temp_surge_warn_bytes_per_sec: u64,
    /// Temporary files written (bytes per second).
    pub temp_surge_crit_bytes_per_sec: u64,
    /// Time without a vacuum of a table that is due for one (hours).
    pub autovac_starvation_warn_hours: u64,
    /// Time without a vacuum of a table that is due for one (hours).
    pub autovac_starvation_crit_hours: u64,
    /// Requested checkpoints over all checkpoints (ratio 0-1).
    #[schemars(range(min = 0, max = 1))]
    pub checkpoint_ratio_warn: f64,
    /// Requested checkpoints over all checkpoints (ratio 0-1).
    #[schemars(range(min = 0, max = 1))]
    pub checkpoint_ratio_crit: f64,
    /// Mean time between checkpoints; less raises the alert (seconds).
    pub checkpoint_interval_warn_seconds: u64,
    /// Mean time between checkpoints; less raises the alert (seconds).
    pub checkpoint_interval_crit_seconds: u64,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            connections_warn: 0.8,
            connections_crit: 0.95,
            long_txn_warn_s: 300,
            long_txn_crit_s: 1_800,
            blocked_warn_s: 30,
            blocked_crit_s: 120,
            repl_warn_s: 30,
            repl_crit_s: 300,
            stats_stale_warn_hours: 12,
            stats_stale_crit_hours: 24,
            wraparound_warn_tx_age: 1_500_000_000,
            wraparound_crit_tx_age: 1_800_000_000,
            wal_surge_warn_bytes_per_sec: 104_857_600,
            wal_surge_crit_bytes_per_sec: 209_715_200,
            temp_surge_warn_bytes_per_sec: 52_428_800,
            temp_surge_crit_bytes_per_sec: 104_857_600,
            autovac_starvation_warn_hours: 6,
            autovac_starvation_crit_hours: 12,
            checkpoint_ratio_warn: 0.2,
            checkpoint_ratio_crit: 0.5,
            checkpoint_interval_warn_seconds: 300,
            checkpoint_interval_crit_seconds: 180,
        }
    }
}
