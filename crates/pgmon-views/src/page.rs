//! What every page has in common: a verdict, problems, figures and panels.

use crate::answer::{Need, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page about one database, or the server behind it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "{P}Page")]
pub struct Page<P> {
    /// What it is about.
    pub target: TargetRef,
    /// What it comes to.
    pub verdict: Verdict,
    /// What is wrong, worst first.
    pub problems: Vec<Problem>,
    /// Its most important figures.
    pub figures: Vec<Figure>,
    /// The evidence.
    pub panels: P,
}

/// The database that a page is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TargetRef {
    /// The logical name of the cluster.
    pub cluster: Arc<str>,
    /// The entry's name.
    pub db: Arc<str>,
    /// The database of the server that figures of single databases are from; absent if not connected yet.
    pub datname: Option<Arc<str>>,
    /// The databases to choose from with `?datname=`, where more than one is visited.
    pub datnames: Vec<Arc<str>>,
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
    /// When the server started.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub started_at: Option<Timestamp>,
}

/// Whether a database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpState {
    /// Not tried yet.
    Pending,
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// It does, but the role can write: nothing is read from it.
    Refused,
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It replays another server's WAL.
    Standby,
    /// It was not reached yet.
    Unknown,
}

/// How bad it is. Of several, the worst counts; `unknown` is never as good as `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// It cannot be told.
    #[default]
    Unknown,
    /// Somebody should look at it today.
    Warn,
    /// Somebody should look at it now.
    Crit,
}

/// What a page comes to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// How bad it is.
    pub level: Level,
    /// One sentence that says it.
    pub sentence: String,
}

/// The pages, by the last part of their path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum PageName {
    Overview,
    Activity,
    Locks,
    Autovacuum,
    TopQueries,
    Storage,
    Indexes,
    Bloat,
    Partitions,
    Replication,
    Wraparound,
    Wal,
    Io,
    Settings,
    Collectors,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// The same as long as it is the same problem: `long_transaction:4711`.
    pub id: String,
    /// How bad it is.
    pub level: Level,
    /// What it is, in a few words.
    pub title: String,
    /// Since when, as far as that is known.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// The figures behind it, as a sentence.
    pub evidence: String,
    /// The table, index, session, slot or the like that it is about.
    pub object: Option<String>,
    /// Where to see more.
    pub page: PageName,
    /// What may be done. pgmon never runs it.
    pub remedy: Option<Remedy>,
}

/// SQL to copy. pgmon never runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Remedy {
    /// One or more statements, with comments.
    pub sql: String,
    /// The strongest lock that it takes, and what that keeps waiting: `SHARE UPDATE EXCLUSIVE on the table: ...`.
    pub lock: String,
    /// What may go wrong, and what to look at before.
    pub risk: String,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Figure {
    /// The same in every answer: `connections`, ...
    pub id: &'static str,
    /// Its name, for people.
    pub label: &'static str,
    /// Its value; absent if unknown.
    pub value: Option<f64>,
    /// What 100 % is, in the same unit: of connections, `max_connections`.
    pub of: Option<f64>,
    /// Its unit.
    pub unit: Unit,
    /// How bad it is.
    pub level: Level,
    /// From where on it is bad, for lines in charts.
    pub thresholds: Option<Thresholds>,
    /// Where its past is, if it is kept.
    pub history: Option<MetricRef>,
    /// Why it is unknown, or what it leaves out.
    pub note: Option<String>,
    /// For how long it has been counted, where it is cumulative: the age of `stats_reset`, seconds.
    pub stats_reset_age_seconds: Option<f64>,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unit {
    Count,
    /// 0-1.
    Ratio,
    Seconds,
    Milliseconds,
    Bytes,
    BytesPerSecond,
    PerSecond,
    /// Ids of transactions or multixacts.
    Transactions,
}

/// From where on a figure is bad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Thresholds {
    /// From here on it is a warning.
    pub warn: Option<f64>,
    /// From here on it is critical.
    pub crit: Option<f64>,
    /// Whether less is worse.
    pub below: bool,
}

/// A series of `GET /api/v1/history/{metric}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MetricRef {
    /// `{metric}`.
    pub metric: &'static str,
    /// Labels to ask for as query parameters (besides `cluster` and `db`).
    pub labels: BTreeMap<&'static str, String>,
    /// Whether it is a counter, so that its rate is what to draw.
    pub counter: bool,
}

/// Rows about one thing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "{R}Panel")]
pub struct Panel<R> {
    /// Its head.
    pub title: &'static str,
    /// How far it can be relied on.
    pub state: State,
    /// Why the state is not `ok`, in words.
    pub reason: Option<String>,
    /// What cannot be seen, and what would make it visible.
    pub needs: Vec<Need>,
    /// Age of its rows, seconds; absent if there are none.
    pub age_seconds: Option<f64>,
    /// Whose statements it rests on: they are those of the same `collector` in `executed`.
    pub collectors: Vec<&'static str>,
    /// For how long its cumulative figures have been counted (the age of `stats_reset`), seconds.
    pub stats_reset_age_seconds: Option<f64>,
    /// What the rows leave out, or should be read with.
    pub note: Option<String>,
    /// What to say if there is no row: that this is good.
    pub empty: Option<&'static str>,
    /// Its rows; absent if they are not known.
    pub rows: Option<Vec<R>>,
}

impl<R> Panel<R> {
    /// The same with a remark.
    pub fn note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }

    /// The same with the time for which its cumulative figures have been counted.
    pub fn since_reset(self, seconds: Option<f64>) -> Self {
        Self { stats_reset_age_seconds: seconds, ..self }
    }
}
