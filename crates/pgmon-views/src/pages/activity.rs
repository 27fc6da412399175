//! Who is there, and what are they doing?

use crate::page::Panel;
use pgmon_collect::postgres::collectors::{connections, progress};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `activity`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Activity")]
pub struct Panels {
    /// Client sessions by their state.
    pub states: Panel<StateCount>,
    /// What active sessions wait for.
    pub waits: Panel<WaitCount>,
    /// The sessions with the oldest transactions, oldest first.
    pub sessions: Panel<connections::Session>,
    /// Long commands and how far they are.
    pub progress: Panel<progress::Row>,
    /// All processes, grouped.
    pub groups: Panel<connections::Group>,
}

/// Client sessions of one state.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StateCount {
    /// `active`, `idle`, `idle in transaction`, ...
    pub state: String,
    /// How many.
    pub sessions: i64,
    /// Age of their oldest transaction, seconds.
    pub oldest_transaction_seconds: Option<f64>,
    /// How long one of them has been in this state, at most, seconds.
    pub longest_in_state_seconds: Option<f64>,
}

/// Sessions that wait for the same.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WaitCount {
    /// `Lock`, `IO`, `LWLock`, ...; `CPU` for those that wait for nothing.
    pub wait_event_type: String,
    /// The same, closer.
    pub wait_event: Option<String>,
    /// How many.
    pub sessions: i64,
}
