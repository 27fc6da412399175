//! Who is there, and what are they doing?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Unit};
use crate::source::Source;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{connections, progress};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

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

/// The collectors behind it.
pub const ON: &[&str] = &["connections", "progress"];

const CLIENT: &str = "client backend";

/// Client connections.
pub fn clients(s: &Source<'_>) -> Option<f64> {
    s.metric("connections", "pg_connections", &[])
}

/// What is wrong with the sessions.
pub fn judge(s: &Source<'_>) -> Judgement {
    let alerts = &s.rules.alerts;
    let (clients, max) = (clients(s), s.metric("connections", "pg_max_connections", &[]));
    let oldest = s.metric("connections", "pg_oldest_transaction_seconds", &[]);
    let good = match (clients, max) {
        (Some(clients), Some(max)) => format!(
            "{}, and no transaction is older than {}.",
            used(clients, max),
            words::seconds(alerts.long_txn_warn_s as f64)
        ),
        _ => "Nothing is wrong with what can be seen of the sessions.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["connections"]);
    if s.unknown("connections").is_none() && clients.is_none() {
        found.unknown.get_or_insert_with(|| "sessions of other roles are hidden: it needs pg_monitor".into());
    }
    if let (Some(clients), Some(max)) = (clients, max.filter(|max| *max > 0.0)) {
        let ratio = clients / max;
        let level = level(ratio, alerts.connections_warn, alerts.connections_crit);
        if level > Level::Ok {
            let evidence = format!("{} ({})", used(clients, max), words::percent(ratio));
            found.push(problem("connections", level, PageName::Activity, "Connections run out", evidence));
        }
    }
    let sessions = s.current::<connections::Activity>("connections").map_or(&[][..], |a| &a.sessions);
    for session in sessions {
        let seconds = session.transaction_seconds;
        let level = level(seconds, alerts.long_txn_warn_s as f64, alerts.long_txn_crit_s as f64);
        if level == Level::Ok {
            continue;
        }
        let pid = session.pid;
        let id = format!("{LONG_TRANSACTION}{pid}");
        let who = who(pid, session.application_name.as_deref(), session.usename.as_deref());
        let since = s.now.seconds_ago(seconds);
        let open = format!("{who} has a transaction open for {}", words::seconds(seconds));
        // Who waits for another one is not to be ended: the one that holds the lock is on the page of locks.
        if session.blocked {
            let evidence = format!("{open} and waits for a lock; under Locks is who holds it");
            let title = "Transaction waits for a lock";
            let found_one = problem(id, level, PageName::Activity, title, evidence);
            found.push(found_one.about(pid.to_string()).since(since));
            continue;
        }
        let state = session.state.as_deref().unwrap_or("in an unknown state");
        let idle = state.starts_with("idle in transaction");
        let title = if idle { "Transaction left open" } else { "Long transaction" };
        found.push(
            problem(id, level, PageName::Activity, title, format!("{open} and is {state}"))
                .about(pid.to_string())
                .since(since)
                .remedy(Some(remedy::end_session(pid, idle))),
        );
    }
    if sessions.is_empty()
        && let Some(oldest) = oldest
    {
        let level = level(oldest, alerts.long_txn_warn_s as f64, alerts.long_txn_crit_s as f64);
        if level > Level::Ok {
            let evidence = format!("a transaction has been open for {}", words::seconds(oldest));
            found.push(problem("long_transaction", level, PageName::Activity, "Long transaction", evidence));
        }
    }
    found
}

/// How many connections are used, in words.
fn used(clients: f64, max: f64) -> String {
    let (verb, clients) = (words::is_or_are(clients), words::count(clients));
    format!("{clients} of {} connections {verb} used", words::count(max))
}

/// How ids of problems with a session's transaction begin; the process id follows.
pub(crate) const LONG_TRANSACTION: &str = "long_transaction:";

/// A session in words: `pid 4711 (app, role)`.
pub fn who(pid: i32, application: Option<&str>, role: Option<&str>) -> String {
    let named = [application, role].into_iter().flatten().filter(|n| !n.is_empty()).map(words::inert);
    let named: Vec<_> = named.collect();
    if named.is_empty() { format!("pid {pid}") } else { format!("pid {pid} ({})", named.join(", ")) }
}

/// The figures of connections, for the overview as well.
pub fn figures(s: &Source<'_>) -> Vec<Figure> {
    let alerts = &s.rules.alerts;
    let max = s.metric("connections", "pg_max_connections", &[]);
    let connections = Figure::new("connections", "Connections", Unit::Count, clients(s)).of(max);
    let connections = match max {
        Some(max) => connections.judged(alerts.connections_warn * max, alerts.connections_crit * max),
        None => connections,
    };
    let gauge = |id, label, unit, metric| {
        Figure::new(id, label, unit, s.metric("connections", metric, &[])).gauge(metric, &[])
    };
    let (warn, crit) = (alerts.long_txn_warn_s as f64, alerts.long_txn_crit_s as f64);
    vec![
        connections.gauge("pg_connections", &[]),
        gauge("active", "Active sessions", Unit::Count, "pg_active_connections"),
        gauge("oldest_transaction", "Oldest transaction", Unit::Seconds, "pg_oldest_transaction_seconds")
            .judged(warn, crit),
        gauge(
            "idle_in_transaction",
            "Idle in transaction, at most",
            Unit::Seconds,
            "pg_oldest_idle_in_transaction_seconds",
        )
        .judged(warn, crit),
        gauge("longest_query", "Longest query", Unit::Seconds, "pg_longest_query_seconds"),
    ]
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let activity = s.rows::<connections::Activity>("connections");
    let clients = |g: &&connections::Group| !g.own && g.backend_type.as_deref() == Some(CLIENT);
    let panels = Panels {
        states: s.panel("Sessions by state", &["connections"], "No client is connected.", || {
            Some(states(activity?.groups.iter().filter(clients)))
        }),
        waits: s.panel("What active sessions wait for", &["connections"], "No session is active.", || {
            Some(waits(activity?.groups.iter().filter(clients)))
        }),
        sessions: s
            .panel(
                "Oldest transactions",
                &["connections"],
                "No transaction is older than 10 seconds.",
                || Some(activity?.sessions.clone()),
            )
            .note("The 20 oldest, open for 10 s or more.".into()),
        progress: s.plain("Long commands", "progress", "No vacuum, index build or other long command runs."),
        groups: s
            .panel("All processes", &["connections"], "None can be seen.", || Some(activity?.groups.clone())),
    };
    judge(s).page(s, figures(s), panels)
}

fn states<'g>(groups: impl Iterator<Item = &'g connections::Group>) -> Vec<StateCount> {
    let mut by_state: BTreeMap<&str, StateCount> = BTreeMap::new();
    for group in groups {
        let state = group.state.as_deref().unwrap_or("unknown");
        let count = by_state.entry(state).or_insert_with(|| StateCount {
            state: state.to_owned(),
            sessions: 0,
            oldest_transaction_seconds: None,
            longest_in_state_seconds: None,
        });
        count.sessions += group.backends;
        count.oldest_transaction_seconds =
            greater(count.oldest_transaction_seconds, group.oldest_transaction_seconds);
        count.longest_in_state_seconds =
            greater(count.longest_in_state_seconds, group.longest_in_state_seconds);
    }
    let mut all: Vec<StateCount> = by_state.into_values().collect();
    all.sort_by_key(|count| std::cmp::Reverse(count.sessions));
    all
}

fn waits<'g>(groups: impl Iterator<Item = &'g connections::Group>) -> Vec<WaitCount> {
    let mut all: BTreeMap<(String, Option<String>), i64> = BTreeMap::new();
    for group in groups.filter(|g| g.state.as_deref() == Some("active")) {
        let class = group.wait_event_type.clone().unwrap_or_else(|| "CPU".to_owned());
        *all.entry((class, group.wait_event.clone())).or_default() += group.backends;
    }
    let mut all: Vec<WaitCount> = all
        .into_iter()
        .map(|((wait_event_type, wait_event), sessions)| WaitCount { wait_event_type, wait_event, sessions })
        .collect();
    all.sort_by_key(|count| std::cmp::Reverse(count.sessions));
    all
}

fn greater(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}
