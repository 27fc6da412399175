//! Manatee: a chain of PostgreSQL peers whose state is in ZooKeeper.

pub mod judge;
pub mod model;
pub mod peer;
pub mod state;

pub use peer::STATEMENTS;
