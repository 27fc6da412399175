//! The collectors: one file each, with its SQL in the folder of the same name.
//!
//! To add one: write the file and its SQL, then add one line to [`ALL`].

use super::collector::{Registered, single};

pub mod canary;
pub mod connections;
pub mod locks;
pub mod progress;
pub mod temp;

/// Every collector, in the order in which they run within their loop.
pub const ALL: &[Registered] = &[
    // hot_path
    connections::REGISTERED,
    locks::REGISTERED,
    single::<progress::Progress>(),
    single::<temp::Temp>(),
    canary::REGISTERED,
];
