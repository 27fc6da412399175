//! The collectors: one file each, with its SQL in the folder of the same name.
//!
//! To add one: write the file and its SQL, then add one line to [`ALL`].

use super::collector::{Registered, single};

pub mod bloat;
pub mod connections;
#[cfg(test)]
mod lint;
pub mod settings;
pub mod stale_statistics;
pub mod table_age;
pub mod wraparound;
pub mod xmin_horizon;

/// Every collector, in the order in which they run within their loop.
pub const ALL: &[Registered] = &[
    // hot_path
    single::<connections::Connections>(),
    // workload: what holds VACUUM back
    single::<xmin_horizon::XminHorizon>(),
    // hourly
    single::<wraparound::Wraparound>(),
    single::<table_age::TableAge>(),
    single::<stale_statistics::StaleStatistics>(),
    bloat::REGISTERED,
    single::<settings::Settings>(),
];
