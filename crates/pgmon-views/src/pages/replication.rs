//! Who lags, and at which stage?

use crate::page::{Level, Panel, Remedy, Role};
use pgmon_collect::postgres::collectors::{archiver, replication, slots, standby, subscriptions};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Panels of `replication`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Replication")]
pub struct Panels {
    /// Servers of one cluster's data and who streams from whom, as far as pgmon sees them.
    pub topology: Panel<Node>,
    /// Who streams from this server.
    pub replicas: Panel<Replica>,
    /// The slots of this server.
    pub slots: Panel<Slot>,
    /// This server as a standby; no row on a primary.
    pub standby: Panel<standby::Row>,
    /// Subscriptions of this server.
    pub subscriptions: Panel<subscriptions::Row>,
    /// The archiver of this server.
    pub archiver: Panel<archiver::Row>,
}

/// A server, or a client that streams from one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ReplicationNode")]
pub struct Node {
    /// Tells it apart.
    pub id: String,
    /// The [`Self::id`] of the one that it streams from; absent for the first of a chain.
    pub parent: Option<String>,
    /// Its name: that of a watched database, or what the client calls itself.
    pub name: String,
    /// The entry that watches it; absent if none does.
    pub cluster: Option<Arc<str>>,
    /// The same.
    pub db: Option<Arc<str>>,
    /// Whether this is the server that the page is about.
    pub this: bool,
    /// `primary` or `standby`.
    pub role: Role,
    /// `physical` or `logical`; absent for the first of a chain.
    pub kind: Option<&'static str>,
    /// `streaming`, `catchup`, ...
    pub state: Option<String>,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync_state: Option<String>,
    /// How far its replay is behind, bytes.
    pub lag_bytes: Option<i64>,
    /// How far its replay is behind, seconds.
    pub lag_seconds: Option<f64>,
    /// How bad it is.
    pub level: Level,
}

/// Who streams from this server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Replica {
    /// How bad it is.
    pub level: Level,
    /// Where most of the lag is: `sending`, `writing`, `flushing`, `replaying`; absent without lag.
    pub stage: Option<&'static str>,
    /// Not sent yet, bytes.
    pub unsent_bytes: Option<i64>,
    /// Sent and not written, bytes.
    pub unwritten_bytes: Option<i64>,
    /// Written and not flushed, bytes.
    pub unflushed_bytes: Option<i64>,
    /// Flushed and not replayed, bytes.
    pub unreplayed_bytes: Option<i64>,
    /// All that was read.
    #[serde(flatten)]
    pub row: replication::Row,
}

/// A slot.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Slot")]
pub struct Slot {
    /// How bad it is.
    pub level: Level,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: slots::Row,
}
