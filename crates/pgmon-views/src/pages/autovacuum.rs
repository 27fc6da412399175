//! Is vacuum keeping up, and if not, why?

use crate::page::{Level, Panel, Remedy};
use pgmon_collect::postgres::collectors::{progress, settings, stale_statistics, tables, xmin_horizon};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `autovacuum`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Autovacuum")]
pub struct Panels {
    /// Tables, those under the greatest pressure first.
    pub tables: Panel<VacuumTable>,
    /// What vacuums and analyzes are doing now.
    pub workers: Panel<progress::Row>,
    /// Who keeps dead rows from being removed, worst first.
    pub xmin_holders: Panel<xmin_horizon::Row>,
    /// Tables whose statistics are old.
    pub stale_statistics: Panel<stale_statistics::Row>,
    /// The server's settings of autovacuum.
    pub settings: Panel<settings::Row>,
}

/// A table as autovacuum sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VacuumTable {
    /// How bad it is.
    pub level: Level,
    /// The greatest of its pressures: dead rows, inserted rows, changed rows, each in relation to what brings
    /// a vacuum or analyze. 1 = due.
    pub pressure: Option<f64>,
    /// Dead rows of all rows, 0-1.
    pub dead_ratio: Option<f64>,
    /// What its dead rows take up, bytes, about: by the mean width of a row.
    pub dead_bytes_estimate: Option<f64>,
    /// Seconds since the last vacuum, by hand or by autovacuum; absent if there was none.
    pub last_vacuum_seconds_ago: Option<f64>,
    /// Seconds since the last analyze, by hand or by autovacuum; absent if there was none.
    pub last_analyze_seconds_ago: Option<f64>,
    /// Age of its oldest transaction id in relation to what forces a vacuum, 0-1 and above.
    pub freeze_ratio: Option<f64>,
    /// Its own settings of autovacuum, each `name=value`.
    pub overrides: Vec<String>,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: tables::Row,
}
