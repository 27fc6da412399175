//! The collectors: one file each, with its SQL in the folder of the same name.
//!
//! To add one: write the file and its SQL, then add one line to [`ALL`].

use super::collector::{Registered, single};

pub mod connections;
pub mod database_size;
pub mod indexes;
pub mod partitions;
pub mod relations;
pub mod sequences;
pub mod tables;

/// Every collector, in the order in which they run within their loop.
pub const ALL: &[Registered] = &[
    // hot_path
    single::<connections::Connections>(),
    // storage
    single::<relations::Relations>(),
    single::<tables::Tables>(),
    single::<indexes::Indexes>(),
    partitions::REGISTERED,
    sequences::REGISTERED,
    database_size::REGISTERED,
];
