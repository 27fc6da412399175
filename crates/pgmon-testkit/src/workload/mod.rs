//! What goes on in a database: each function returns when its effect can be seen.
//!
//! Functions that answer a [`Workload`] keep it up until that is stopped or dropped; the others
//! leave objects behind in the database.

mod churn;
mod locks;
mod pgbench;
mod schema;
mod sessions;

use std::process::Child;

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinHandle;

pub use churn::{bloat, dead_tuples, temp_spill, wal_burst};
pub use locks::{access_exclusive, ddl_queue, lock_chain, prepared_xact_blocker};
pub use pgbench::pgbench;
pub use schema::{
    PARTITIONED, duplicate_index, hostile_names, invalid_index, many_tables, partitions,
    sequence_nearly_exhausted, unused_index,
};
pub use sessions::{connections, idle_in_transaction, long_transaction};

use crate::Server;
use crate::access::{execute, query};

/// Sessions that keep something up. It ends with [`Workload::stop`], or soon after a drop.
#[derive(Debug)]
pub struct Workload {
    admin: PgConnectOptions,
    pids: Vec<i32>,
    held: Vec<PgConnection>,
    tasks: Vec<JoinHandle<()>>,
    programs: Vec<Child>,
    undo: Vec<String>,
}

impl Workload {
    fn new(server: &Server, database: &str) -> Self {
        let admin = server.connect_options(database).disable_statement_logging();
        Self { admin, pids: vec![], held: vec![], tasks: vec![], programs: vec![], undo: vec![] }
    }

    /// The backends, in the order in which the workload describes them.
    pub fn pids(&self) -> &[i32] {
        &self.pids
    }

    /// A session that has run `sql` and then stays idle.
    async fn hold(&mut self, name: &str, sql: &str) -> Result<i32> {
        let (mut session, pid) = self.session(name).await?;
        execute(&mut session, sql).await?;
        self.held.push(session);
        Ok(pid)
    }

    /// A session that has run `before` and is at work on `sql`.
    async fn run(&mut self, name: &str, before: &str, sql: &str) -> Result<i32> {
        let (mut session, pid) = self.session(name).await?;
        execute(&mut session, before).await?;
        let sql = sql.to_owned();
        self.tasks.push(tokio::spawn(async move {
            // An error is how it ends: the session is terminated, or what it waits for is gone.
            let _ = execute(&mut session, &sql).await;
            std::future::pending::<()>().await;
        }));
        Ok(pid)
    }

    /// As [`Workload::run`], for a statement that has to wait for a lock: waits until it does.
    async fn run_blocked(&mut self, name: &str, before: &str, sql: &str) -> Result<i32> {
        let pid = self.run(name, before, sql).await?;
        let waits = format!("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}");
        let mut admin = self.admin.connect().await?;
        for _ in 0..1000 {
            if query::<Option<bool>>(&mut admin, &waits).await? == Some(true) {
                return Ok(pid);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("session {name} was expected to wait for a lock: {sql}")
    }

    async fn session(&mut self, name: &str) -> Result<(PgConnection, i32)> {
        let options = self.admin.clone().application_name(name);
        let mut session = options.connect().await?;
        let pid = query(&mut session, "SELECT pg_backend_pid()").await?;
        self.pids.push(pid);
        Ok((session, pid))
    }

    /// Ends it; its sessions are gone when this returns.
    pub async fn stop(mut self) -> Result<()> {
        self.end();
        let mut admin = self.admin.connect().await?;
        for undo in &self.undo {
            execute(&mut admin, undo).await?;
        }
        let pids =
            format!("'{{{}}}'::int[]", self.pids.iter().map(i32::to_string).collect::<Vec<_>>().join(","));
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY ({pids})");
        execute(&mut admin, &end).await?;
        let gone = format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY ({pids})");
        while !query::<bool>(&mut admin, &gone).await? {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        admin.close().await.ok();
        Ok(())
    }

    fn end(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        for task in &self.tasks {
            task.abort();
        }
        self.held.clear();
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.end();
    }
}
