//! Real PostgreSQL 12-18 servers, replicas, poolers, cluster managers and workloads for tests, benches and the demo.
//!
//! No server is a mock; the one double is [`VaultDouble`], and says so. [`Server::start`] takes well under a second: a data directory is made
//! once per version and copied. Everything listens on loopback only, runs as an unprivileged
//! user, and ends with the value that stands for it, also if the test panics or is killed.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use pgmon_testkit::{Major, Server, Tier, workload};
//!
//! let server = Server::builder(Major::NEWEST)
//!     .setting("shared_preload_libraries", "pg_stat_statements")
//!     .start()
//!     .await?;
//! server.create_database("shop").await?;
//! server.create_extension("shop", "pg_stat_statements").await?;
//! let password = server.create_monitor("pgmon", Tier::T0).await?;
//! let dsn = server.dsn_as("pgmon", &password, "shop");
//! let chain = workload::lock_chain(&server, "shop", 3).await?;
//! // ... look at it through `dsn` ...
//! chain.stop().await?;
//! # Ok(()) }
//! ```
//!
//! The server binaries come from `script/bootstrap test`.
#![allow(
    clippy::disallowed_methods,
    reason = "the testkit waits for real servers: there is no clock to inject"
)]

mod access;
mod builder;
mod etcd;
mod guard;
mod major;
mod patroni;
mod pgbouncer;
mod place;
mod process;
mod prometheus;
mod proxy;
mod redis;
mod replica;
mod server;
mod template;
mod vault;
pub mod workload;
mod zookeeper;

pub use access::{Tier, quote_ident, quote_literal};
pub use builder::ServerBuilder;
pub use etcd::Etcd;
pub use major::Major;
pub use patroni::Patroni;
pub use pgbouncer::{PgBouncer, PgBouncerBuilder};
pub use place::program;
pub use prometheus::{Prometheus, promtool};
pub use proxy::{Fault, Proxy};
pub use redis::{Redis, RedisBuilder, RedisKind};
pub use replica::{Replica, ReplicaBuilder};
pub use server::{Server, StopMode};
/// What [`Server::connect`] answers, so that a test needs no dependency of its own.
pub use sqlx::PgConnection;
pub use vault::{Terms, VaultDouble};
pub use zookeeper::ZooKeeper;

use anyhow::Result;

/// Runs an asynchronous test body for one version, if `PGMON_TEST_VERSIONS` does not leave it out.
pub fn run<F>(major: Major, body: impl FnOnce(Major) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    if !major.is_selected() {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(body(major))
}
