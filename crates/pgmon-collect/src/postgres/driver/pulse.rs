//! Is the server still the one that we know? Asked at the start of each hot_path round.

use crate::postgres::collector::{Query, Statement, pg};
use crate::postgres::decode;
use crate::postgres::facts::Facts;
use crate::postgres::session::{QueryError, Session};
use jiff::Timestamp;
use sqlx::Row as _;
use std::time::Duration;

const PULSE: &str = include_str!("../pulse.sql");

const KNOWN: &str = include_str!("../known.sql");

/// The statements that the driver itself runs: name and texts.
pub const STATEMENTS: &[(&str, &[Query])] = &[("pulse", &[pg(12, PULSE)]), ("known", &[pg(12, KNOWN)])];

/// What the pulse found.
pub(super) enum Pulse {
    /// The server that we know.
    Same,
    /// Another one, or the same in another role: the facts are to be read and the role audited anew.
    Changed(&'static str),
}

/// Asks within `limit`.
pub(super) async fn take(session: &mut Session, facts: &Facts, limit: Duration) -> Result<Pulse, QueryError> {
    let (in_recovery, started_at) = read(session, limit).await?;
    Ok(if in_recovery != facts.in_recovery {
        Pulse::Changed(if in_recovery {
            "the server is a standby now"
        } else {
            "the server is a primary now"
        })
    } else if started_at != facts.started_at {
        Pulse::Changed("another server answers")
    } else {
        Pulse::Same
    })
}

/// Whether the session is one with the server, database and role that `facts` tell of.
pub(super) async fn is_known(
    session: &mut Session,
    facts: &Facts,
    limit: Duration,
) -> Result<bool, QueryError> {
    let rows = session.fetch(KNOWN, limit).await?;
    let row = rows.first().ok_or_else(|| QueryError::protocol("no row tells whether the server is known"))?;
    Ok(row.try_get::<bool, _>("in_recovery")? == facts.in_recovery
        && decode::timestamp(row, "started_at")? == facts.started_at
        && row.try_get::<i64, _>("database_oid")? == facts.database_oid
        && row.try_get::<i64, _>("role_oid")? == facts.role_oid
        && row.try_get::<bool, _>("superuser")? == facts.superuser
        && row.try_get::<bool, _>("tls")? == facts.tls)
}

async fn read(session: &mut Session, limit: Duration) -> Result<(bool, Timestamp), QueryError> {
    let rows = session.fetch_with(Statement::plain(PULSE), limit).await?;
    let row = rows.first().ok_or_else(|| QueryError::protocol("the pulse returned no row"))?;
    Ok((row.try_get("in_recovery")?, decode::timestamp(row, "started_at")?))
}
