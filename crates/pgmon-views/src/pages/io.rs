//! Who reads and writes, and does the cache hold?

use crate::page::Panel;
use pgmon_collect::postgres::collectors::{database, io, slru, temp, throughput};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `io`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Io")]
pub struct Panels {
    /// Reads and writes by who does them (16+).
    pub processes: Panel<io::Row>,
    /// Blocks, rows, conflicts and the like of the databases.
    pub databases: Panel<database::Row>,
    /// Blocks of the entry's database and its cache hits.
    pub throughput: Panel<throughput::Row>,
    /// Temporary files of the entry's database.
    pub temp: Panel<temp::Row>,
    /// The small caches of transaction states.
    pub slru: Panel<slru::Row>,
}
