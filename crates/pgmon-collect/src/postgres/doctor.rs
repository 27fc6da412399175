//! The doctor: is each database set up so that pgmon sees all it could, and if not, what is it blind
//! to and which SQL mends it? What `pgmon doctor` prints.
//!
//! [`Examiner::examine`] looks at one database: the facts, the write audit, settings and extensions, and one
//! run of every collector, so that what is reported blind or failing is what would be. A [`Report`]
//! merges the findings of all databases into a text with one pasteable block of SQL.

mod block;
mod checks;
mod discover;
mod examine;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
mod text;

pub use discover::{Neighbour, neighbours};
pub use examine::{Examiner, STATEMENTS, Subject};

use super::session::QueryError;
use super::{quote_ident, wording};
use pgmon_core::version::PgVersion;
use serde::Serialize;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// pgmon works, but sees less than it could, or something should be tightened.
    Warn,
    /// pgmon cannot watch this database, or refuses to.
    Fail,
}

/// What a remedy changes, which decides where it stands in the block of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyScope {
    /// The role, once for the whole server.
    Role,
    /// Something in this database.
    Database,
    /// The role may read more, which not everybody wants: printed as a comment.
    Optional,
    /// What others may rely on (settings, rights of PUBLIC): printed as a comment, to be thought about.
    Shared,
}

/// SQL that mends something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What it changes.
    pub scope: RemedyScope,
    /// One or more statements, or a comment where SQL cannot mend it.
    pub sql: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What pgmon does not see because of it: `collector: what`.
    pub disables: Vec<String>,
    /// What mends it.
    pub remedy: Option<Remedy>,
}

impl Check {
    fn new(name: impl Into<String>, status: Status, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status, detail: detail.into(), disables: Vec::new(), remedy: None }
    }

    fn disables(mut self, what: Vec<String>) -> Self {
        self.disables = what;
        self
    }

    fn remedy(mut self, scope: RemedyScope, sql: impl Into<String>) -> Self {
        self.remedy = Some(Remedy { scope, sql: sql.into() });
        self
    }
}

/// The server and role that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The server's version.
    pub version: PgVersion,
    /// The same as the server writes it.
    pub version_text: String,
    /// The role that we are.
    pub role: String,
    /// The database that we are in.
    pub database: String,
    /// The identity of the server's data, where readable.
    pub system_identifier: Option<String>,
    /// Whether it is a standby: then SQL that mends is to be run on its primary.
    pub standby: bool,
}

/// The findings on one configured database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The logical name of the cluster.
    pub cluster: String,
    /// The entry's name.
    pub db: String,
    /// Where it was looked for: `host:port`.
    pub address: String,
    /// What was found there; absent if nothing answered.
    pub found: Option<Found>,
    /// Whether it is no entry of its own but was found by an entry's `discover`.
    pub discovered: bool,
    /// Whether the role can write, so that the entry (or the discovered database) is left alone.
    pub refused: bool,
    /// The name for a new role, where the one that is refused cannot be mended.
    pub new_role: Option<String>,
    /// The findings.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// The findings on a database that cannot be connected to.
    pub fn unreachable(subject: &Subject, error: &QueryError) -> Self {
        let hint = match error.sqlstate() {
            Some("28P01") => "; the password is wrong or missing",
            Some("28000") => "; pg_hba.conf or the role does not allow it: it must have LOGIN",
            Some("3D000") => "; there is no such database",
            Some("42501") => "; the role has no CONNECT right on the database",
            Some("53300") => "; the server, or the role's CONNECTION LIMIT, allows no more connections",
            Some("57P03") => "; the server is starting, stopping or recovering",
            _ => "",
        };
        let check = Check::new("connect", Status::Fail, format!("{}: {error}{hint}", subject.address));
        Self {
            cluster: subject.cluster.clone(),
            db: subject.db.clone(),
            address: subject.address.clone(),
            found: None,
            discovered: false,
            refused: false,
            new_role: None,
            checks: vec![check],
        }
    }

    /// The findings on another database of the server of `entry` that cannot be connected to.
    pub fn unreachable_there(entry: &Self, database: &str, subject: &Subject, error: &QueryError) -> Self {
        Self { discovered: true, found: found_there(entry, database), ..Self::unreachable(subject, error) }
    }

    /// The findings on another database of the server of `entry` that the role may not connect to.
    pub fn closed(entry: &Self, database: &str) -> Self {
        let role = entry.found.as_ref().map_or("", |f| f.role.as_str());
        let grant = format!("GRANT CONNECT ON DATABASE {} TO {};", quote_ident(database), quote_ident(role));
        let check =
            Check::new("connect", Status::Warn, "the role has no CONNECT right: nothing in it is seen")
                .remedy(RemedyScope::Role, grant);
        Self {
            discovered: true,
            found: found_there(entry, database),
            refused: false,
            new_role: None,
            checks: vec![check],
            ..entry.clone()
        }
    }

    /// Adds how the databases are that were discovered.
    pub fn summarize(&mut self, others: &[Self]) {
        let count = |status: Status| others.iter().filter(|d| d.worst() == status).count();
        let detail = match others.len() {
            0 => "there is no other database".to_owned(),
            n => format!(
                "{}: {} well, {} with warnings, {} failed",
                wording::count(n, "other database"),
                count(Status::Ok),
                count(Status::Warn),
                count(Status::Fail)
            ),
        };
        self.checks.push(Check::new("discover", Status::Ok, detail));
    }

    /// Says that the other databases were not looked at.
    pub fn not_discovered(&mut self, why: &str) {
        let detail = format!("the other databases were not looked at: {why}");
        self.checks.push(Check::new("discover", Status::Warn, detail));
    }

    /// How it is on the whole.
    pub fn worst(&self) -> Status {
        self.checks.iter().map(|c| c.status).max().unwrap_or(Status::Ok)
    }
}

/// What is known of another database of the server of an entry.
fn found_there(entry: &Diagnosis, database: &str) -> Option<Found> {
    entry.found.clone().map(|found| Found { database: database.to_owned(), ..found })
}

/// The findings on all databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One for each entry, followed by those that it discovered.
    pub databases: Vec<Diagnosis>,
}

impl Report {
    /// How it is on the whole.
    pub fn worst(&self) -> Status {
        self.databases.iter().map(Diagnosis::worst).max().unwrap_or(Status::Ok)
    }

    /// The exit code: 0 if nothing failed (there may be warnings), 3 if a role can write and its
    /// entry is refused, 1 if anything else failed. 2 is the command line's.
    pub fn exit_code(&self) -> u8 {
        match self.worst() {
            Status::Ok | Status::Warn => 0,
            Status::Fail if self.databases.iter().any(|d| d.refused) => 3,
            Status::Fail => 1,
        }
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "worst": self.worst(),
            "databases": self.databases,
            "sql": self.sql(),
        })
    }
}
