//! The pages, one file each.

pub mod activity;
pub mod autovacuum;
pub mod bloat;
pub mod indexes;
pub mod io;
pub mod locks;
pub mod overview;
pub mod partitions;
pub mod replication;
pub mod settings;
pub mod statements;
pub mod storage;
pub mod wal;
pub mod wraparound;

use crate::source::Source;
use pgmon_collect::postgres::collectors::{throughput, xmin_horizon};

/// Seconds since the statistics of the entry's database were reset.
pub(crate) fn stats_reset_age(s: &Source<'_>) -> Option<f64> {
    let rows: &Vec<throughput::Row> = s.rows("throughput")?;
    rows.first()?.stats_reset.map(|at| s.now.seconds_since(at.0))
}

/// Holders of the horizon, worst first.
pub(crate) fn holders(rows: &[xmin_horizon::Row]) -> Vec<xmin_horizon::Row> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|r| std::cmp::Reverse(r.xid_age));
    rows
}
