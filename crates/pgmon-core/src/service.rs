//! What the checks of a service leave behind for readers.

use crate::metric::Group;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How a service's last check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// There was none yet.
    Pending,
    /// It is as it should be.
    Ok,
    /// It is not.
    Failed {
        /// Why, without secrets.
        reason: Arc<str>,
    },
}

impl ServiceState {
    /// Whether the last check was good; `None` before the first.
    pub const fn is_ok(&self) -> Option<bool> {
        match self {
            Self::Pending => None,
            Self::Ok => Some(true),
            Self::Failed { .. } => Some(false),
        }
    }

    /// Why it failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } => Some(reason),
            Self::Pending | Self::Ok => None,
        }
    }
}

/// One thing that a check asked, and what it read: evidence for the figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// What was asked, as it was sent, but for secrets: `INFO`, `GET /health`, `SHOW POOLS`.
    pub asked: String,
    /// Milliseconds until the answer was here.
    pub duration_ms: f64,
    /// The columns of the rows.
    pub columns: Vec<&'static str>,
    /// What was read; texts as they came.
    pub rows: Vec<Vec<String>>,
}

impl Evidence {
    /// Names and values.
    pub fn fields(asked: impl Into<String>, duration: Duration, fields: Vec<(String, String)>) -> Self {
        Self {
            asked: asked.into(),
            duration_ms: duration.as_secs_f64() * 1e3,
            columns: vec!["name", "value"],
            rows: fields.into_iter().map(|(name, value)| vec![name, value]).collect(),
        }
    }
}

/// A service as its last check found it. Each check makes a new one.
#[derive(Debug, Clone)]
pub struct ServiceSnapshot {
    /// The label `service`.
    pub name: Arc<str>,
    /// What it is: `postgres`, `redis`, `http`, `tcp`, `pgbouncer`.
    pub kind: &'static str,
    /// Where it is, for people; without secrets.
    pub target: Arc<str>,
    /// Whether `/health` fails with it.
    pub critical: bool,
    /// The configured version, else the one that it says it has.
    pub version: Option<Arc<str>>,
    /// Labels of its metrics, beside `service`.
    pub labels: Arc<[(String, String)]>,
    /// From one check to the next.
    pub interval: Duration,
    /// For one check as a whole.
    pub timeout: Duration,
    /// How the last check ended.
    pub state: ServiceState,
    /// What is not as it should be with a service that does its work.
    pub warnings: Arc<[String]>,
    /// Since when the state is what it is.
    pub since: Option<Timestamp>,
    /// When the last check began.
    pub at: Option<Timestamp>,
    /// When it ended, monotonic.
    pub at_mono: Option<Duration>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// When a check was good for the last time.
    pub last_success: Option<Timestamp>,
    /// Checks so far.
    pub checks: u64,
    /// Of these, the ones that failed.
    pub failures: u64,
    /// Its metrics.
    pub group: Arc<Group>,
    /// What the last check asked and read.
    pub evidence: Arc<[Evidence]>,
}
