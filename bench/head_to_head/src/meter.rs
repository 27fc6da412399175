//! What the server says and spends, seen from a session that is not counted.

use anyhow::{Context as _, Result, bail};
use head_to_head::process;
use pgmon_testkit::{PgConnection, Server};
use std::time::Duration;

/// A connection that is kept over all measurements, so that its own coming and going is not counted.
pub struct Meter<'a> {
    server: &'a Server,
    admin: PgConnection,
}

/// What one role has caused so far; differences between two readings count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// CPU time of its backends.
    pub cpu: Duration,
    /// Statements that it sent, with BEGIN, SET and COMMIT.
    pub statements: i64,
    /// Sessions that were opened on the server by anybody (14 and later).
    pub sessions: Option<i64>,
    /// Its connections now.
    pub connections: usize,
}

impl Reading {
    /// What has come since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            statements: self.statements - earlier.statements,
            sessions: self.sessions.zip(earlier.sessions).map(|(now, then)| now - then),
            connections: self.connections,
        }
    }
}

impl<'a> Meter<'a> {
    /// Connects.
    pub async fn new(server: &'a Server) -> Result<Self> {
        Ok(Self { server, admin: server.connect(crate::scenario::DATABASE).await? })
    }

    /// Reads everything about a role.
    ///
    /// CPU time: that of its live backends by their `schedstat`, and that of all children of the
    /// postmaster that have ended (autovacuum is off and the load keeps its sessions, so these are the
    /// exporter's short sessions and its parallel workers). A backend that ends between two readings
    /// moves from the first sum to the second with all that it has spent: nothing is lost or counted
    /// twice.
    pub async fn read(&mut self, role: &str) -> Result<Reading> {
        let statements = sqlx::query_scalar(
            "SELECT coalesce(sum(calls), 0)::int8 FROM pg_stat_statements(false) s \
             JOIN pg_roles r ON r.oid = s.userid WHERE rolname = $1",
        )
        .bind(role)
        .fetch_one(&mut self.admin)
        .await?;
        let sessions = sqlx::query_scalar(
            "SELECT sum((to_jsonb(d) ->> 'sessions')::int8)::int8 FROM pg_stat_database d",
        )
        .fetch_one(&mut self.admin)
        .await?;
        for _ in 0..100 {
            let ended = self.cpu_of_ended()?;
            let backends = self.backends(role).await?;
            let live: Option<Duration> = backends.iter().map(|pid| process::cpu(*pid)).sum();
            // A backend that ended meanwhile may be in neither sum, or in both.
            if let Some(live) = live
                && self.cpu_of_ended()? == ended
                && self.backends(role).await? == backends
            {
                return Ok(Reading { cpu: live + ended, statements, sessions, connections: backends.len() });
            }
        }
        bail!("the sessions of {role} come and go too fast to be counted")
    }

    /// The role's connections now.
    pub async fn connections(&mut self, role: &str) -> Result<usize> {
        Ok(self.backends(role).await?.len())
    }

    async fn backends(&mut self, role: &str) -> Result<Vec<u32>> {
        let pids: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE usename = $1 ORDER BY pid")
                .bind(role)
                .fetch_all(&mut self.admin)
                .await?;
        Ok(pids.into_iter().filter_map(|pid| u32::try_from(pid).ok()).collect())
    }

    fn cpu_of_ended(&self) -> Result<Duration> {
        process::cpu_of_ended_children(self.server.pid().context("the server has ended")?)
    }
}
