//! Who lags, and at which stage?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Role, Unit};
use crate::source::{Source, role_of};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{archiver, replication, slots, standby, subscriptions};
use pgmon_core::snapshot::Snapshot;
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

/// The collectors behind it.
pub const ON: &[&str] = &["replication", "slots", "standby", "subscriptions", "archiver"];

/// WAL that a slot keeps.
const RETAINED_WARN: i64 = 10 << 30;
const RETAINED_CRIT: i64 = 100 << 30;

/// What is wrong with replication.
pub fn judge(s: &Source<'_>) -> Judgement {
    let replicas = s.list::<replication::Row>("replication");
    let standby = s.list::<standby::Row>("standby").first();
    let good = match (standby, replicas.len()) {
        (Some(row), _) => match row.lag_seconds {
            Some(lag) => format!("This standby is {} behind.", words::seconds(lag)),
            None => "This is a standby.".to_owned(),
        },
        (None, 0) => "Nobody streams from this server.".to_owned(),
        (None, n) => {
            let worst = replicas.iter().filter_map(|r| r.lag_seconds).reduce(f64::max);
            let lag =
                worst.map(|lag| format!(", at most {} behind", words::seconds(lag))).unwrap_or_default();
            format!("{} from this server{lag}.", words::counted(n, "client streams", "clients stream"))
        }
    };
    let mut found = Judgement::new(good).rests_on(s, &["replication", "slots"]);
    for row in replicas {
        let level = look(s, row);
        if level <= Level::Ok {
            continue;
        }
        let evidence = match row.lag_seconds {
            Some(lag) => format!("{} is {} behind", row.replica, words::seconds(lag)),
            None => format!("{} is {}", row.replica, row.state.as_deref().unwrap_or("not streaming")),
        };
        let stage = stage(row).map(|stage| format!(", mostly in {stage}")).unwrap_or_default();
        found.push(
            problem(
                format!("lag:{}", row.replica),
                level,
                PageName::Replication,
                "A replica lags",
                format!("{evidence}{stage}"),
            )
            .about(row.replica.clone())
            .since(row.lag_seconds.and_then(|lag| s.now.seconds_ago(lag))),
        );
    }
    found.extend(standby.into_iter().flat_map(|row| of_standby(s, row)));
    found.extend(slot_problems(s));
    for row in s.list::<subscriptions::Row>("subscriptions") {
        if row.enabled == Some(true) && !row.running {
            let evidence = format!("{} is enabled, and its worker does not run", row.subscription);
            let title = "A subscription stands still";
            let id = format!("subscription:{}", row.subscription);
            found.push(
                problem(id, Level::Crit, PageName::Replication, title, evidence)
                    .about(row.subscription.clone()),
            );
        }
    }
    found
}

/// What is wrong with the slots, also for the page `wal`.
pub fn slot_problems(s: &Source<'_>) -> Vec<crate::page::Problem> {
    let mut found = Vec::new();
    for row in s.list::<slots::Row>("slots") {
        let (level, hint) = look_at_slot(row);
        let Some(hint) = hint.filter(|_| level > Level::Ok) else { continue };
        found.push(
            problem(
                format!("slot:{}", row.slot_name),
                level,
                PageName::Replication,
                "A slot keeps WAL",
                format!("{}: {hint}", row.slot_name),
            )
            .about(row.slot_name.clone())
            .remedy(mend_slot(row)),
        );
    }
    found
}

fn of_standby(s: &Source<'_>, row: &standby::Row) -> Vec<crate::page::Problem> {
    let alerts = &s.rules.alerts;
    let mut out = Vec::new();
    if row.link_down == Some(true) {
        let evidence = match row.last_message_age_seconds {
            Some(age) => format!("its source was last heard of {} ago", words::seconds(age)),
            None => "nothing streams from its source".to_owned(),
        };
        let title = "The standby is cut off";
        out.push(problem("link_down", Level::Crit, PageName::Replication, title, evidence));
    }
    if row.paused {
        let title = "Replay is paused";
        let evidence = "the standby takes in WAL and does not replay it";
        out.push(
            problem("replay_paused", Level::Warn, PageName::Replication, title, evidence)
                .remedy(Some(remedy::resume_replay())),
        );
    }
    if let Some(lag) = row.lag_seconds {
        let level = level(lag, alerts.repl_warn_s as f64, alerts.repl_crit_s as f64);
        if level > Level::Ok {
            let evidence = format!("this standby is {} behind", words::seconds(lag));
            out.push(problem("standby_lag", level, PageName::Replication, "The standby lags", evidence));
        }
    }
    out
}

fn look(s: &Source<'_>, row: &replication::Row) -> Level {
    let alerts = &s.rules.alerts;
    let lag = row.lag_seconds.map(|lag| level(lag, alerts.repl_warn_s as f64, alerts.repl_crit_s as f64));
    match (lag, row.lag_bytes) {
        (Some(level), _) => level,
        (None, Some(0)) => Level::Ok,
        (None, _) => Level::Unknown,
    }
}

/// What is not sent, written, flushed and replayed.
fn stages(row: &replication::Row) -> [Option<i64>; 4] {
    let between = |ahead: Option<i64>, behind: Option<i64>| {
        ahead.zip(behind).map(|(ahead, behind)| ahead.saturating_sub(behind).max(0))
    };
    [
        between(row.position_bytes, row.sent_bytes),
        between(row.sent_bytes, row.write_bytes),
        between(row.write_bytes, row.flush_bytes),
        between(row.flush_bytes, row.replay_bytes),
    ]
}

fn stage(row: &replication::Row) -> Option<&'static str> {
    let names = ["sending", "writing", "flushing", "replaying"];
    let named = stages(row).into_iter().zip(names);
    let known = named.filter_map(|(bytes, name)| bytes.filter(|b| *b > 0).map(|b| (b, name)));
    known.max_by_key(|(bytes, _)| *bytes).map(|(_, name)| name)
}

fn replica(s: &Source<'_>, row: &replication::Row) -> Replica {
    let [unsent, unwritten, unflushed, unreplayed] = stages(row);
    Replica {
        level: look(s, row),
        stage: stage(row),
        unsent_bytes: unsent,
        unwritten_bytes: unwritten,
        unflushed_bytes: unflushed,
        unreplayed_bytes: unreplayed,
        row: row.clone(),
    }
}

/// How bad a slot is, and why.
fn look_at_slot(row: &slots::Row) -> (Level, Option<String>) {
    if row.invalid == Some(true) || row.wal_status.as_deref() == Some("lost") {
        let why = row.invalidation_reason.as_deref().unwrap_or("WAL that it needs is gone");
        return (Level::Crit, Some(format!("invalid ({why}): its consumer cannot go on")));
    }
    let retained = row.retained_bytes.unwrap_or(0);
    let keeps = words::bytes(retained as f64);
    if row.wal_status.as_deref() == Some("unreserved") {
        return (Level::Crit, Some(format!("it keeps {keeps} and is about to lose WAL that it needs")));
    }
    let by_size = level(retained as f64, RETAINED_WARN as f64, RETAINED_CRIT as f64);
    if !row.active && !row.temporary && row.synced != Some(true) {
        let since = row.inactive_seconds.map(|s| format!(" for {}", words::seconds(s))).unwrap_or_default();
        return (
            by_size.max(Level::Warn),
            Some(format!("nobody streams from it{since}, and it keeps {keeps}")),
        );
    }
    if by_size > Level::Ok {
        return (by_size, Some(format!("its consumer is behind: it keeps {keeps}")));
    }
    (Level::Ok, None)
}

fn mend_slot(row: &slots::Row) -> Option<Remedy> {
    (!row.active && row.synced != Some(true)).then(|| remedy::drop_slot(&row.slot_name))
}

/// The panel of slots, also that of the page `wal`.
pub fn slots_panel(s: &Source<'_>) -> Panel<Slot> {
    s.panel("Slots", &["slots"], "There is no slot.", || {
        let rows: &Vec<slots::Row> = s.rows("slots")?;
        let mut all: Vec<Slot> = rows
            .iter()
            .map(|row| {
                let (level, hint) = look_at_slot(row);
                let remedy = (level > Level::Ok).then(|| mend_slot(row)).flatten();
                Slot { level, hint, remedy, row: row.clone() }
            })
            .collect();
        all.sort_by_key(|slot| std::cmp::Reverse((slot.level, slot.row.retained_bytes)));
        Some(all)
    })
}

/// The page. `peers` are all watched databases: those with the same data are in the topology.
pub fn page(s: &Source<'_>, peers: &[&Snapshot]) -> Page<Panels> {
    let panels = Panels {
        topology: s.panel("Topology", &["replication"], "Nobody streams from this server.", || {
            Some(topology(s, peers))
        }),
        replicas: s.panel("Who streams from here", &["replication"], "Nobody does.", || {
            let rows: &Vec<replication::Row> = s.rows("replication")?;
            Some(rows.iter().map(|row| replica(s, row)).collect())
        }),
        slots: slots_panel(s),
        standby: s.plain("This standby", "standby", "This server is a primary."),
        subscriptions: s.plain("Subscriptions", "subscriptions", "There is none."),
        archiver: s.plain("Archiver", "archiver", "There is none."),
    };
    judge(s).page(s, figures(s), panels)
}

/// The greatest lag of who streams from here, or of this standby.
pub fn lag(s: &Source<'_>) -> Option<f64> {
    let own = s.list::<standby::Row>("standby").first().and_then(|r| r.lag_seconds);
    let theirs = s.list::<replication::Row>("replication").iter().filter_map(|r| r.lag_seconds);
    own.into_iter().chain(theirs).reduce(f64::max)
}

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let alerts = &s.rules.alerts;
    let gauge = |id, label, unit, collector, metric| {
        Figure::new(id, label, unit, s.metric(collector, metric, &[])).gauge(metric, &[])
    };
    let retained = s
        .current::<Vec<slots::Row>>("slots")
        .map(|rows| rows.iter().filter_map(|r| r.retained_bytes).max().unwrap_or(0) as f64);
    vec![
        gauge("senders", "Who streams from here", Unit::Count, "replication", "pg_replication_senders")
            .of(s.metric("replication", "pg_max_wal_senders", &[])),
        Figure::new("lag", "Greatest lag", Unit::Seconds, lag(s))
            .judged(alerts.repl_warn_s as f64, alerts.repl_crit_s as f64),
        Figure::new("retained", "WAL kept for a slot, at most", Unit::Bytes, retained)
            .judged(RETAINED_WARN as f64, RETAINED_CRIT as f64),
    ]
}

/// This server, who streams from it, and where it streams from, as far as they are watched.
fn topology(s: &Source<'_>, peers: &[&Snapshot]) -> Vec<Node> {
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
                role: if row.logical { Role::Unknown } else { Role::Standby },
                kind: None,
                state: None,
                sync_state: None,
                lag_bytes: None,
                lag_seconds: None,
                level: Level::Ok,
            },
        };
        nodes.push(Node {
            kind: Some(if row.logical { "logical" } else { "physical" }),
            state: row.state.clone(),
            sync_state: row.sync_state.clone(),
            lag_bytes: row.lag_bytes,
            lag_seconds: row.lag_seconds,
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

/// Whether it is a standby that streams, not a backup or a subscriber.
fn is_standby(row: &replication::Row) -> bool {
    !row.logical && row.state.as_deref() != Some("backup")
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
