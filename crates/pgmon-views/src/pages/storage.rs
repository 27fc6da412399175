//! What grows?

use crate::page::Panel;
use pgmon_collect::postgres::collectors::{database_size, relations, sequences, wal_files};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `storage`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Storage")]
pub struct Panels {
    /// The largest tables and materialised views.
    pub tables: Panel<TableSize>,
    /// The server's databases.
    pub databases: Panel<database_size::Database>,
    /// The server's tablespaces.
    pub tablespaces: Panel<database_size::Tablespace>,
    /// The WAL directory.
    pub wal: Panel<wal_files::Row>,
    /// Sequences, those that are used up most first.
    pub sequences: Panel<sequences::Row>,
}

/// A table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TableSize {
    /// Its share of the database, 0-1.
    pub share: Option<f64>,
    /// Growth in a day at the rate since the last round, bytes; negative if it shrank.
    pub growth_bytes_per_day: Option<f64>,
    /// All that was read.
    #[serde(flatten)]
    pub row: relations::Row,
}
