//! The other databases of a `discover: true` entry's server.

use crate::postgres::facts::Facts;
use crate::postgres::roamer;
use crate::postgres::session::{QueryError, Session};
use sqlx::Row as _;
use std::time::Duration;

/// Another database of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Whether our role may connect to it.
    pub may_connect: bool,
}

/// The databases that the agent would visit, by the statement that it uses.
pub async fn neighbours(
    session: &mut Session,
    facts: &Facts,
    limit: Duration,
) -> Result<Vec<Neighbour>, QueryError> {
    let mut found = Vec::new();
    for (_, queries) in roamer::STATEMENTS {
        let sql = facts.pick(queries).ok_or_else(|| QueryError::protocol("unsupported version"))?;
        for row in session.fetch(sql, limit).await? {
            found.push(Neighbour { name: row.try_get("datname")?, may_connect: row.try_get("may_connect")? });
        }
    }
    Ok(found)
}
