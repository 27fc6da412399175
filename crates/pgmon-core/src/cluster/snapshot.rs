//! What readers may know of a cluster at one time.

use super::{Cluster, Manager};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Whether the state of a cluster can be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
#[schemars(rename = "ClusterHealth")]
pub enum Health {
    /// Not tried yet.
    Pending,
    /// It was read.
    Ok,
    /// It cannot be read; what was read before may be out of date.
    Failed {
        /// Why, without secrets.
        reason: String,
    },
}

/// Something as it was read: what the rest was made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterEvidence")]
pub struct Evidence {
    /// Where it was read: a node of ZooKeeper, a URL, the name of a statement.
    pub source: String,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What was there, or the beginning of it.
    pub text: String,
    /// Whether it goes on.
    pub cut: bool,
}

impl Evidence {
    /// Longer texts are cut (bytes).
    pub const LONGEST: usize = 16 << 10;

    /// What was read at `source`, cut where it is too long.
    pub fn new(source: impl Into<String>, at: Timestamp, text: &str) -> Self {
        let end = text.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|i| *i <= Self::LONGEST);
        let kept = text.get(..end.last().unwrap_or(0)).unwrap_or_default();
        // It is shown to people and in JSON: only what is text.
        let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
        Self {
            source: source.into(),
            at,
            text: kept.chars().map(shown).collect(),
            cut: kept.len() < text.len(),
        }
    }
}

/// Everything that readers may know of one cluster. It never changes: whoever learns more publishes another.
#[derive(Debug, Clone)]
pub struct ClusterSnapshot {
    /// Who manages the cluster.
    pub manager: Manager,
    /// What it is called.
    pub name: Arc<str>,
    /// Where its state is from, without secrets.
    pub source: Arc<str>,
    /// Whether the state can be read.
    pub health: Health,
    /// When the state was last known to be right, by the calendar.
    pub at: Option<Timestamp>,
    /// The same on the monotonic clock.
    pub at_mono: Option<Duration>,
    /// When the members last told how they are while the state itself could not be read, on the monotonic clock.
    pub told_mono: Option<Duration>,
    /// For how long a state is taken for the present one after that.
    pub keeps: Duration,
    /// What was read last; `None` if nothing was yet.
    pub cluster: Option<Arc<Cluster>>,
    /// What it was made from.
    pub evidence: Vec<Evidence>,
    /// Changes of the leader that pgmon has seen.
    pub failovers: u64,
    /// Failed attempts to read the state so far.
    pub errors: u64,
}

impl ClusterSnapshot {
    /// A cluster that has not been looked at.
    pub fn pending(
        manager: Manager,
        name: impl Into<Arc<str>>,
        source: impl Into<Arc<str>>,
        keeps: Duration,
    ) -> Self {
        Self {
            manager,
            name: name.into(),
            source: source.into(),
            health: Health::Pending,
            at: None,
            at_mono: None,
            told_mono: None,
            keeps,
            cluster: None,
            evidence: Vec::new(),
            failovers: 0,
            errors: 0,
        }
    }

    /// Whether what is known may be taken for the present state.
    pub fn is_current(&self, now: Duration) -> bool {
        self.holds_until().is_some_and(|until| now <= until)
    }

    /// Until when what is known may be taken for the present state; `None` if nothing is.
    pub fn holds_until(&self) -> Option<Duration> {
        self.at_mono.max(self.told_mono).map(|at| at + self.keeps)
    }

    /// How old it is.
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.at_mono.map(|at| now.saturating_sub(at))
    }
}
