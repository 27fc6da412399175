//! Who lags, and at which stage?

mod gone;
mod lag;
pub mod slots;
pub mod topology;

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Problem, Unit};
use crate::source::Source;
use crate::thresholds::replication::{RETAINED_CRIT, RETAINED_WARN};
use crate::{remedy, words};
use lag::{Client, behind, look, stage, stages};
use pgmon_collect::postgres::collectors::{self, archiver, replication, standby, subscriptions};
use pgmon_core::snapshot::Snapshot;
use schemars::JsonSchema;
use serde::Serialize;
use slots::Slot;
use topology::Node;

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

/// The collectors behind it.
pub const ON: &[&str] = &["replication", "slots", "standby", "subscriptions", "archiver"];

/// What is wrong with replication.
pub fn judge(s: &Source<'_>) -> Judgement {
    let replicas: Vec<_> =
        s.list::<replication::Row>("replication").iter().filter(|r| gone::is_here(r)).collect();
    let standby = s.list::<standby::Row>("standby").first();
    let good = match (standby, replicas.len()) {
        (Some(row), _) => match row.lag_seconds {
            Some(lag) => format!("This standby is {} behind.", words::seconds(lag)),
            None => "This is a standby.".to_owned(),
        },
        (None, 0) => "Nobody streams from this server.".to_owned(),
        (None, n) => {
            let worst = replicas.iter().filter_map(|r| behind(r).1).reduce(f64::max);
            let lag =
                worst.map(|lag| format!(", at most {} behind", words::seconds(lag))).unwrap_or_default();
            format!("{} from this server{lag}.", words::counted(n, "client streams", "clients stream"))
        }
    };
    let mut found = Judgement::new(good).rests_on(s, &["replication", "slots"]);
    for row in &replicas {
        match look(s, row) {
            Level::Ok => {}
            Level::Unknown => {
                let name = words::inert(&row.replica);
                found.unknown.get_or_insert_with(|| format!("how far {name} is behind is not known yet"));
            }
            level => found.push(late(s, row, level)),
        }
    }
    found.extend(gone::problems(s));
    found.extend(standby.into_iter().flat_map(|row| of_standby(s, row)));
    found.extend(slots::problems(s));
    for row in s.list::<subscriptions::Row>("subscriptions") {
        if row.enabled == Some(true) && !row.running {
            let evidence =
                format!("{} is enabled, and its worker does not run", words::inert(&row.subscription));
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

/// One who is behind.
fn late(s: &Source<'_>, row: &replication::Row, level: Level) -> Problem {
    let (_, lag) = behind(row);
    let name = words::inert(&row.replica);
    let by = lag.map(words::seconds).unwrap_or_default();
    let stage = stage(row).map(|stage| format!(", mostly in {stage}")).unwrap_or_default();
    let (title, evidence) = match Client::of(row) {
        Client::Archive => ("WAL is stored late", format!("{name} has not stored the WAL of the last {by}")),
        Client::Logical => ("A subscriber lags", format!("{name} is {by} behind{stage}")),
        _ => ("A replica lags", format!("{name} is {by} behind{stage}")),
    };
    problem(format!("lag:{}", row.replica), level, PageName::Replication, title, evidence)
        .about(row.replica.clone())
        .since(lag.and_then(|lag| s.since("replication", lag)))
}

fn of_standby(s: &Source<'_>, row: &standby::Row) -> Vec<Problem> {
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

/// The page. `peers` are all watched databases: those with the same data are in the topology.
pub fn page(s: &Source<'_>, peers: &[&Snapshot]) -> Page<Panels> {
    let panels = Panels {
        topology: s.panel("Topology", &["replication"], "Nobody streams from this server.", || {
            Some(topology::nodes(s, peers))
        }),
        replicas: s.panel("Who streams from here", &["replication"], "Nobody does.", || {
            let rows: &Vec<replication::Row> = s.rows("replication")?;
            Some(rows.iter().filter(|row| gone::is_here(row)).map(|row| replica(s, row)).collect())
        }),
        slots: slots::panel(s),
        standby: s.plain("This standby", "standby", "This server is a primary."),
        subscriptions: s.plain("Subscriptions", "subscriptions", "There is none."),
        archiver: s.plain("Archiver", "archiver", "There is none."),
    };
    judge(s).page(s, figures(s), panels)
}

/// The greatest lag of who streams from here, or of this standby.
pub fn lag(s: &Source<'_>) -> Option<f64> {
    let own = s.list::<standby::Row>("standby").first().and_then(|r| r.lag_seconds);
    let rows = s.list::<replication::Row>("replication").iter().filter(|row| gone::is_here(row));
    let theirs = rows.filter_map(|r| behind(r).1);
    own.into_iter().chain(theirs).reduce(f64::max)
}

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let alerts = &s.rules.alerts;
    let gauge = |id, label, unit, collector, metric| {
        Figure::new(id, label, unit, s.metric(collector, metric, &[])).gauge(metric, &[])
    };
    let retained = s
        .current::<Vec<collectors::slots::Row>>("slots")
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
