//! What drives every source: time, due rounds, backing off, and the snapshots that readers see.

pub mod backoff;
pub mod beginnings;
pub mod cardinality;
pub mod fleet;
pub mod permits;
pub mod schedule;
pub mod timer;
