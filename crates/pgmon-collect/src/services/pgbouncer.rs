//! PgBouncer, through its console: a login of `stats_users` or `admin_users`, and `SHOW` alone.

mod figures;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod table;
#[cfg(test)]
mod tests;

use super::postgres::fault;
use super::probe::{Fault, Found, Probing};
use crate::postgres::connect::Route;
use crate::postgres::session::{Guard, QueryError, Session};
use pgmon_config::ConnectSpec;
use pgmon_core::metric::Families;
use pgmon_core::service::Evidence;
use pgmon_secrets::Logins;
use sqlx::{Column as _, Row as _};
use std::sync::Arc;
use std::time::Duration;
use table::Table;

pub(super) use figures::FAMILIES;

/// Probes one pooler.
pub(super) struct PgBouncer {
    route: Route,
}

/// What is shown of a pooler that is not good.
pub(super) fn down(out: &mut Families) {
    if !out.has(figures::UP.name) {
        out.push(&figures::UP, &[], 0.0);
    }
}

impl PgBouncer {
    /// For this pooler.
    pub fn new(spec: &ConnectSpec, logins: Arc<dyn Logins>) -> Self {
        Self { route: Route::new(spec, logins) }
    }

    /// Checks it once.
    pub async fn check(&self, probing: &Probing<'_>, found: &mut Found) -> Result<(), Fault> {
        found.doing = "while connecting";
        let guard = Guard { lock_timeout: Duration::ZERO, pooled: true };
        let mut session = self.route.connect(guard, probing.left()).await.map_err(refused)?;
        found.doing = "while its console was asked";
        let result = ask(&mut session, probing, found).await;
        session.close().await;
        result
    }
}

async fn ask(session: &mut Session, probing: &Probing<'_>, found: &mut Found) -> Result<(), Fault> {
    let said = show(session, "SHOW VERSION", probing, found).await?;
    let version = version(&said);
    found.families.push(&figures::UP, &[], 1.0);
    let pools = show(session, "SHOW POOLS", probing, found).await?;
    let stats = show(session, "SHOW STATS", probing, found).await?;
    let lists = show(session, "SHOW LISTS", probing, found).await?;
    let databases = show(session, "SHOW DATABASES", probing, found).await?;
    // Versions before 1.22 do not know it.
    let state = show(session, "SHOW STATE", probing, found).await.ok();
    found.version = version;
    figures::take(&figures::Told { pools, stats, lists, databases, state }, found)
}

/// The version of `PgBouncer 1.18.0`.
fn version(said: &Table) -> Option<String> {
    let text = said.rows.first()?.first()?.as_deref()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// What went wrong. That the console is not for everybody is told at the login, and in two words.
fn refused(error: QueryError) -> Fault {
    match fault(error) {
        Fault::Bad(why) if why.starts_with("not allowed") => {
            Fault::down(format!("{why}: the user must be one of stats_users or admin_users"))
        }
        fault => fault,
    }
}

/// Runs one command of the console.
async fn show(
    session: &mut Session,
    command: &'static str,
    probing: &Probing<'_>,
    found: &mut Found,
) -> Result<Table, Fault> {
    let began = probing.timer.mono();
    let rows = session.console(command, probing.left()).await.map_err(|error| match refused(error) {
        Fault::Bad(why) => Fault::down(format!("{command}: {why}")),
        login @ Fault::Login(_) => login,
    })?;
    let mut table = Table::default();
    for row in &rows {
        if table.columns.is_empty() {
            table.columns = row.columns().iter().map(|column| column.name().to_owned()).collect();
        }
        let text = |n| {
            let value = row.try_get_raw(n).ok()?;
            value.as_str().ok().map(str::to_owned)
        };
        table.rows.push((0..row.len()).map(text).collect());
    }
    found.keep(evidence(command, &table, probing.since(began)));
    Ok(table)
}

/// What is shown as evidence: a name and what else there is of it, as `column=value`. Hosts, users and the like stay
/// out of it.
fn evidence(command: &str, table: &Table, took: Duration) -> Evidence {
    let hidden = |column: &str| {
        matches!(column, "user" | "force_user" | "host" | "port" | "current_client_id" | "client_id")
    };
    let row = |row: &Vec<Option<String>>| {
        let mut cells = table.columns.iter().zip(row).filter(|(column, _)| !hidden(column));
        let name = cells.next().and_then(|(_, value)| value.clone()).unwrap_or_default();
        let rest = cells.filter_map(|(column, value)| Some(format!("{column}={}", value.as_deref()?)));
        (name, rest.collect::<Vec<_>>().join(" "))
    };
    Evidence::fields(command, took, table.rows.iter().map(row).collect())
}
