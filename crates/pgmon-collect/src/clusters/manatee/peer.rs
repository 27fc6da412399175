//! One peer's PostgreSQL: asked in bounded time, on one kept connection, by guarded and read-only statements.

use crate::postgres::audit::Audit;
use crate::postgres::collector::{Query, pg};
use crate::postgres::connect::Route;
use crate::postgres::facts::Facts;
use crate::postgres::session::{Guard, QueryError, Session};
use sqlx::Row as _;
use std::time::Duration;

const SELF: &str = include_str!("peer/pg12.sql");
const SENDERS: &str = include_str!("peer/senders.sql");

/// The statements, for `pgmon sql`.
pub const STATEMENTS: &[(&str, &[Query])] =
    &[("a member's own view", &[pg(12, SELF)]), ("who replicates from it", &[pg(12, SENDERS)])];

/// Reading the rights of a role takes longer than the rest, and is done once for a connection.
const AUDIT_WITHIN: Duration = Duration::from_secs(10);

/// What asking a peer gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It answered.
    Answered(Box<Finding>),
    /// It could not be asked.
    Failed(String),
    /// It answers, and pgmon asks nothing there, because its role can write.
    Refused(String),
}

/// Why there is no finding.
enum Trouble {
    Query(QueryError),
    Refused(String),
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// What a peer said of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finding {
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The identity of its data.
    pub system_identifier: Option<String>,
    /// The timeline that it is on.
    pub timeline: Option<i64>,
    /// Of a primary: what it has written, bytes.
    pub written_bytes: Option<i64>,
    /// Of a standby: what it has received by streaming, bytes.
    pub received_bytes: Option<i64>,
    /// Of a standby: what it has replayed, bytes.
    pub replayed_bytes: Option<i64>,
    /// Of a standby: time since the last replayed transaction committed, seconds.
    pub replay_age_seconds: Option<f64>,
    /// Who replicates from it.
    pub senders: Vec<Sender>,
}

impl Finding {
    /// Where its log ends for those that replicate from it.
    pub fn source_bytes(&self) -> Option<i64> {
        if self.in_recovery { self.received_bytes.max(self.replayed_bytes) } else { self.written_bytes }
    }

    /// Where its data stand.
    pub fn position_bytes(&self) -> Option<i64> {
        if self.in_recovery { self.replayed_bytes } else { self.written_bytes }
    }
}

/// A row of `pg_stat_replication`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// The client's `application_name`.
    pub application_name: Option<String>,
    /// The client's address; absent on a unix socket.
    pub client_addr: Option<String>,
    /// `startup`, `backup`, `catchup`, `streaming`, `stopping`.
    pub state: Option<String>,
    /// `async`, `potential`, `sync`, `quorum`.
    pub sync_state: Option<String>,
    /// What the client has replayed, bytes.
    pub replay_bytes: Option<i64>,
}

impl Sender {
    /// Whether it serves a base backup, which is no replica: the copy itself, or the log that is copied beside it.
    pub fn is_backup(&self) -> bool {
        self.state.as_deref() == Some("backup") || self.application_name.as_deref() == Some("pg_basebackup")
    }
}

/// How peers are asked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long a statement may take.
    pub statement: Duration,
    /// How long a statement may wait for a lock.
    pub lock: Duration,
    /// Whether a role that can write is refused.
    pub enforce_read_only: bool,
}

/// The way to a peer, and the connection that is kept.
#[derive(Debug)]
pub struct Link {
    route: Route,
    limits: Limits,
    session: Option<Session>,
}

impl Link {
    /// A link that is not connected.
    pub fn new(route: Route, limits: Limits) -> Self {
        Self { route, limits, session: None }
    }

    /// Asks the peer. A connection that broke since the last time is made anew once.
    pub async fn ask(&mut self) -> Asked {
        let kept = self.session.is_some();
        let mut tried = self.try_ask().await;
        let broke = |error: &QueryError| error.is_fatal() && !matches!(error, QueryError::NoAnswer(_));
        if kept && matches!(&tried, Err(Trouble::Query(error)) if broke(error)) {
            tried = self.try_ask().await;
        }
        match tried {
            Ok(finding) => Asked::Answered(Box::new(finding)),
            Err(Trouble::Query(error)) => Asked::Failed(error.to_string()),
            Err(Trouble::Refused(reason)) => Asked::Refused(reason),
        }
    }

    async fn try_ask(&mut self) -> Result<Finding, Trouble> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        // Dropped on an error: what the next attempt begins with is certain then.
        let finding = read(&mut session, self.limits.statement).await?;
        self.session = Some(session);
        Ok(finding)
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let guard = Guard { lock_timeout: self.limits.lock, pooled: false };
        let mut session = self.route.connect(guard, self.limits.connect).await?;
        if self.limits.enforce_read_only {
            let facts = Facts::read(&mut session, AUDIT_WITHIN).await?;
            let audit = Audit::read(&mut session, &facts, AUDIT_WITHIN).await?;
            if audit.can_write() {
                let rights = audit.rights_text();
                let first = rights.first().cloned().unwrap_or_default();
                session.close().await;
                return Err(Trouble::Refused(format!(
                    "refused: pgmon's role there can write ({first}); give `postgres.user` a role made with pgmon setup-sql, or set security.read_only_enforce: false"
                )));
            }
        }
        Ok(session)
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }
}

async fn read(session: &mut Session, limit: Duration) -> Result<Finding, QueryError> {
    let rows = session.fetch(SELF, limit).await?;
    let row = rows.first().ok_or_else(|| QueryError::protocol("a member's own row is missing"))?;
    let hex: Option<String> = row.try_get("primary_timeline")?;
    let of_primary = hex.and_then(|hex| i64::from_str_radix(&hex, 16).ok());
    let mut finding = Finding {
        in_recovery: row.try_get("in_recovery")?,
        system_identifier: row.try_get("system_identifier")?,
        timeline: row.try_get::<Option<i64>, _>("standby_timeline")?.or(of_primary),
        written_bytes: row.try_get("written_bytes")?,
        received_bytes: row.try_get("received_bytes")?,
        replayed_bytes: row.try_get("replayed_bytes")?,
        replay_age_seconds: row.try_get("replay_age_seconds")?,
        senders: Vec::new(),
    };
    for row in session.fetch(SENDERS, limit).await? {
        finding.senders.push(Sender {
            application_name: row.try_get("application_name")?,
            client_addr: row.try_get("client_addr")?,
            state: row.try_get("state")?,
            sync_state: row.try_get("sync_state")?,
            replay_bytes: row.try_get("replay_bytes")?,
        });
    }
    Ok(finding)
}
