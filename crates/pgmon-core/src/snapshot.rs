//! What the poller leaves behind for readers: the latest results of one configured database.
//!
//! A [`Snapshot`] is immutable; each finished round makes a new one that shares the unchanged parts.
//! Readers (`/metrics`, the API, the UI, alerts) never reach back to the source.

use crate::metric::{Family, Histogram};
use crate::name::Name;
use crate::version::PgVersion;
use jiff::Timestamp;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The four poller loops, in the order of their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// Connections, locks, progress: every 15 s.
    HotPath,
    /// Rates, statements, replication, WAL: every 60 s.
    Workload,
    /// Sizes, tuples, indexes, partitions: every 10 min.
    Storage,
    /// Wraparound, bloat, settings: every hour.
    Hourly,
}

impl Loop {
    /// All loops, most urgent first.
    pub const ALL: [Self; 4] = [Self::HotPath, Self::Workload, Self::Storage, Self::Hourly];

    /// The name in labels, logs and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HotPath => "hot_path",
            Self::Workload => "workload",
            Self::Storage => "storage",
            Self::Hourly => "hourly",
        }
    }

    /// Position in [`Self::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::HotPath => 0,
            Self::Workload => 1,
            Self::Storage => 2,
            Self::Hourly => 3,
        }
    }
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One statement that ran, exactly as it was sent.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Executed {
    /// The collector that sent it.
    pub collector: Name,
    /// The text that was sent: one of ours, or one from the configuration.
    pub sql: Cow<'static, str>,
    /// The server's major version.
    pub pg_major: u16,
    /// When it was sent.
    pub started_at: Timestamp,
    /// Milliseconds until the last row was here.
    pub duration_ms: f64,
    /// Rows received.
    pub rows: u64,
}

/// How a collector's run ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outcome {
    /// All statements ran.
    Ok,
    /// A statement failed.
    Failed {
        /// The server's five-character code, if the server answered.
        sqlstate: Option<String>,
        /// What went wrong, without values or secrets.
        message: String,
    },
    /// Not run: a grant or an extension is missing.
    Blind,
    /// Not run: this server's version has no such figures.
    Unsupported,
    /// Not run this time: the loop's budget was used up, or the collector is backed off.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// The state's name, as in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed { .. } => "failed",
            Self::Blind => "blind",
            Self::Unsupported => "unsupported",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// Something that cannot be seen, and what would make it visible.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Blind {
    /// The collector that misses it.
    pub collector: Name,
    /// A short bounded name for a label: `pg_read_all_data`, `extension pg_stat_statements`.
    pub needs: String,
    /// What is missing because of it, in words.
    pub effect: String,
    /// SQL that a DBA can run to mend it, if SQL can.
    pub remedy: Option<String>,
}

/// The rows of a collector as they were decoded: ready to be serialised by those that do not know them,
/// and with their type for those that do ([`Output::rows`]).
pub trait Rows: erased_serde::Serialize + Any + Send + Sync {}

impl<T: serde::Serialize + Any + Send + Sync> Rows for T {}

erased_serde::serialize_trait_object!(Rows);

/// The rows of a collector.
pub type Data = Arc<dyn Rows>;

/// The last good result of a collector.
pub struct Output {
    /// When the round that produced it started.
    pub at: Timestamp,
    /// The same on the monotonic clock.
    pub at_mono: Duration,
    /// Its samples.
    pub families: Vec<Family>,
    /// Its rows.
    pub data: Option<Data>,
    /// The statements that produced it.
    pub executed: Vec<Executed>,
}

impl Output {
    /// Its rows, if they are of this type.
    pub fn rows<T: Any>(&self) -> Option<&T> {
        let data: &dyn Any = self.data.as_deref()?;
        data.downcast_ref()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("at", &self.at)
            .field("families", &self.families.len())
            .finish_non_exhaustive()
    }
}

/// One collector on one database: its last attempt and its last good result.
#[derive(Debug, Clone)]
pub struct CollectorState {
    /// The collector's name.
    pub collector: Name,
    /// The loop that it runs in.
    pub in_loop: Loop,
    /// Whether its figures belong to the whole server, not to one database.
    pub server_wide: bool,
    /// The database that it looked at, where the entry has `discover: true` and this is another one.
    pub datname: Option<Arc<str>>,
    /// When the last attempt started.
    pub at: Timestamp,
    /// How long the last attempt took in all.
    pub duration: Duration,
    /// How the last attempt ended.
    pub outcome: Outcome,
    /// Failed attempts so far.
    pub errors: u64,
    /// What it cannot see.
    pub blind: Vec<Blind>,
    /// It runs in every `stride`-th round: more than 1 while it does not fit its loop's budget.
    pub stride: u32,
    /// The last good result; readers leave it out once it is older than [`Self::keeps`].
    pub good: Option<Arc<Output>>,
    /// What is particular to a query from the configuration; `None` for a collector of ours.
    pub custom: Option<Custom>,
}

impl CollectorState {
    /// For how long a good result may be shown, in a snapshot whose loop has this interval.
    pub fn keeps(&self, interval: Duration) -> Duration {
        match &self.custom {
            Some(custom) => custom.keeps,
            None => interval * 3 * self.stride,
        }
    }
}

/// What is particular to a query from the configuration.
#[derive(Debug, Clone)]
pub struct Custom {
    /// How often it runs here.
    pub interval: Duration,
    /// For how long a result is shown if none follows.
    pub keeps: Duration,
    /// Monotonic time of the last attempt's start.
    pub last_mono: Option<Duration>,
    /// Results so far that were left out because they had too many series.
    pub results_dropped: u64,
    /// Why the last result was left out, if it was.
    pub dropped: Option<Arc<Dropped>>,
    /// What somebody who wrote the query should know of its last result.
    pub note: Option<Arc<str>>,
}

impl Custom {
    /// How the name of a query begins among those of the collectors.
    pub const PREFIX: &'static str = "query:";

    /// Of a query that has not run yet.
    pub fn new(interval: Duration, keeps: Duration) -> Self {
        Self { interval, keeps, last_mono: None, results_dropped: 0, dropped: None, note: None }
    }
}

/// The name of a query, if it is one's that a collector goes by.
pub fn query_name(collector: &str) -> Option<&str> {
    collector.strip_prefix(Custom::PREFIX)
}

/// A result that was left out as a whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// How many series it may have.
    pub limit: usize,
    /// The label with the most values among the rows that were read; `None` without labels.
    pub label: Option<Box<str>>,
    /// How many values that label had among them.
    pub values: usize,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left out: the result has more than {} series", self.limit)?;
        match &self.label {
            Some(label) => write!(f, "; label {label} has {} values or more", self.values),
            None => Ok(()),
        }
    }
}

/// One loop on one database.
#[derive(Debug, Clone)]
pub struct LoopState {
    /// Which.
    pub name: Loop,
    /// Its interval.
    pub interval: Duration,
    /// Its time budget.
    pub budget: Duration,
    /// When the last round that ended began, and how long it worked (without waiting for other loops).
    pub last: Option<(Timestamp, Duration)>,
    /// Monotonic time of the last round's end.
    pub ended_mono: Option<Duration>,
    /// Monotonic time of the end of the last round in which every statement ran.
    pub success_mono: Option<Duration>,
    /// Whether the last round's statements all ran.
    pub success: bool,
    /// Rounds so far.
    pub rounds: u64,
    /// Failed collector runs so far.
    pub errors: u64,
    /// Ticks that were not run because the loop was late.
    pub missed: u64,
    /// Why the loop is degraded (over its budget), if it is.
    pub degraded: Option<String>,
    /// Durations of all rounds, seconds.
    pub durations: Arc<Histogram>,
}

impl LoopState {
    /// Upper bounds of [`Self::durations`], seconds.
    pub const BOUNDS: &'static [f64] =
        &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

    /// A loop that has not run yet.
    pub fn new(name: Loop, interval: Duration, budget: Duration) -> Self {
        Self {
            name,
            interval,
            budget,
            last: None,
            ended_mono: None,
            success_mono: None,
            success: false,
            rounds: 0,
            errors: 0,
            missed: 0,
            degraded: None,
            durations: Arc::new(Histogram::new(Self::BOUNDS)),
        }
    }
}

/// Whether a database answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Up {
    /// Not tried yet.
    Pending,
    /// Connected and answering.
    Up,
    /// Not answering.
    Down {
        /// Why, without secrets.
        reason: String,
    },
    /// Answering, but its role can write: nothing is read from it.
    Refused {
        /// What the role can write, one per line.
        rights: Vec<String>,
        /// SQL that makes a role of the right kind.
        remedy: String,
    },
}

impl Up {
    /// 1 for `pg_up`.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// What is known of the server behind an entry.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ServerInfo {
    /// Its version.
    pub version: PgVersion,
    /// Its version as text: `18.4`.
    pub version_text: String,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// When its postmaster started.
    pub started_at: Timestamp,
    /// Unchangeable identity of the cluster's data, the same on its standbys; where readable.
    pub system_identifier: Option<String>,
    /// The database that the entry's connection is in.
    pub database: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Bytes in a page.
    pub block_size: u32,
}

/// Everything that readers may know of one configured database.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The logical name of the cluster.
    pub cluster: Arc<str>,
    /// The entry's name.
    pub db: Arc<str>,
    /// Whether it answers.
    pub up: Up,
    /// Monotonic time at which [`Self::up`] took its present state.
    pub up_since_mono: Duration,
    /// Monotonic time of the last statement that ran well.
    pub alive_mono: Option<Duration>,
    /// What is known of the server.
    pub server: Option<Arc<ServerInfo>>,
    /// Identifies the running server; entries of one server share it.
    pub server_key: Option<Arc<str>>,
    /// Whether this entry is the one that collects what belongs to the whole server.
    pub leads: bool,
    /// The loops, in the order of [`Loop::ALL`].
    pub loops: [LoopState; 4],
    /// The collectors that apply, in the order of the registry.
    pub collectors: Vec<CollectorState>,
    /// While the database does not answer: what was last known here of the whole server, which is not among
    /// [`Self::collectors`] then. For people, who are told its age; not for `/metrics`.
    pub retained: Vec<CollectorState>,
    /// Rights that all roles have through PUBLIC and should not, each with the REVOKE to run.
    pub warnings: Vec<Blind>,
    /// Connections opened so far.
    pub connects: u64,
    /// Connection attempts that failed so far.
    pub connect_errors: u64,
    /// Monotonic time of the next attempt, while the database is being left alone.
    pub quarantined_until: Option<Duration>,
    /// Samples left out so far because a family had too many series.
    pub dropped: u64,
}

impl Snapshot {
    /// The loop's state.
    pub fn of(&self, which: Loop) -> &LoopState {
        let [hot, workload, storage, hourly] = &self.loops;
        match which {
            Loop::HotPath => hot,
            Loop::Workload => workload,
            Loop::Storage => storage,
            Loop::Hourly => hourly,
        }
    }

    /// Whether the values of the last rounds may still be shown: the database has answered within
    /// three hot-path intervals.
    pub fn values_are_current(&self, now: Duration) -> bool {
        match self.alive_mono {
            Some(at) => now.saturating_sub(at) <= self.of(Loop::HotPath).interval * 3,
            None => false,
        }
    }
}
