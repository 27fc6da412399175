//! PostgreSQL as a service: is it there, does it let us in, does it answer? For what goes on in it there are
//! `databases`.

#[cfg(test)]
mod tests;

use super::families::Tally;
use super::probe::{Fault, Found, Probing};
use crate::postgres::collector::Statement;
use crate::postgres::connect::Route;
use crate::postgres::session::{Guard, QueryError, Session};
use pgmon_config::ConnectSpec;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::service::Evidence;
use pgmon_secrets::Logins;
use sqlx::Row as _;
use std::sync::Arc;
use std::time::Duration;

/// How long the statement may wait for a lock: it takes none but those on catalogs.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

const SQL: &str = include_str!("postgres/check.sql");

const UP: Desc =
    Desc::gauge("postgres_up", "Whether the server let pgmon in and answered a statement: 1 or 0.", &[]);
const CONNECTIONS: Desc = Desc::gauge("postgres_connections", "Connections of clients.", &[]);
const MAX: Desc = Desc::gauge(
    "postgres_max_connections",
    "Connections that the server takes at most (max_connections).",
    &[],
);
const QUERIES: Desc =
    Desc::counter("postgres_queries_total", "Statements that pgmon ran to check the service.", &[]);
const DURATION: Desc = Desc::gauge(
    "postgres_query_duration_seconds",
    "Time that the last of these statements took, in seconds.",
    &[],
);
const CONNECT: Desc = Desc::gauge(
    "postgres_connect_duration_seconds",
    "Time until the last check was logged in, in seconds.",
    &[],
);
const IN_RECOVERY: Desc =
    Desc::gauge("postgres_in_recovery", "Whether the server is a standby: 1 or 0.", &[]);

/// All families of PostgreSQL as a service.
pub(super) const FAMILIES: &[&Desc] = &[&UP, &CONNECTIONS, &MAX, &QUERIES, &DURATION, &CONNECT, &IN_RECOVERY];

/// Probes one server.
pub(super) struct Postgres {
    route: Route,
}

/// What is shown of a server that is not good.
pub(super) fn down(tally: &Tally, out: &mut Families) {
    if !out.has(UP.name) {
        out.push(&UP, &[], 0.0);
    }
    if !out.has(QUERIES.name) {
        out.push(&QUERIES, &[], tally.requests as f64);
    }
}

impl Postgres {
    /// For this server.
    pub fn new(spec: &ConnectSpec, logins: Arc<dyn Logins>) -> Self {
        Self { route: Route::new(spec, logins) }
    }

    /// Checks it once, with a connection of its own: to be let in is a part of being there.
    pub async fn check(
        &self,
        probing: &Probing<'_>,
        tally: &mut Tally,
        found: &mut Found,
    ) -> Result<(), Fault> {
        found.doing = "while connecting";
        let began = probing.timer.mono();
        // Pooled: the statement is not kept prepared on a connection that ends.
        let guard = Guard { lock_timeout: LOCK_TIMEOUT, pooled: true };
        let mut session = self.route.connect(guard, probing.left()).await.map_err(fault)?;
        found.families.push(&CONNECT, &[], probing.since(began).as_secs_f64());
        found.doing = "while a statement ran";
        tally.requests += 1;
        let result = ask(&mut session, probing, found).await;
        session.close().await;
        found.families.push(&QUERIES, &[], tally.requests as f64);
        result.map_err(fault)
    }
}

async fn ask(session: &mut Session, probing: &Probing<'_>, found: &mut Found) -> Result<(), QueryError> {
    let sent = std::sync::Mutex::new(probing.timer.mono());
    let mut read = None;
    let observe = || {
        *sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = probing.timer.mono();
    };
    let statement = Statement::plain(SQL).once();
    let took_row = |row: sqlx::postgres::PgRow| {
        let connections: i64 = row.try_get("connections")?;
        let most: i64 = row.try_get("max_connections")?;
        let version: String = row.try_get("version")?;
        let in_recovery: bool = row.try_get("in_recovery")?;
        read = Some((connections, most, version, in_recovery));
        Ok(())
    };
    session.run_observed(statement, probing.left(), observe, took_row).await?;
    let sent = *sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let took = probing.since(sent);
    let Some((connections, most, version, in_recovery)) = read else {
        return Err(QueryError::protocol("no row came back"));
    };
    let out = &mut found.families;
    out.push(&UP, &[], 1.0);
    out.push(&CONNECTIONS, &[], connections as f64);
    out.push(&MAX, &[], most as f64);
    out.push(&DURATION, &[], took.as_secs_f64());
    out.push(&IN_RECOVERY, &[], if in_recovery { 1.0 } else { 0.0 });
    let fields = vec![
        ("connections".to_owned(), connections.to_string()),
        ("max_connections".to_owned(), most.to_string()),
        ("version".to_owned(), version.clone()),
        ("in_recovery".to_owned(), in_recovery.to_string()),
    ];
    found.keep(Evidence::fields(SQL, took, fields));
    // `16.4 (Debian 16.4-1)`
    found.version = version.split(' ').next().map(str::to_owned);
    Ok(())
}

/// What went wrong, and whether the login did.
pub(super) fn fault(error: QueryError) -> Fault {
    let login = match &error {
        QueryError::Server { sqlstate, message } => {
            // 28P01 invalid_password, 28000 by pg_hba.conf; PgBouncer's word for both.
            matches!(sqlstate.as_str(), "28P01" | "28000")
                || (sqlstate == "08P01" && message.contains("authentication failed"))
        }
        QueryError::Login(_) => true,
        _ => false,
    };
    if login { Fault::Login(error.to_string()) } else { Fault::down(error.to_string()) }
}
