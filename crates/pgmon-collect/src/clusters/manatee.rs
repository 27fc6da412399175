//! Manatee: a chain of PostgreSQL peers whose state is in ZooKeeper.

mod driver;
pub mod judge;
pub mod model;
pub mod peer;
mod shard;
pub mod state;
pub mod zookeeper;

pub use driver::run;
pub use peer::STATEMENTS;
