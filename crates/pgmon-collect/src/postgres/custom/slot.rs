//! One query in one database: its runs and what they come to.

use super::columns::{self, Column, Shape};
use super::definition::Definition;
use super::runner::Defaults;
use super::take::{Rows, Taken};
use crate::poller::schedule::Schedule;
use crate::postgres::collector::Statement;
use crate::postgres::run::panic_text;
use crate::postgres::session::{QueryError, Session};
use futures::FutureExt as _;
use jiff::Timestamp;
use pgmon_core::clock::Clock;
use pgmon_core::metric::sample_count;
use pgmon_core::snapshot::{CollectorState, Custom as State, Executed, Loop, Outcome, Output};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// A query that is too slow for its time limit, or ends connections, is run at least this often.
const LONGEST_STRIDE: u32 = 16;

/// `query_canceled`
const CANCELLED: &str = "57014";

/// `invalid_sql_statement_name`. The driver looks types up that it meets for the first time, and that look
/// discards a statement that is not kept prepared. The second time it knows them.
const NO_SUCH_STATEMENT: &str = "26000";

/// A query that applies in a database.
pub(super) struct Slot {
    pub(super) definition: Arc<Definition>,
    pub(super) schedule: Schedule,
    pub(super) state: CollectorState,
    /// Known once it has run.
    shape: Option<Arc<Shape>>,
    /// It runs at every `stride`-th tick.
    pub(super) stride: u32,
    /// Ticks left until it runs again.
    pub(super) skip: u32,
    /// Connections lost in a row while it ran.
    losses: u32,
}

/// Why a run gave nothing.
enum Failure {
    Query(QueryError),
    Result(String),
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl Slot {
    pub(super) fn new(
        definition: Arc<Definition>,
        datname: Option<Arc<str>>,
        defaults: Defaults,
        now: Duration,
    ) -> Self {
        let refusal = definition
            .refusal
            .as_ref()
            .map(|reason| Outcome::Failed { sqlstate: None, message: format!("refused: {reason}") });
        let state = CollectorState {
            collector: definition.collector.clone(),
            in_loop: Loop::Workload,
            server_wide: definition.server_wide,
            datname: datname.filter(|_| !definition.server_wide),
            at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            errors: u64::from(refusal.is_some()),
            outcome: refusal.unwrap_or(Outcome::Skipped { reason: "not run yet".into() }),
            blind: Vec::new(),
            stride: 1,
            good: None,
            custom: Some(State::new(definition.interval, Duration::ZERO)),
        };
        let schedule = Schedule::new(definition.interval, now);
        let mut slot = Self { definition, schedule, state, shape: None, stride: 1, skip: 0, losses: 0 };
        slot.stretch_to(1, defaults);
        slot
    }

    /// Whether it is run at all by who leads the server or not.
    pub(super) fn runs(&self, leads: bool, peers: &[(Arc<str>, Arc<str>)]) -> bool {
        let meets = |(cluster, db): &(Arc<str>, Arc<str>)| {
            self.definition.databases.meet(&[db, &format!("{cluster}/{db}")])
        };
        self.definition.refusal.is_none()
            && (!self.definition.server_wide || (leads && peers.iter().any(meets)))
    }

    fn stretch_to(&mut self, stride: u32, defaults: Defaults) {
        self.stride = stride.clamp(1, LONGEST_STRIDE);
        self.skip = self.stride - 1;
        self.state.stride = self.stride;
        self.set_times(defaults);
    }

    /// Says how often it runs, and for how long its results are shown.
    pub(super) fn set_times(&mut self, defaults: Defaults) {
        if let Some(custom) = &mut self.state.custom {
            let own = self.definition.interval * self.stride;
            custom.interval = defaults.rhythm.map_or(own, |rhythm| own.max(rhythm));
            let three = custom.interval * 3;
            custom.keeps = self.definition.cache.map_or(three, |cache| match defaults.rhythm {
                // Between two visits nothing newer can be had.
                Some(_) => cache.max(custom.interval * 2),
                None => cache,
            });
        }
    }

    pub(super) async fn run(
        &mut self,
        session: &mut Session,
        major: u16,
        defaults: Defaults,
        clock: &dyn Clock,
    ) -> Result<(), QueryError> {
        let (at, at_mono) = (clock.wall(), clock.mono());
        let limit = self.definition.timeout.min(defaults.longest);
        let mut executed = Vec::new();
        let result = match self.attempt(session, limit, major, &mut executed, clock).await {
            // It only noticed that the connection was dead: it runs on the next one.
            Err(Failure::Query(error)) if error.is_fatal() && !session.has_sent() => {
                self.skip = 0;
                self.schedule.restart(clock.mono());
                return Err(error);
            }
            result => result,
        };
        self.state.at = at;
        self.state.duration = clock.mono().saturating_sub(at_mono);
        if let Some(custom) = &mut self.state.custom {
            custom.last_mono = Some(at_mono);
        }
        match result {
            Ok(taken) => {
                self.losses = 0;
                self.stretch_to(self.stride / 2, defaults);
                self.took(taken, at, at_mono, executed);
                Ok(())
            }
            Err(Failure::Result(message)) => {
                self.shape = None;
                self.failed(None, message);
                Ok(())
            }
            Err(Failure::Query(error)) => {
                let slow = error.sqlstate() == Some(CANCELLED);
                let hint = if slow { format!("; it may take {limit:?}") } else { String::new() };
                self.failed(error.sqlstate().map(str::to_owned), format!("{}{hint}", without_values(&error)));
                if slow {
                    self.stretch_to(self.stride * 2, defaults);
                } else if !error.is_lock_timeout() {
                    // The tables may have changed.
                    self.shape = None;
                }
                if !error.is_fatal() {
                    self.losses = 0;
                    return Ok(());
                }
                // Once may be chance; what does it again is run less often.
                self.losses += 1;
                if self.losses > 1 {
                    self.stretch_to(LONGEST_STRIDE, defaults);
                }
                Err(error)
            }
        }
    }

    async fn attempt(
        &mut self,
        session: &mut Session,
        limit: Duration,
        major: u16,
        executed: &mut Vec<Executed>,
        clock: &dyn Clock,
    ) -> Result<Taken, Failure> {
        let started = clock.mono();
        let definition = self.definition.clone();
        let mut sender = Sender { definition: &definition, major, executed, clock };
        let shape = match &self.shape {
            Some(shape) => shape.clone(),
            None => {
                let found = match sender.columns(session, limit).await {
                    Err(error) if error.sqlstate() == Some(NO_SUCH_STATEMENT) => {
                        sender.columns(session, limit).await?
                    }
                    found => found?,
                };
                let shape = Arc::new(Shape::new(&definition, &found).map_err(Failure::Result)?);
                self.shape = Some(shape.clone());
                shape
            }
        };
        let left = limit.saturating_sub(clock.mono().saturating_sub(started)).max(limit / 10);
        let mut rows = Rows::default();
        sender.send(session, Statement::plain(shape.sql.clone()), left, |row| rows.push(row, &shape)).await?;
        rows.finish(&definition, &shape).map_err(Failure::Result)
    }

    fn took(&mut self, taken: Taken, at: Timestamp, at_mono: Duration, executed: Vec<Executed>) {
        let (query, datname) = (&*self.definition.name, self.state.datname.clone());
        let datname = datname.as_deref();
        let Some(custom) = &mut self.state.custom else { return };
        match taken {
            Taken::Families(families, note) => {
                if custom.dropped.take().is_some() {
                    tracing::info!(query, datname, series = sample_count(&families), "the result fits again");
                }
                if let Some(note) = note.as_deref().filter(|note| custom.note.as_deref() != Some(*note)) {
                    tracing::info!(query, datname, "{note}");
                }
                custom.note = note.map(Into::into);
                self.state.outcome = Outcome::Ok;
                let good = Output { at, at_mono, families, data: None, executed };
                self.state.good = Some(Arc::new(good));
            }
            Taken::Dropped(dropped) => {
                custom.results_dropped += 1;
                let message = dropped.to_string();
                if custom.dropped.is_none() {
                    tracing::warn!(query, datname, "{message}");
                }
                custom.dropped = Some(Arc::new(dropped));
                self.state.outcome = Outcome::Failed { sqlstate: None, message };
                self.state.good = None;
            }
        }
    }

    fn failed(&mut self, sqlstate: Option<String>, message: String) {
        self.state.errors += 1;
        let outcome = Outcome::Failed { sqlstate, message };
        if self.state.outcome != outcome
            && let Outcome::Failed { message, .. } = &outcome
        {
            let (query, datname) = (&*self.definition.name, self.state.datname.as_deref());
            tracing::warn!(query, datname, "failed: {message}");
        }
        self.state.outcome = outcome;
    }
}

/// Classes of errors in which the server speaks of itself, of names and of rights: connections (08, 57), the
/// transaction (25, 40), prepared statements (26), missing databases and schemas (3D, 3F), names and rights (42),
/// limits (53, 54), locks (55), files (58).
const SPEAKS_OF_ITSELF: [&str; 13] =
    ["08", "0A", "25", "26", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"];

/// What a server says may repeat values, and what a function raises may be any text at all; that is data, and no
/// page's business.
fn without_values(error: &QueryError) -> String {
    let QueryError::Server { sqlstate, message } = error else { return error.to_string() };
    if SPEAKS_OF_ITSELF.iter().any(|class| sqlstate.starts_with(class)) {
        return error.to_string();
    }
    if !sqlstate.starts_with("22") {
        let what =
            if sqlstate.starts_with("P0") { "a function raised an error" } else { "the server refused it" };
        return format!("{what} (SQLSTATE {sqlstate}; its text may hold data: see the server's log)");
    }
    let what = match message.strip_prefix('"').and_then(|rest| rest.rsplit_once('"')) {
        Some((_, said)) => format!("a value{said}"),
        None => message.split([':', '"']).next().unwrap_or_default().trim_end().to_owned(),
    };
    format!("{what} (SQLSTATE {sqlstate}; the value is not repeated here)")
}

/// Sends statements of one run, and notes them.
struct Sender<'s> {
    definition: &'s Definition,
    major: u16,
    executed: &'s mut Vec<Executed>,
    clock: &'s dyn Clock,
}

impl Sender<'_> {
    /// Asks for the query's columns.
    async fn columns(&mut self, session: &mut Session, limit: Duration) -> Result<Vec<Column>, QueryError> {
        let mut found = Vec::new();
        let probe = Statement::plain(columns::probe(&self.definition.sql)).once();
        self.send(session, probe, limit, |row| {
            found = columns::read(row);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn send(
        &mut self,
        session: &mut Session,
        statement: Statement,
        limit: Duration,
        mut on_row: impl FnMut(&sqlx::postgres::PgRow) -> Result<(), sqlx::Error> + Send,
    ) -> Result<(), QueryError> {
        let (started_at, started) = (self.clock.wall(), self.clock.mono());
        let sql = statement.sql.clone();
        let statement = statement.in_path(self.definition.search_path.to_string());
        let run = AssertUnwindSafe(session.run(statement, limit, |row| on_row(&row))).catch_unwind();
        let result = match run.await {
            Ok(result) => result,
            Err(panic) => Err(QueryError::Lost(panic_text(&*panic))),
        };
        self.executed.push(Executed {
            collector: self.definition.collector.clone(),
            sql,
            pg_major: self.major,
            started_at,
            duration_ms: self.clock.mono().saturating_sub(started).as_secs_f64() * 1e3,
            rows: *result.as_ref().unwrap_or(&0),
        });
        result.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_names_is_repeated_and_what_may_be_data_is_not() {
        let said = |sqlstate: &str, message: &str| {
            without_values(&QueryError::Server { sqlstate: sqlstate.into(), message: message.into() })
        };
        assert_eq!(
            said("42P01", "relation \"orders\" does not exist"),
            "relation \"orders\" does not exist (SQLSTATE 42P01)"
        );
        assert!(
            said("22P02", "invalid input syntax for type integer: \"canary\"")
                .starts_with("invalid input syntax for type integer (")
        );
        let range = said("22003", "\"1canary\"2\" is out of range for type double precision");
        assert!(
            range.starts_with("a value is out of range for type double precision (SQLSTATE 22003"),
            "{range}"
        );
        for sqlstate in ["P0001", "23514", "38000", "XX000", "Z1234", ""] {
            let text = said(sqlstate, "customer canary owes 42 EUR");
            assert!(!text.contains("canary") && text.contains(sqlstate), "{text}");
        }
    }
}
