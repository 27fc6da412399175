//! The rows of the page.

use crate::page::Level;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// pgmon itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Agent {
    /// Its version.
    pub version: &'static str,
    /// When the configuration that is in force was read.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub configuration_read_at: Option<Timestamp>,
    /// Why a newer one is not in force, if that is so.
    pub configuration_failure: Option<String>,
    /// Whether literals are left out of SQL texts.
    pub redacts_sql_text: bool,
    /// Connections to this database opened so far.
    pub connects: u64,
    /// Attempts to connect to it that failed so far.
    pub connect_errors: u64,
    /// Seconds until the next attempt, while it is left alone.
    pub next_attempt_seconds: Option<f64>,
    /// Whether this entry collects what belongs to the whole server.
    pub leads: bool,
    /// Whether the connection is encrypted.
    pub tls: Option<bool>,
    /// Samples left out so far because a family had too many series.
    pub samples_dropped: u64,
    /// Bytes that the history takes up.
    pub history_bytes: usize,
    /// Series in the history.
    pub history_series: usize,
    /// Values that left the history early for lack of room.
    pub history_dropped: u64,
    /// Why the history would not outlive a restart, though it should.
    pub history_trouble: Option<String>,
}

/// A loop.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LoopRow {
    /// `hot_path`, `workload`, `storage` or `hourly`.
    #[serde(rename = "loop")]
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// How often it runs, seconds.
    pub interval_seconds: f64,
    /// How long a round may take, seconds.
    pub budget_seconds: f64,
    /// When the last round began.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_at: Option<Timestamp>,
    /// How long it took, seconds.
    pub last_duration_seconds: Option<f64>,
    /// Seconds since the last round ended.
    pub age_seconds: Option<f64>,
    /// Seconds since the last round ended in which every statement ran.
    pub success_age_seconds: Option<f64>,
    /// Whether every statement of the last round ran.
    pub success: bool,
    /// Whether it should have run by now.
    pub late: bool,
    /// Rounds so far.
    pub rounds: u64,
    /// Collectors that failed so far.
    pub errors: u64,
    /// Rounds left out so far because the loop was late.
    pub missed: u64,
    /// Mean duration of all rounds, seconds.
    pub mean_duration_seconds: Option<f64>,
    /// Why it does not fit its budget, if it does not.
    pub degraded: Option<String>,
}

/// A collector, or a query of the configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectorRow {
    /// Its name, for `collectors/{name}`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The loop that it runs in.
    #[serde(rename = "loop")]
    pub in_loop: &'static str,
    /// Whether it is a query of the configuration.
    pub custom: bool,
    /// Whether its figures belong to the whole server.
    pub server_wide: bool,
    /// The database that it looked at, where that is another one than the entry's.
    pub datname: Option<Arc<str>>,
    /// How bad it is.
    pub level: Level,
    /// `ok`, `failed`, `blind`, `unsupported` or `skipped`.
    pub outcome: &'static str,
    /// Why it is not `ok`.
    pub message: Option<String>,
    /// The server's code of the error.
    pub sqlstate: Option<String>,
    /// When the last attempt began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_at: Timestamp,
    /// How long it took, milliseconds.
    pub duration_ms: f64,
    /// Age of its last good figures, seconds; absent if there are none.
    pub age_seconds: Option<f64>,
    /// Statements that it sent for them.
    pub statements: usize,
    /// Rows that they returned.
    pub rows: u64,
    /// Failed attempts so far.
    pub errors: u64,
    /// It runs in every so many rounds: more than 1 while it does not fit its loop's budget.
    pub stride: u32,
    /// What it cannot see.
    pub blind: Vec<String>,
}

/// A right, an extension or a library that collectors need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Grant {
    /// Its name: `pg_monitor`, `extension pg_stat_statements`, ...
    pub needs: String,
    /// Whether it is there; absent if that is not known yet.
    pub met: Option<bool>,
    /// The collectors that need it.
    pub collectors: Vec<String>,
    /// What is not seen without it.
    pub effects: Vec<String>,
    /// What to run, if it is missing and SQL can bring it.
    pub remedy: Option<String>,
}

/// A right that all roles have through PUBLIC and should not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublicRight {
    /// The right.
    pub right: String,
    /// What it allows.
    pub effect: String,
    /// The REVOKE to run.
    pub remedy: Option<String>,
}

/// A family of `/metrics` that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOutFamily {
    /// What is left out and why, in words.
    pub text: String,
}
