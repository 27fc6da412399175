//! `limits`: how much is collected, exported and connected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Caps on what is collected and exported. What a cap drops is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Tables shown and exported per database, largest first (count).
    #[schemars(range(min = 1, max = 10_000))]
    pub top_relations: u32,
    /// Indexes shown and exported per database, largest first (count).
    #[schemars(range(min = 1, max = 10_000))]
    pub top_indexes: u32,
    /// Statements shown and exported per database, by total time (count).
    #[schemars(range(min = 1, max = 10_000))]
    pub top_queries: u32,
    /// How far ahead partitions must exist (days).
    #[schemars(range(max = 3_650))]
    pub partition_horizon_days: u32,
    /// Series kept of one custom query per database (count).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub series_per_query: u32,
    /// Connections to one server over all its entries (count).
    #[schemars(range(min = 1, max = 1_000))]
    pub connections_per_server: u32,
    /// Series of one metric family per database (count). A family that has more is left out as a whole.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub series_per_family: u32,
    /// Series of one database (count). If it has more, its largest families are left out.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub series_per_database: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            top_relations: 50,
            top_indexes: 50,
            top_queries: 50,
            partition_horizon_days: 7,
            series_per_query: 1_000,
            connections_per_server: 20,
            series_per_family: 10_000,
            series_per_database: 100_000,
        }
    }
}
