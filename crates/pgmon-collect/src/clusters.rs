//! Clusters: what managers of highly available PostgreSQL say, and what its members say themselves.
//!
//! One task per source ([`roster`]) asks its manager; [`registry`] holds what was found last. What a manager says
//! is turned into the one model of [`pgmon_core::cluster`] by pure functions. Nobody is ever told to do anything:
//! ZooKeeper and PostgreSQL are read, HTTP is GET alone.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod manatee;
mod names;
pub mod patroni;
pub mod registry;
pub mod roster;
pub mod streaming;

pub use registry::{Clusters, Slot};
pub use roster::Roster;

#[cfg(test)]
mod tests;
