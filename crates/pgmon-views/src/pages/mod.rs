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
