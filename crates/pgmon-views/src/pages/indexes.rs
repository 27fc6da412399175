//! Which indexes are waste, and which are broken?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::indexes;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `indexes`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Indexes")]
pub struct Panels {
    /// Indexes with something to say of: invalid, unused, duplicate ones.
    pub findings: Panel<IndexRow>,
    /// All indexes that are looked at, largest first.
    pub indexes: Panel<IndexRow>,
}

/// An index.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IndexRow {
    /// How bad it is.
    pub level: Level,
    /// Why it must not be dropped, whatever its scans: `primary key`, `unique`, `constraint`,
    /// `replica identity`, `part of a partitioned index`, `foreign key`.
    pub kept_for: Vec<&'static str>,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done; never a DROP INDEX if there is something in [`Self::kept_for`].
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: indexes::Row,
}
