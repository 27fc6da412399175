//! `budgets`: how long one round of each loop may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// How long one round of each loop may take on one database. A collector that does not fit is run
/// less often, and the loop is reported as degraded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// Budget of a round of the hot_path loop (duration).
    pub hot_path: Span,
    /// Budget of a round of the workload loop (duration).
    pub workload: Span,
    /// Budget of a round of the storage loop (duration).
    pub storage: Span,
    /// Budget of a round of the hourly loop (duration).
    pub hourly: Span,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            hot_path: Span::from_secs(1),
            workload: Span::from_secs(3),
            storage: Span::from_secs(10),
            hourly: Span::from_secs(60),
        }
    }
}
