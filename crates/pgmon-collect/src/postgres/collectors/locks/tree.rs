//! Puts edges into the order of a tree.

use super::edge::{Id, Party, Row};
use std::collections::{BTreeMap, BTreeSet};

/// A session that waits, and one that it waits for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LockEdge")]
pub struct Edge {
    /// Process id of the root that this hangs below; absent for a prepared transaction.
    pub root_pid: Option<i32>,
    /// Name of the prepared transaction that is the root.
    pub root_gid: Option<String>,
    /// How far below the root the waiting session is: 1 is right below.
    pub depth: u32,
    /// Who waits.
    pub blocked: Party,
    /// For whom; absent if that one had just gone.
    pub blocker: Option<Party>,
    /// How long the session has been waiting (before PostgreSQL 14: how old its query is), seconds; absent if
    /// unknown.
    pub wait_seconds: Option<f64>,
    /// What is locked: `relation`, `transactionid`, `tuple`, ...
    pub locktype: String,
    /// The mode that is awaited.
    pub mode: String,
    /// The mode that the blocker holds there, or awaits before this session.
    pub blocker_mode: Option<String>,
    /// Whether the blocker holds it; false: it waits itself, further ahead in the queue.
    pub blocker_holds: Option<bool>,
    /// The database of what is locked.
    pub datname: Option<String>,
    /// The oid of the relation that is locked, or whose row is.
    pub relation_oid: Option<i64>,
    /// Its schema, if it is in the database that we are in.
    pub schema: Option<String>,
    /// Its name, if it is in the database that we are in.
    pub relation: Option<String>,
}

/// The edges in order, and what they come to.
pub(super) struct Tree {
    pub(super) roots: i64,
    pub(super) blocked_by_worst_root: i64,
    pub(super) edges: Vec<Edge>,
}

/// Indexes of the rows by their blocker.
type Below = BTreeMap<Id, Vec<usize>>;

impl Tree {
    pub(super) fn of(rows: Vec<Row>) -> Self {
        let mut below = Below::new();
        for (i, row) in rows.iter().enumerate() {
            if let Some(blocker) = row.blocker() {
                below.entry(blocker.id()).or_default().push(i);
            }
        }
        let mut roots = roots(&rows, &below);
        roots.sort_by_key(|(_, reached)| std::cmp::Reverse(reached.len()));
        let mut edges = Vec::with_capacity(rows.len());
        let mut placed = BTreeSet::new();
        for (root, _) in &roots {
            place(root, &rows, &below, &mut placed, &mut edges);
        }
        for row in rows.iter().filter(|r| r.blocker_pid.is_none()) {
            edges.push(edge(row, None, 1));
        }
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let worst = roots.first().map_or(0, |(_, reached)| reached.len());
        Self { roots: count(roots.len()), blocked_by_worst_root: count(worst), edges }
    }
}

/// Who blocks and is not blocked, each with whom it blocks directly or not. Of a circle (a deadlock that
/// the server has not resolved yet) the lowest process id stands in for a root.
fn roots(rows: &[Row], below: &Below) -> Vec<(Id, BTreeSet<Id>)> {
    let blocked: BTreeSet<Id> =
        rows.iter().filter(|r| r.blocker_pid.is_some()).map(|r| Id::Session(r.pid)).collect();
    let (in_chains, free): (Vec<&Id>, Vec<&Id>) = below.keys().partition(|id| blocked.contains(*id));
    let mut roots: Vec<(Id, BTreeSet<Id>)> =
        free.into_iter().map(|id| (id.clone(), reached(id, rows, below))).collect();
    for id in in_chains {
        if !roots.iter().any(|(root, reached)| root == id || reached.contains(id)) {
            let mut circle = reached(id, rows, below);
            circle.remove(id);
            roots.push((id.clone(), circle));
        }
    }
    roots
}

fn reached(from: &Id, rows: &[Row], below: &Below) -> BTreeSet<Id> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from.clone()];
    while let Some(id) = todo.pop() {
        for row in below.get(&id).into_iter().flatten().filter_map(|i| rows.get(*i)) {
            let next = Id::Session(row.pid);
            if reached.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    reached
}

/// Appends what hangs below a root, each edge once.
fn place(root: &Id, rows: &[Row], below: &Below, placed: &mut BTreeSet<usize>, edges: &mut Vec<Edge>) {
    let children = |of: &Id, depth: u32| {
        // Last in, first out: the one that has waited longest comes first.
        let mut children: Vec<(usize, u32)> =
            below.get(of).into_iter().flatten().map(|i| (*i, depth)).collect();
        let wait = |(i, _): &(usize, u32)| rows.get(*i).and_then(|r| r.wait_seconds).unwrap_or(0.0);
        children.sort_by(|a, b| wait(a).total_cmp(&wait(b)));
        children
    };
    let mut todo = children(root, 1);
    while let Some((i, depth)) = todo.pop() {
        let Some(row) = rows.get(i).filter(|_| placed.insert(i)) else { continue };
        edges.push(edge(row, Some(root), depth));
        todo.extend(children(&Id::Session(row.pid), depth.saturating_add(1)));
    }
}

fn edge(row: &Row, root: Option<&Id>, depth: u32) -> Edge {
    let (root_pid, root_gid) = match root {
        Some(Id::Session(pid)) => (Some(*pid), None),
        Some(Id::Prepared(gid)) => (None, gid.clone()),
        None => (None, None),
    };
    Edge {
        root_pid,
        root_gid,
        depth,
        blocked: row.blocked(),
        blocker: row.blocker(),
        wait_seconds: row.wait_seconds,
        locktype: row.locktype.clone(),
        mode: row.mode.clone(),
        blocker_mode: row.blocker_mode.clone(),
        blocker_holds: row.blocker_granted,
        datname: row.lock_datname.clone(),
        relation_oid: row.relation_oid,
        schema: row.schema.clone(),
        relation: row.relation.clone(),
    }
}
