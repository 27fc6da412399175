//! `http.rate_limit`: how many requests a client may send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many requests a client may send. Clients on this machine and health checks are exempt. A request
/// with a valid key, password or session counts for that; any other for its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Whether requests are limited. Wrong keys and passwords always are.
    pub enabled: bool,
    /// Requests a second, on average.
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub per_second: f64,
    /// Requests at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { enabled: true, per_second: 10.0, burst: 60 }
    }
}
