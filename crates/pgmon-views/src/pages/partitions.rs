//! Will inserts fail, or fall into a DEFAULT partition?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::partitions;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `partitions`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Partitions")]
pub struct Panels {
    /// Partitioned tables, those that run out first on top.
    pub tables: Panel<PartitionedTable>,
}

/// A partitioned table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PartitionedTableRow")]
pub struct PartitionedTable {
    /// How bad it is.
    pub level: Level,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: partitions::Parent,
}
