//! `sample_intervals`: how often each loop runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// How often each of the four loops runs. A duration from 1s up: `15s`, `10m`, `1h30m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SampleIntervals {
    /// Connections, locks, long transactions, running vacuums, replication (duration, at least 1s).
    pub hot_path: Span,
    /// Statements, WAL, checkpoints, temporary files (duration, at least 1s).
    pub workload: Span,
    /// Sizes, dead tuples, index usage, partitions (duration, at least 1s).
    pub storage: Span,
    /// Wraparound, stale statistics, bloat (duration, at least 1s).
    pub hourly: Span,
}

impl Default for SampleIntervals {
    fn default() -> Self {
        Self {
            hot_path: Span::from_secs(15),
            workload: Span::from_secs(60),
            storage: Span::from_secs(600),
            hourly: Span::from_secs(3_600),
        }
    }
}
