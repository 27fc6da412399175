//! `bloat`: how wasted space is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// How the wasted space of tables and indexes is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bloat {
    /// `statistics` reads pg_stats only; `approx` and `exact` read the table through pgstattuple,
    /// `detailed` its indexes as well.
    pub sampling_mode: SamplingMode,
    /// Relations measured per round (count).
    #[schemars(range(min = 1, max = 10_000))]
    pub top_n_tables: u32,
    /// Smaller relations are not measured (bytes, or a size such as 100MiB). Also accepted as
    /// min_reclaim_bytes.
    #[schemars(extend("x-aliases" = ["min_reclaim_bytes"]))]
    pub min_relation_bytes: ByteSize,
    /// Larger relations are estimated from statistics, never read (bytes, or a size such as 10GiB).
    pub max_relation_bytes: ByteSize,
    /// Deprecated, has no effect: pageinspect needs a superuser.
    #[schemars(extend("deprecated" = true))]
    pub enable_pageinspect: bool,
}

/// How closely bloat is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplingMode {
    /// Estimated from pg_stats: reads no table.
    Statistics,
    /// pgstattuple_approx for tables (skips pages that the visibility map calls all-visible), pgstatindex
    /// for B-tree indexes.
    #[default]
    Approx,
    /// pgstattuple for tables (reads the whole table), pgstatindex for B-tree indexes.
    Exact,
    /// The same as `exact`.
    Detailed,
}

impl Default for Bloat {
    fn default() -> Self {
        Self {
            sampling_mode: SamplingMode::default(),
            top_n_tables: 10,
            min_relation_bytes: ByteSize::from_mib(100),
            max_relation_bytes: ByteSize::from_mib(10_240),
            enable_pageinspect: false,
        }
    }
}
