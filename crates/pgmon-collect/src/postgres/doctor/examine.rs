//! Looks at one database.

use super::checks::{self, Seen, Statements};
use super::{Diagnosis, Found};
use crate::postgres::audit::Audit;
use crate::postgres::collector::{
    Cx, Outcome, Query, Registered, Scope, Settings, Statement, Steps, ext, pg,
};
use crate::postgres::facts::{Choice, Facts};
use crate::postgres::run::{Progress, Running};
use crate::postgres::session::{QueryError, Session};
use pgmon_config::{ConnectSpec, SslMode};
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::Blind;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Row as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SIGHT: &[Query] = &[pg(12, include_str!("sight/pg12.sql"))];
const EXTENSIONS: &[Query] = &[pg(12, include_str!("extensions/pg12.sql"))];
const STATEMENTS_INFO: &[Query] = &[
    ext("pg_stat_statements", (1, 4), include_str!("statements/ext1.4.sql")),
    ext("pg_stat_statements", (1, 9), include_str!("statements/ext1.9.sql")),
];

/// The statements that the doctor runs besides the collectors': name and texts.
pub const STATEMENTS: &[(&str, &[Query])] =
    &[("sight", SIGHT), ("extensions", EXTENSIONS), ("statements", STATEMENTS_INFO)];

/// The configured database.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The logical name of the cluster.
    pub cluster: String,
    /// The entry's name.
    pub db: String,
    /// `host:port`.
    pub address: String,
    /// Whether it is on another machine.
    pub remote: bool,
    /// The TLS mode in force.
    pub sslmode: SslMode,
    /// Whether a role that can write is refused.
    pub enforce_read_only: bool,
    /// Whether it is no entry of its own but was found by `discover`: then only what is collected in
    /// each database is looked at, and what is the server's is left to the entry.
    pub discovered: bool,
}

impl Subject {
    /// From what was configured.
    pub fn new(cluster: &str, db: &str, spec: &ConnectSpec, enforce_read_only: bool) -> Self {
        Self {
            cluster: cluster.to_owned(),
            db: db.to_owned(),
            address: crate::postgres::connect::address(spec),
            remote: spec.is_remote(),
            sslmode: spec.effective_sslmode(),
            enforce_read_only,
            discovered: false,
        }
    }

    /// The same server's other databases.
    pub fn discovered(&self) -> Self {
        Self { discovered: true, ..self.clone() }
    }
}

/// What the doctor works with, the same for all databases.
pub struct Examiner<'a> {
    /// The collectors that are to run.
    pub collectors: &'a [Registered],
    /// What they take from the configuration.
    pub settings: Arc<Settings>,
    /// The time limit of a statement, and of all statements of one collector.
    pub limit: Duration,
    /// The clock of the rounds.
    pub clock: &'a dyn Clock,
}

impl Examiner<'_> {
    /// Looks at a database through a session whose facts and audit have been read.
    /// A role that is refused runs no collector.
    ///
    /// An error means that the connection was lost; whatever else fails is a finding.
    pub async fn examine(
        &self,
        session: &mut Session,
        facts: &Arc<Facts>,
        audit: &Audit,
        subject: &Subject,
    ) -> Result<Diagnosis, QueryError> {
        let Self { collectors, settings, limit, clock } = self;
        let limit = *limit;
        let runs_here = |c: &&Registered| !subject.discovered || c.spec.scope == Scope::Database;
        let collectors: Vec<Registered> = collectors.iter().filter(runs_here).copied().collect();
        let collectors = collectors.as_slice();
        let refused = audit.can_write() && subject.enforce_read_only;
        let mut seen = Seen {
            extensions: checks::extensions(collectors).into_iter().map(|name| (name, None)).collect(),
            others: None,
            statements: None,
            blind: Vec::new(),
            failed: Vec::new(),
            ran: 0,
            unsupported: 0,
        };
        available(session, facts, &mut seen, limit).await?;
        if subject.discovered {
            // The server's statements are counted once, in the entry's database.
            seen.extensions.remove("pg_stat_statements");
        } else {
            sight(session, facts, &mut seen, limit).await?;
            seen.statements = statements(session, facts, limit).await?;
        }
        let runnable = missing(facts, collectors, &mut seen);
        if !refused {
            for (collector, sql) in runnable {
                let mut steps = (collector.make)(settings);
                let cx = Cx {
                    facts: facts.clone(),
                    settings: settings.clone(),
                    at: clock.wall(),
                    mono: clock.mono(),
                    interval: Duration::from_secs(60),
                };
                match round(session, steps.as_mut(), sql, cx, limit, *clock).await {
                    Ok(outcome) => {
                        seen.ran += 1;
                        seen.blind.extend(outcome.blind);
                    }
                    Err(e) if e.is_fatal() => return Err(e),
                    Err(e) => seen.failed.push((collector.spec.name, e.to_string())),
                }
            }
        }
        Ok(Diagnosis {
            cluster: subject.cluster.clone(),
            db: subject.db.clone(),
            address: subject.address.clone(),
            found: Some(Found {
                version: facts.version,
                version_text: facts.version_text.clone(),
                role: facts.role.clone(),
                database: facts.database.clone(),
                system_identifier: facts.system_identifier.clone(),
                standby: facts.in_recovery,
            }),
            discovered: subject.discovered,
            refused,
            new_role: audit.new_role().map(str::to_owned),
            checks: checks::all(facts, audit, subject, collectors, &seen),
        })
    }
}

/// Goes on without what the server refused; a lost connection ends the examination.
fn unless_fatal<T>(result: Result<T, QueryError>) -> Result<Option<T>, QueryError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.is_fatal() => Err(e),
        Err(_) => Ok(None),
    }
}

async fn sight(
    session: &mut Session,
    facts: &Facts,
    seen: &mut Seen,
    limit: Duration,
) -> Result<(), QueryError> {
    let Some(sql) = facts.pick(SIGHT) else { return Ok(()) };
    if let Some(rows) = unless_fatal(session.fetch(sql, limit).await)?
        && let Some(row) = rows.first()
    {
        seen.others = Some((row.try_get("others")?, row.try_get("hidden")?));
    }
    Ok(())
}

async fn available(
    session: &mut Session,
    facts: &Facts,
    seen: &mut Seen,
    limit: Duration,
) -> Result<(), QueryError> {
    let Some(sql) = facts.pick(EXTENSIONS) else { return Ok(()) };
    let names: Vec<&str> = seen.extensions.keys().copied().collect();
    let mut args = PgArguments::default();
    args.add(names).map_err(|e| QueryError::Decode(e.to_string()))?;
    let mut rows: Vec<(String, String)> = Vec::new();
    let run = session
        .run(Statement::with(sql, args), limit, |row| {
            rows.push((row.try_get("name")?, row.try_get("default_version")?));
            Ok(())
        })
        .await;
    unless_fatal(run)?;
    for (name, version) in rows {
        if let Some(slot) = seen.extensions.get_mut(name.as_str()) {
            *slot = Some(version);
        }
    }
    Ok(())
}

async fn statements(
    session: &mut Session,
    facts: &Facts,
    limit: Duration,
) -> Result<Option<Result<Statements, QueryError>>, QueryError> {
    let Some(sql) = facts.pick(STATEMENTS_INFO) else { return Ok(None) };
    match session.fetch(sql, limit).await {
        Ok(rows) => {
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some(Ok(Statements {
                entries: row.try_get("entries")?,
                evictions: row.try_get("evictions")?,
                counted_seconds: row.try_get("counted_seconds")?,
            })))
        }
        Err(e) if e.is_fatal() => Err(e),
        Err(e) => Ok(Some(Err(e))),
    }
}

/// The collectors that run here; what the others lack is noted.
fn missing<'c>(
    facts: &Facts,
    collectors: &'c [Registered],
    seen: &mut Seen,
) -> Vec<(&'c Registered, &'static str)> {
    let mut runnable = Vec::new();
    for collector in collectors {
        match facts.choose(collector.spec) {
            Choice::Run(sql) => runnable.push((collector, sql)),
            Choice::Blind(needs) => seen.blind.extend(needs.into_iter().map(|need| Blind {
                collector: collector.spec.name.into(),
                needs: need.label(),
                effect: collector.spec.blind_effect.to_owned(),
                remedy: Some(need.remedy(facts)),
            })),
            Choice::Unsupported => seen.unsupported += 1,
        }
    }
    runnable
}

/// Runs a collector once, as the driver would.
async fn round(
    session: &mut Session,
    steps: &mut dyn Steps,
    sql: &'static str,
    cx: Cx,
    limit: Duration,
    clock: &dyn Clock,
) -> Result<Outcome, QueryError> {
    let mut running = Running::begin(steps, sql, cx)?;
    loop {
        // What is left of the limit: a collector of many statements must not hold the doctor up.
        let left = limit.saturating_sub(running.spent()).max(Duration::from_millis(100));
        match running.step(steps, session, left, clock).await {
            Progress::More => {}
            Progress::Done(outcome) => return Ok(outcome),
            Progress::Failed(e) => return Err(e),
        }
    }
}

impl Seen {
    /// What is missing, each with the collectors that miss it.
    pub(super) fn blind_by_need(&self) -> BTreeMap<&str, Vec<&Blind>> {
        let mut by_need: BTreeMap<&str, Vec<&Blind>> = BTreeMap::new();
        for blind in &self.blind {
            by_need.entry(&blind.needs).or_default().push(blind);
        }
        by_need
    }
}
