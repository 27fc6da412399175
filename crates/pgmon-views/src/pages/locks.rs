//! Who blocks whom?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::locks;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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

/// The collectors behind it.
pub const ON: &[&str] = &["locks"];

/// What is wrong with locks.
pub fn judge(s: &Source<'_>) -> Judgement {
    let mut found = Judgement::new("Nobody waits for a lock.").rests_on(s, &["locks"]);
    let Some(locks) = s.current::<locks::Locks>("locks") else { return found };
    if locks.blocked_sessions == 0 {
        return found;
    }
    found.good = format!(
        "{} for a lock, none for longer than {}.",
        words::counted(
            usize::try_from(locks.blocked_sessions).unwrap_or(usize::MAX),
            "session waits",
            "sessions wait"
        ),
        words::seconds(s.rules.alerts.blocked_warn_s as f64)
    );
    let nodes = tree(s, &locks.edges);
    for (place, root) in nodes.iter().enumerate().filter(|(_, n)| n.parent.is_none()) {
        let below = nodes.iter().skip(place + 1).take_while(|n| n.parent.is_some());
        let longest = below.filter_map(|n| n.wait_seconds).reduce(f64::max);
        if root.level <= Level::Ok {
            continue;
        }
        let who = match (root.pid, &root.gid) {
            (Some(pid), _) => {
                super::activity::who(pid, root.application_name.as_deref(), root.usename.as_deref())
            }
            (None, Some(gid)) => format!("prepared transaction {}", words::inert(gid)),
            (None, None) => "a transaction that has just gone".to_owned(),
        };
        let blocked =
            words::counted(usize::try_from(root.blocked_count).unwrap_or(usize::MAX), "session", "sessions");
        let state = root.state.as_deref().map(|state| format!(", and is {state}")).unwrap_or_default();
        let since = longest.map(|l| format!(", for up to {}", words::seconds(l))).unwrap_or_default();
        found.push(
            problem(
                format!("{BLOCKING}{}", root.id),
                root.level,
                PageName::Locks,
                "Sessions are blocked",
                format!("{who} blocks {blocked}{since}{state}"),
            )
            .about(root.id.clone())
            .since(longest.and_then(|l| s.since("locks", l)))
            .remedy(root.remedy.clone()),
        );
    }
    found
}

/// How ids of problems with who blocks others begin; the root's id follows.
pub(crate) const BLOCKING: &str = "blocking:";

/// Each session in a tree of who blocks whom, with the id of the tree's root.
pub(crate) fn roots(s: &Source<'_>) -> BTreeMap<i32, String> {
    let Some(locks) = s.current::<locks::Locks>("locks") else { return BTreeMap::new() };
    let root_of = |id: &str| id.split_once('/').map_or(id, |(root, _)| root).to_owned();
    tree(s, &locks.edges).into_iter().filter_map(|node| Some((node.pid?, root_of(&node.id)))).collect()
}

/// The figures.
pub fn figures(s: &Source<'_>) -> Vec<Figure> {
    let alerts = &s.rules.alerts;
    let gauge = |id, label, unit, metric| {
        Figure::new(id, label, unit, s.metric("locks", metric, &[])).gauge(metric, &[])
    };
    // How many wait says little; how long they do says how bad it is.
    let longest = s.metric("locks", "pg_longest_blocked_seconds", &[]);
    let worst = longest.map_or(Level::Unknown, |longest| {
        level(longest, alerts.blocked_warn_s as f64, alerts.blocked_crit_s as f64)
    });
    vec![
        gauge("blocked_sessions", "Blocked sessions", Unit::Count, "pg_blocked_sessions_total").at(worst),
        gauge("longest_wait", "Longest wait for a lock", Unit::Seconds, "pg_longest_blocked_seconds")
            .judged(alerts.blocked_warn_s as f64, alerts.blocked_crit_s as f64),
        gauge("root_blockers", "Root blockers", Unit::Count, "pg_root_blockers"),
    ]
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let locks = s.rows::<locks::Locks>("locks");
    let panels = Panels {
        tree: s.panel("Who blocks whom", &["locks"], "Nobody waits for a lock.", || {
            Some(tree(s, &locks?.edges))
        }),
        modes: s.panel("Locks by mode", &["locks"], "No lock is held.", || Some(locks?.modes.clone())),
    };
    judge(s).page(s, figures(s), panels)
}

fn name(party: &locks::Party) -> String {
    match (party.pid, &party.gid) {
        (Some(pid), _) => pid.to_string(),
        (None, Some(gid)) => gid.clone(),
        (None, None) => "unknown".to_owned(),
    }
}

/// Edges, which are in the order of a tree, as its nodes: each root before whom it blocks.
fn tree(s: &Source<'_>, edges: &[locks::Edge]) -> Vec<LockNode> {
    let mut nodes: Vec<LockNode> = Vec::with_capacity(edges.len() + 1);
    // The place of the last node at each depth: the way from the root to here.
    let mut way: Vec<usize> = Vec::new();
    for edge in edges {
        let depth = usize::try_from(edge.depth).unwrap_or(usize::MAX).max(1);
        let root = edge.root_pid.map(|pid| pid.to_string()).or_else(|| edge.root_gid.clone());
        let root = root.unwrap_or_else(|| "unknown".to_owned());
        if depth == 1 && way.first().and_then(|i| nodes.get(*i)).is_none_or(|n| n.id != root) {
            way.clear();
            way.push(nodes.len());
            let gone = locks::Party::default();
            nodes.push(node(root, None, 0, edge.blocker.as_ref().unwrap_or(&gone), None));
        }
        way.truncate(depth.min(way.len()));
        let parent = way.last().and_then(|i| nodes.get(*i)).map(|n| n.id.clone()).unwrap_or_default();
        let id = format!("{parent}/{}", name(&edge.blocked));
        way.push(nodes.len());
        nodes.push(node(id, Some(parent), edge.depth, &edge.blocked, Some(edge)));
    }
    judge_nodes(s, &mut nodes);
    nodes
}

fn judge_nodes(s: &Source<'_>, nodes: &mut [LockNode]) {
    let alerts = &s.rules.alerts;
    let (warn, crit) = (alerts.blocked_warn_s as f64, alerts.blocked_crit_s as f64);
    for i in 0..nodes.len() {
        let Some(depth) = nodes.get(i).map(|n| n.depth) else { continue };
        let below = || nodes.iter().skip(i + 1).take_while(|n| n.depth > depth);
        let blocked: BTreeSet<_> = below().map(|n| n.pid).collect();
        let longest = below().filter_map(|n| n.wait_seconds).reduce(f64::max).unwrap_or(0.0);
        let Some(node) = nodes.get_mut(i) else { continue };
        node.blocked_count = u32::try_from(blocked.len()).unwrap_or(u32::MAX);
        node.level = level(node.wait_seconds.unwrap_or(longest), warn, crit);
        if node.parent.is_none() {
            let idle = node.state.as_deref().is_some_and(|state| state.starts_with("idle"));
            node.remedy = match (node.pid, &node.gid) {
                (Some(pid), _) => Some(remedy::end_session(pid, idle)),
                (None, Some(gid)) => Some(remedy::on_primary(s, remedy::end_prepared(gid))),
                (None, None) => None,
            };
        }
    }
}

fn node(
    id: String,
    parent: Option<String>,
    depth: u32,
    party: &locks::Party,
    edge: Option<&locks::Edge>,
) -> LockNode {
    let relation = edge.and_then(|e| match (&e.schema, &e.relation, e.relation_oid) {
        (Some(schema), Some(name), _) => Some(remedy::shown(schema, name)),
        (_, _, Some(oid)) => Some(oid.to_string()),
        _ => None,
    });
    LockNode {
        id,
        parent,
        depth,
        pid: party.pid,
        gid: party.gid.clone(),
        level: Level::Unknown,
        application_name: party.application_name.clone(),
        usename: party.usename.clone(),
        datname: party.datname.clone(),
        backend_type: party.backend_type.clone(),
        state: party.state.clone(),
        state_seconds: party.state_seconds,
        transaction_seconds: party.transaction_seconds,
        wait_seconds: edge.and_then(|e| e.wait_seconds),
        locktype: edge.map(|e| e.locktype.clone()),
        mode: edge.map(|e| e.mode.clone()),
        blocker_mode: edge.and_then(|e| e.blocker_mode.clone()),
        blocker_holds: edge.and_then(|e| e.blocker_holds),
        relation,
        blocked_count: 0,
        queryid: party.queryid.clone(),
        query: party.query.clone(),
        remedy: None,
    }
}
