//! The pages, one file each.

pub mod activity;
pub mod autovacuum;
pub mod bloat;
pub(crate) mod horizon;
pub mod indexes;
pub mod io;
pub mod locks;
pub mod overview;
pub mod partitions;
pub mod replication;
pub mod settings;
mod starvation;
pub mod statements;
pub mod storage;
pub mod wal;
pub mod wraparound;

use crate::source::Source;
use pgmon_collect::postgres::collectors::throughput;

/// Seconds since the statistics of the entry's database were reset.
pub(crate) fn stats_reset_age(s: &Source<'_>) -> Option<f64> {
    let rows: &Vec<throughput::Row> = s.rows("throughput")?;
    rows.first()?.stats_reset.map(|at| s.now.seconds_since(at.0))
}
