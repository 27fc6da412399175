//! How much space would a rewrite give back?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::bloat;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `bloat`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Bloat")]
pub struct Panels {
    /// The largest tables.
    pub tables: Panel<BloatedRelation>,
    /// The largest indexes.
    pub indexes: Panel<BloatedRelation>,
}

/// A table or an index.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BloatedRelation {
    /// How bad it is.
    pub level: Level,
    /// Whether it is estimated from statistics, not measured.
    pub estimate: bool,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: bloat::Row,
}
