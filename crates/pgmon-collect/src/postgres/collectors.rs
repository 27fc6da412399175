//! The collectors: one file each, with its SQL in the folder of the same name.
//!
//! To add one: write the file and its SQL, then add one line to [`ALL`].

use super::collector::{Registered, single};

#[cfg(test)]
mod lint;
#[cfg(test)]
mod storage_tests;

pub mod active_connections;
pub mod archiver;
pub mod bloat;
pub mod canary;
pub mod checkpoints;
pub mod connections;
pub mod database;
pub mod database_size;
pub mod freshness;
pub mod indexes;
pub mod io;
pub mod locks;
pub mod partitions;
pub mod progress;
pub mod relations;
pub mod replication;
pub mod sequences;
pub mod settings;
pub mod slots;
pub mod slru;
pub mod stale_statistics;
pub mod standby;
pub mod statements;
pub mod subscriptions;
pub mod table_age;
pub mod tables;
pub mod temp;
pub mod throughput;
pub mod wal;
pub mod wal_files;
pub mod wraparound;
pub mod xmin_horizon;

/// Every collector, in the order in which they run within their loop: what matters most comes first,
/// so that a loop whose budget is used up leaves out what matters least.
pub const ALL: &[Registered] = &[
    // hot_path
    connections::REGISTERED,
    single::<active_connections::ActiveConnections>(),
    locks::REGISTERED,
    progress::REGISTERED,
    single::<temp::Temp>(),
    canary::REGISTERED,
    // workload
    single::<throughput::Throughput>(),
    statements::REGISTERED,
    single::<database::Database>(),
    single::<replication::Replication>(),
    single::<standby::Standby>(),
    single::<slots::Slots>(),
    single::<subscriptions::Subscriptions>(),
    single::<wal::Wal>(),
    single::<checkpoints::Checkpoints>(),
    single::<archiver::Archiver>(),
    single::<xmin_horizon::XminHorizon>(),
    single::<io::Io>(),
    single::<slru::Slru>(),
    single::<freshness::Freshness>(),
    // storage
    single::<tables::Tables>(),
    single::<relations::Relations>(),
    single::<indexes::Indexes>(),
    partitions::REGISTERED,
    sequences::REGISTERED,
    database_size::REGISTERED,
    single::<wal_files::WalFiles>(),
    // hourly
    single::<wraparound::Wraparound>(),
    single::<table_age::TableAge>(),
    single::<stale_statistics::StaleStatistics>(),
    single::<settings::Settings>(),
    bloat::REGISTERED,
];

/// Whether a collector has a family of this name.
pub fn has_family(name: &str) -> bool {
    ALL.iter().flat_map(|registered| registered.spec.families).any(|desc| desc.name == name)
}
