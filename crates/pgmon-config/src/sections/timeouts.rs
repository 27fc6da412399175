//! `timeouts`: how long pgmon waits for a server.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long pgmon waits for a monitored server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Time for connecting, with TLS and login (milliseconds).
    #[schemars(range(min = 1, max = 600_000))]
    pub connect_ms: u64,
    /// Longest run of one statement on the hot_path and workload loops (milliseconds).
    #[schemars(range(min = 1, max = 3_600_000))]
    pub statement_timeout_ms: u64,
    /// Longest wait for a lock (milliseconds).
    #[schemars(range(min = 1, max = 600_000))]
    pub lock_timeout_ms: u64,
}

impl Timeouts {
    /// [`Timeouts::connect_ms`] as a duration.
    pub const fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    /// [`Timeouts::statement_timeout_ms`] as a duration.
    pub const fn statement(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    /// [`Timeouts::lock_timeout_ms`] as a duration.
    pub const fn lock(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, statement_timeout_ms: 3_000, lock_timeout_ms: 1_000 }
    }
}
