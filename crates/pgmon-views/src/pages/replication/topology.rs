//! Which servers have the same data, and who streams from whom.

use super::lag::{Client, behind, look};
use crate::page::{Level, Role};
use crate::source::{Source, role_of};
use pgmon_collect::postgres::collectors::{replication, standby};
use pgmon_core::snapshot::Snapshot;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

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
    /// `physical`, `logical`, `archive` (it stores WAL and replays none, as pg_receivewal) or `backup`; absent for
    /// the first of a chain.
    pub kind: Option<&'static str>,
    /// `streaming`, `catchup`, ...
    pub state: Option<String>,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync_state: Option<String>,
    /// How far its replay is behind, bytes; of an `archive`, what it has not stored.
    pub lag_bytes: Option<i64>,
    /// The same, seconds.
    pub lag_seconds: Option<f64>,
    /// How bad it is.
    pub level: Level,
}

/// This server, who streams from it, and where it streams from, as far as they are watched.
pub fn nodes(s: &Source<'_>, peers: &[&Snapshot]) -> Vec<Node> {
    let this = s.own;
    let entry = |snapshot: &Snapshot, is_this: bool, parent: Option<String>| Node {
        id: format!("{}/{}", snapshot.cluster, snapshot.db),
        parent,
        name: format!("{}/{}", snapshot.cluster, snapshot.db),
        cluster: Some(snapshot.cluster.clone()),
        db: Some(snapshot.db.clone()),
        this: is_this,
        role: role_of(snapshot),
        kind: None,
        state: None,
        sync_state: None,
        lag_bytes: None,
        lag_seconds: None,
        level: if snapshot.up.is_up() { Level::Ok } else { Level::Crit },
    };
    let identity = |snapshot: &Snapshot| snapshot.server.as_ref().and_then(|i| i.system_identifier.clone());
    let same: Vec<&&Snapshot> = peers
        .iter()
        .filter(|p| identity(p).is_some() && identity(p) == identity(this))
        .filter(|p| p.server_key != this.server_key)
        .collect();
    let mut nodes = Vec::new();
    let mut parent = None;
    if role_of(this) == Role::Standby
        && let Some(primary) = same.iter().find(|p| role_of(p) == Role::Primary)
    {
        let node = entry(primary, false, None);
        parent = Some(node.id.clone());
        nodes.push(node);
    }
    let mut own = entry(this, true, parent);
    if let Some(row) = s.rows::<Vec<standby::Row>>("standby").and_then(|rows| rows.first()) {
        own.kind = Some("physical");
        own.state = row.receiver_status.clone();
        (own.lag_bytes, own.lag_seconds) = (row.lag_bytes, row.lag_seconds);
    }
    let id = own.id.clone();
    nodes.push(own);
    let mut standbys: Vec<&Snapshot> = match role_of(this) {
        Role::Primary => same.iter().filter(|p| role_of(p) == Role::Standby).map(|p| **p).collect(),
        _ => Vec::new(),
    };
    let rows = s.rows::<Vec<replication::Row>>("replication").map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = rows.iter().filter(|row| super::gone::is_here(row)).collect();
    let alone = standbys.len() == 1 && rows.iter().filter(|r| is_standby(r)).count() == 1;
    for row in rows {
        let watched = standbys.iter().position(|p| is_standby(row) && is_of(row, p, alone));
        let node = match watched.map(|place| standbys.remove(place)) {
            Some(peer) => entry(peer, false, Some(id.clone())),
            None => Node {
                id: format!("{id}/{}", row.pid),
                parent: Some(id.clone()),
                name: row.replica.clone(),
                cluster: None,
                db: None,
                this: false,
                role: if is_standby(row) { Role::Standby } else { Role::Unknown },
                kind: None,
                state: None,
                sync_state: None,
                lag_bytes: None,
                lag_seconds: None,
                level: Level::Ok,
            },
        };
        let (lag_bytes, lag_seconds) = behind(row);
        nodes.push(Node {
            kind: Some(Client::of(row).kind()),
            state: row.state.clone(),
            sync_state: row.sync_state.clone(),
            lag_bytes,
            lag_seconds,
            level: node.level.max(look(s, row)),
            ..node
        });
    }
    for peer in standbys {
        let mut node = entry(peer, false, Some(id.clone()));
        if let Some(row) = as_standby(peer) {
            node.kind = Some("physical");
            node.state = row.receiver_status.clone();
            (node.lag_bytes, node.lag_seconds) = (row.lag_bytes, row.lag_seconds);
        }
        nodes.push(node);
    }
    nodes
}

/// Whether it is a standby that streams, not a backup, a subscriber or an archive.
fn is_standby(row: &replication::Row) -> bool {
    Client::of(row) == Client::Standby
}

/// What a watched server says of itself as a standby.
fn as_standby(snapshot: &Snapshot) -> Option<&standby::Row> {
    let state = snapshot.collectors.iter().find(|c| c.collector == "standby" && snapshot.up.is_up())?;
    state.good.as_deref()?.rows::<Vec<standby::Row>>()?.first()
}

/// Whether the one that streams is this watched standby: both use the same slot, or there is no other on either side.
fn is_of(row: &replication::Row, peer: &Snapshot, alone: bool) -> bool {
    let slot =
        as_standby(peer).and_then(|standby| standby.slot_name.as_deref()).filter(|slot| !slot.is_empty());
    match (slot, row.slot_name.as_deref()) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => alone,
    }
}
