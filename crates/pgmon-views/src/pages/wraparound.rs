//! How far is the server from stopping to take writes?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::{table_age, wraparound, xmin_horizon};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `wraparound`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Wraparound")]
pub struct Panels {
    /// The server's databases, oldest first.
    pub databases: Panel<DatabaseAge>,
    /// The oldest tables.
    pub tables: Panel<TableAge>,
    /// Who keeps ids from being frozen, worst first.
    pub xmin_holders: Panel<xmin_horizon::Row>,
}

/// A database.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatabaseAge {
    /// How bad it is.
    pub level: Level,
    /// The worst of its ages in relation to the 2 billion ids that there are, 0-1.
    pub used_ratio: f64,
    /// The worst of its ages in relation to what forces autovacuum, 0-1 and above.
    pub freeze_ratio: f64,
    /// All that was read.
    #[serde(flatten)]
    pub row: wraparound::Row,
}

/// A table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TableAge {
    /// How bad it is.
    pub level: Level,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: table_age::Row,
}
