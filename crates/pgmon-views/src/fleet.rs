//! Which of many databases needs me?

use crate::page::{Level, Role, UpState, Verdict};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// `targets`: all databases.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fleet {
    /// What it comes to.
    pub verdict: Verdict,
    /// How many databases are how bad.
    pub counts: LevelCounts,
    /// pgmon's version.
    pub pgmon_version: &'static str,
    /// Why a newer configuration is not in force, if that is so.
    pub configuration_failure: Option<String>,
    /// One row for each entry of the configuration, the worst first.
    pub targets: Vec<Target>,
}

/// How many databases are how bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct LevelCounts {
    /// All.
    pub all: usize,
    /// Of these, critical.
    pub crit: usize,
    /// With a warning.
    pub warn: usize,
    /// Of which it cannot be told.
    pub unknown: usize,
    /// Good.
    pub ok: usize,
}

/// A watched database.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Target {
    /// The logical name of the cluster.
    pub cluster: Arc<str>,
    /// The entry's name.
    pub db: Arc<str>,
    /// How bad it is.
    pub level: Level,
    /// Its worst problem, or that there is none.
    pub sentence: String,
    /// Its critical problems.
    pub crit: usize,
    /// Its warnings.
    pub warn: usize,
    /// Whether it answers.
    pub up: UpState,
    /// Why it does not.
    pub reason: Option<String>,
    /// Since when it answers or does not.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// `primary` or `standby`.
    pub role: Role,
    /// The server's version: `18.4`.
    pub version: Option<String>,
    /// The database that the entry's connection is in.
    pub datname: Option<Arc<str>>,
    /// Further databases of the server that are visited.
    pub visited: Vec<Arc<str>>,
    /// The same for entries of one running server.
    pub server: Option<Arc<str>>,
    /// The same for a primary and its standbys.
    pub system_identifier: Option<Arc<str>>,
    /// When the server started.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub started_at: Option<Timestamp>,
    /// Age of its newest figures, seconds.
    pub age_seconds: Option<f64>,
    /// Transactions a second.
    pub transactions_per_second: Option<f64>,
    /// Client connections.
    pub connections: Option<f64>,
    /// `max_connections`.
    pub max_connections: Option<f64>,
    /// Client connections of those that are allowed, 0-1.
    pub connections_ratio: Option<f64>,
    /// Age of the oldest transaction, seconds; 0 if there is none.
    pub longest_transaction_seconds: Option<f64>,
    /// Sessions that wait for a lock.
    pub blocked_sessions: Option<f64>,
    /// The greatest lag of a replica, or of this server as a standby, seconds.
    pub replication_lag_seconds: Option<f64>,
    /// Transaction ids used up until the server stops, 0-1.
    pub wraparound_ratio: Option<f64>,
    /// Size of the server's databases, bytes.
    pub size_bytes: Option<f64>,
    /// Cache hits of the last interval, 0-1.
    pub cache_hit_ratio: Option<f64>,
    /// Transactions a second over the last hour in 30 steps; only with `?sparklines=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_history: Option<Vec<Option<f64>>>,
    /// Client connections, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_history: Option<Vec<Option<f64>>>,
}
