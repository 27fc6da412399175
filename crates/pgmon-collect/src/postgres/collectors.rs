//! The collectors: one file each, with its SQL in the folder of the same name.
//!
//! To add one: write the file and its SQL, then add one line to [`ALL`].

use super::collector::{Registered, single};

#[cfg(test)]
mod lint;

pub mod archiver;
pub mod bloat;
pub mod checkpoints;
pub mod connections;
pub mod database;
pub mod database_size;
pub mod freshness;
pub mod indexes;
pub mod io;
pub mod partitions;
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
pub mod throughput;
pub mod wal;
pub mod wal_files;
pub mod wraparound;
pub mod xmin_horizon;

/// Every collector, in the order in which they run within their loop.
pub const ALL: &[Registered] = &[
    // hot_path
    single::<connections::Connections>(),
    // workload: databases, statements, I/O
    single::<database::Database>(),
    single::<throughput::Throughput>(),
    statements::REGISTERED,
    single::<io::Io>(),
    single::<slru::Slru>(),
    // storage
    single::<relations::Relations>(),
    single::<tables::Tables>(),
    single::<indexes::Indexes>(),
    partitions::REGISTERED,
    sequences::REGISTERED,
    database_size::REGISTERED,
    // workload: what holds VACUUM back
    single::<xmin_horizon::XminHorizon>(),
    // hourly
    single::<wraparound::Wraparound>(),
    single::<table_age::TableAge>(),
    single::<stale_statistics::StaleStatistics>(),
    bloat::REGISTERED,
    single::<settings::Settings>(),
    // workload: WAL, checkpoints, replication, archiving, freshness
    single::<wal::Wal>(),
    single::<checkpoints::Checkpoints>(),
    single::<replication::Replication>(),
    single::<standby::Standby>(),
    single::<slots::Slots>(),
    single::<subscriptions::Subscriptions>(),
    single::<archiver::Archiver>(),
    single::<freshness::Freshness>(),
    // storage: the WAL directory
    single::<wal_files::WalFiles>(),
];
