//! Which of many databases needs me?

use crate::page::{Level, Role, UpState, Verdict};
use crate::source::Source;
use crate::words;
use jiff::Timestamp;
use pgmon_collect::postgres::collectors::throughput;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// `targets`: all databases.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fleet {
    /// What it comes to.
    pub verdict: Verdict,
    /// How many databases are how bad.
    pub counts: LevelCounts,
    /// pgmon's version.
    pub pgmon_version: &'static str,
    /// Why a newer configuration is not in force, if that is so.
    pub configuration_failure: Option<String>,
    /// One row for each entry of the configuration, the worst first.
    pub targets: Vec<Target>,
}

/// How many databases are how bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct LevelCounts {
    /// All.
    pub all: usize,
    /// Of these, critical.
    pub crit: usize,
    /// With a warning.
    pub warn: usize,
    /// Of which it cannot be told.
    pub unknown: usize,
    /// Good.
    pub ok: usize,
}

/// A watched database.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Target {
    /// The logical name of the cluster.
    pub cluster: Arc<str>,
    /// The entry's name.
    pub db: Arc<str>,
    /// How bad it is.
    pub level: Level,
    /// Its worst problem, or that there is none.
    pub sentence: String,
    /// Its critical problems.
    pub crit: usize,
    /// Its warnings.
    pub warn: usize,
    /// Whether it answers.
    pub up: UpState,
    /// Why it does not.
    pub reason: Option<String>,
    /// Since when it answers or does not.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// `primary` or `standby`.
    pub role: Role,
    /// The server's version: `18.4`.
    pub version: Option<String>,
    /// The database that the entry's connection is in.
    pub datname: Option<Arc<str>>,
    /// Further databases of the server that are visited.
    pub visited: Vec<Arc<str>>,
    /// The same for entries of one running server.
    pub server: Option<Arc<str>>,
    /// The same for a primary and its standbys.
    pub system_identifier: Option<Arc<str>>,
    /// When the server started.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub started_at: Option<Timestamp>,
    /// Age of its newest figures, seconds.
    pub age_seconds: Option<f64>,
    /// Transactions a second.
    pub transactions_per_second: Option<f64>,
    /// Client connections.
    pub connections: Option<f64>,
    /// `max_connections`.
    pub max_connections: Option<f64>,
    /// Client connections of those that are allowed, 0-1.
    pub connections_ratio: Option<f64>,
    /// Age of the oldest transaction, seconds; 0 if there is none.
    pub longest_transaction_seconds: Option<f64>,
    /// Sessions that wait for a lock.
    pub blocked_sessions: Option<f64>,
    /// The greatest lag of a replica, or of this server as a standby, seconds.
    pub replication_lag_seconds: Option<f64>,
    /// Transaction ids used up until the server stops, 0-1.
    pub wraparound_ratio: Option<f64>,
    /// Size of the server's databases, bytes.
    pub size_bytes: Option<f64>,
    /// Cache hits of the last interval, 0-1.
    pub cache_hit_ratio: Option<f64>,
    /// Transactions a second over the last hour in 30 steps; only with `?sparklines=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_history: Option<Vec<Option<f64>>>,
    /// Client connections, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_history: Option<Vec<Option<f64>>>,
}

/// One database, judged.
pub fn target(s: &Source<'_>) -> Target {
    let mut all = crate::pages::overview::judge(s);
    // A database that does not answer has one problem.
    if !s.own.up.is_up() {
        all.problems.clear();
    }
    let verdict = all.verdict(s);
    let count = |level| all.problems.iter().filter(|p| p.level == level).count();
    let down = usize::from(!s.own.up.is_up() && verdict.level == Level::Crit);
    let at = s.target();
    let server = s.own.server.as_ref();
    let row = s.list::<throughput::Row>("throughput").first();
    let connections = crate::pages::activity::clients(s);
    let max = s.metric("connections", "pg_max_connections", &[]);
    Target {
        cluster: at.cluster,
        db: at.db,
        level: verdict.level,
        sentence: verdict.sentence,
        crit: count(Level::Crit) + down,
        warn: count(Level::Warn),
        up: at.up,
        reason: at.reason,
        since: at.since,
        role: at.role,
        version: at.version,
        datname: server.map(|s| s.database.as_str().into()),
        visited: crate::source::visited(s.roamed),
        server: s.own.server_key.clone(),
        system_identifier: server.and_then(|s| s.system_identifier.as_deref()).map(Arc::from),
        started_at: at.started_at,
        age_seconds: s.own.alive_mono.map(|alive| s.now.age(alive)),
        transactions_per_second: row.and_then(|r| r.transactions_per_second),
        connections,
        max_connections: max,
        connections_ratio: connections.zip(max).filter(|(_, max)| *max > 0.0).map(|(n, max)| n / max),
        longest_transaction_seconds: s.metric("connections", "pg_oldest_transaction_seconds", &[]),
        blocked_sessions: s.metric("locks", "pg_blocked_sessions_total", &[]),
        replication_lag_seconds: crate::pages::replication::lag(s),
        wraparound_ratio: s.metric("wraparound", "pg_wraparound_ratio", &["xid", "wraparound"]),
        size_bytes: crate::pages::storage::size(s),
        cache_hit_ratio: row.and_then(|r| r.cache_hit_ratio),
        transactions_history: None,
        connections_history: None,
    }
}

impl Fleet {
    /// All of them, the worst first.
    pub fn new(
        mut targets: Vec<Target>,
        pgmon_version: &'static str,
        configuration_failure: Option<String>,
    ) -> Self {
        let name = |t: &Target| (t.cluster.clone(), t.db.clone());
        // Nothing is worse than what does not answer.
        let gone = |t: &Target| matches!(t.up, UpState::Down | UpState::Refused);
        targets.sort_by(|a, b| {
            (b.level, gone(b), b.crit, b.warn)
                .cmp(&(a.level, gone(a), a.crit, a.warn))
                .then_with(|| name(a).cmp(&name(b)))
        });
        let count = |level| targets.iter().filter(|t| t.level == level).count();
        let counts = LevelCounts {
            all: targets.len(),
            crit: count(Level::Crit),
            warn: count(Level::Warn),
            unknown: count(Level::Unknown),
            ok: count(Level::Ok),
        };
        let level = targets.iter().map(|t| t.level).max().unwrap_or(Level::Unknown);
        let parts = [
            (counts.crit, "critical"),
            (counts.warn, "with a warning"),
            (counts.unknown, "of which nothing can be told"),
        ];
        let bad: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let all = words::counted(counts.all, "database", "databases");
        let sentence = match (bad.is_empty(), targets.first()) {
            (_, None) => "No database is configured.".to_owned(),
            (true, _) => format!("All is well with {all}."),
            (false, Some(worst)) => {
                format!("Of {all}: {}. {}/{}: {}", bad.join(", "), worst.cluster, worst.db, worst.sentence)
            }
        };
        Self { verdict: Verdict { level, sentence }, counts, pgmon_version, configuration_failure, targets }
    }
}
