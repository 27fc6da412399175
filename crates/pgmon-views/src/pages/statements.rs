//! What consumes the server, and what changed?

use crate::page::Panel;
use pgmon_collect::postgres::collectors::{connections, statements};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `top-queries`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "TopQueries")]
pub struct Panels {
    /// Statements, those that took most time in the last interval first.
    pub statements: Panel<StatementRow>,
}

/// Panels of `statements/{queryid}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Statement")]
pub struct StatementPanels {
    /// The statement; no row if it is not among those that are kept.
    pub statement: Panel<StatementRow>,
    /// Sessions with an old transaction that run it, or ran it last.
    pub sessions: Panel<connections::Session>,
}

/// A statement.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatementRow {
    /// Execution time spent on it per second over the last interval, seconds: 2.0 = two processors, or sessions, all the time.
    pub load: Option<f64>,
    /// Rows per call since its entry was made.
    pub rows_per_call: Option<f64>,
    /// Mean execution time since its entry was made, milliseconds.
    pub mean_ms_since_reset: Option<f64>,
    /// How the mean of the last interval compares with that: 2.0 = twice as slow.
    pub mean_change_ratio: Option<f64>,
    /// Share of all execution time since the entries were made, among the statements that are listed, 0-1.
    pub time_share_since_reset: Option<f64>,
    /// Bytes read into the buffer cache since its entry was made.
    pub read_bytes: Option<f64>,
    /// Bytes of temporary files written since its entry was made.
    pub temp_written_bytes: Option<f64>,
    /// All that was read.
    #[serde(flatten)]
    pub row: statements::Row,
}
