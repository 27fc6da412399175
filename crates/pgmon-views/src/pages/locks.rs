//! Who blocks whom?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::locks;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `locks`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Locks")]
pub struct Panels {
    /// Root blockers, each followed by whom it blocks: a tree, row by row.
    pub tree: Panel<LockNode>,
    /// Locks by mode.
    pub modes: Panel<locks::Mode>,
}

/// A session or a prepared transaction in the tree of who blocks whom.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LockNode {
    /// Its place, the same for the same session in the next answer: `4711`, `4711/4712`, ...
    pub id: String,
    /// The [`Self::id`] of the one that it waits for; absent for a root.
    pub parent: Option<String>,
    /// How far below its root it is: 0 is a root.
    pub depth: u32,
    /// Process id; absent for a prepared transaction.
    pub pid: Option<i32>,
    /// Name of the prepared transaction.
    pub gid: Option<String>,
    /// How bad it is.
    pub level: Level,
    /// What the client calls itself.
    pub application_name: Option<String>,
    /// Its role.
    pub usename: Option<String>,
    /// Its database.
    pub datname: Option<String>,
    /// `client backend`, `autovacuum worker`, ...
    pub backend_type: Option<String>,
    /// `active`, `idle in transaction`, ..., or `prepared`.
    pub state: Option<String>,
    /// How long it has been in its state, seconds.
    pub state_seconds: Option<f64>,
    /// Age of its transaction, seconds.
    pub transaction_seconds: Option<f64>,
    /// How long it has been waiting, seconds; absent for a root.
    pub wait_seconds: Option<f64>,
    /// What it waits for: `relation`, `transactionid`, `tuple`, ...; absent for a root.
    pub locktype: Option<String>,
    /// The mode that it waits for; absent for a root.
    pub mode: Option<String>,
    /// The mode that the one above it holds there, or waits for before it.
    pub blocker_mode: Option<String>,
    /// Whether the one above holds it; false: it waits itself, further ahead in the queue.
    pub blocker_holds: Option<bool>,
    /// The relation that is locked, or whose row is: `schema.name`; of another database its oid.
    pub relation: Option<String>,
    /// Sessions that it blocks, directly or through others.
    pub blocked_count: u32,
    /// Its query's `queryid`, where the server computes it (14+).
    pub queryid: Option<String>,
    /// Its query, literals replaced by `?` unless `security.redact_sql_text` is off.
    pub query: Option<String>,
    /// For a root: what ends the blocking.
    pub remedy: Option<Remedy>,
}
