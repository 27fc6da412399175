//! Runs one collector once, statement by statement, and times it.
//!
//! The driver may do something more urgent between two statements; a [`Running`] keeps its place.

use super::collector::{Cx, Outcome, Statement, Steps};
use super::session::{QueryError, Session};
use futures::FutureExt as _;
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{Executed, Loop};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// A collector's run that has begun.
pub struct Running {
    /// The round's surroundings.
    pub cx: Cx,
    sql: &'static str,
    next: Option<Statement>,
    executed: Vec<Executed>,
    spent: Duration,
    retried: bool,
}

/// What a run came to.
pub enum Progress {
    /// Another statement is to be run.
    More,
    /// The run ended well.
    Done(Outcome),
    /// The run failed.
    Failed(QueryError),
}

impl Running {
    /// Begins a run with the text chosen for this server.
    pub fn begin(steps: &mut dyn Steps, sql: &'static str, cx: Cx) -> Result<Self, QueryError> {
        let next = guarded(|| steps.begin(sql, &cx))?.map_err(|e| QueryError::Decode(e.to_string()))?;
        Ok(Self { cx, sql, next: Some(next), executed: Vec::new(), spent: Duration::ZERO, retried: false })
    }

    /// How long its statements took so far.
    pub fn spent(&self) -> Duration {
        self.spent
    }

    /// What ran so far, in order.
    pub fn into_executed(self) -> Vec<Executed> {
        self.executed
    }

    /// Runs the next statement within `limit`.
    ///
    /// A statement that met a lock is tried once more: by then the lock is there to be seen, and the
    /// collectors leave out what is locked.
    pub async fn step(
        &mut self,
        steps: &mut dyn Steps,
        session: &mut Session,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Progress {
        let Some(statement) = self.next.take() else {
            return Progress::Failed(QueryError::protocol("no statement is left to run"));
        };
        // What is kept prepared takes memory here and much more of it on the server, the whole time.
        let seldom = steps.spec().in_loop == Loop::Hourly;
        let statement = if seldom { statement.once() } else { statement };
        let sql = statement.sql.clone();
        let (started_at, started) = (clock.wall(), clock.mono());
        let (mut sent, mut last_row) = (started, None);
        let run = session.run_observed(
            statement,
            limit,
            || sent = clock.mono(),
            |row| {
                last_row = Some(clock.mono());
                // A panic here must not leave the statement half read.
                guarded(|| steps.row(&row)).unwrap_or_else(|e| Err(sqlx::Error::Decode(e.to_string().into())))
            },
        );
        let result = AssertUnwindSafe(run).catch_unwind().await;
        let took = clock.mono().saturating_sub(started);
        self.spent += took;
        let result = match result {
            Ok(result) => result,
            Err(panic) => Err(QueryError::Lost(panic_text(&*panic))),
        };
        self.executed.push(Executed {
            collector: steps.spec().name.into(),
            sql,
            pg_major: self.cx.facts.version.major(),
            started_at,
            duration_ms: took.as_secs_f64() * 1e3,
            rows: *result.as_ref().unwrap_or(&0),
        });
        let error = match result {
            Ok(_) => None,
            Err(e) if e.is_fatal() => return self.fail(steps, e),
            Err(e) if e.is_lock_timeout() && !self.retried && self.executed.len() == 1 => {
                self.retried = true;
                steps.abort();
                return match guarded(|| steps.begin(self.sql, &self.cx)) {
                    Ok(Ok(statement)) => {
                        self.next = Some(statement);
                        Progress::More
                    }
                    _ => self.fail(steps, e),
                };
            }
            Err(e) => Some(e),
        };
        let answered = last_row.unwrap_or(started + took).saturating_sub(sent);
        let end = || {
            steps.answered(answered);
            steps.end(error, &self.cx)
        };
        match guarded(end) {
            Ok(Ok(Some(statement))) => {
                self.next = Some(statement);
                Progress::More
            }
            Ok(Ok(None)) => match guarded(|| steps.finish(&self.cx)) {
                Ok(outcome) => Progress::Done(outcome),
                Err(e) => self.fail(steps, e),
            },
            Ok(Err(e)) | Err(e) => self.fail(steps, e),
        }
    }

    fn fail(&mut self, steps: &mut dyn Steps, error: QueryError) -> Progress {
        steps.abort();
        Progress::Failed(error)
    }
}

/// Calls a collector; a panic in it is its own failure and nobody else's.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, QueryError> {
    std::panic::catch_unwind(AssertUnwindSafe(call)).map_err(|p| QueryError::Decode(panic_text(&*p)))
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the collector panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use crate::postgres::collector::single;
    use crate::postgres::collectors::{wraparound::Wraparound, xmin_horizon::XminHorizon};
    use crate::postgres::testing::Probe;
    use pgmon_testkit::{Major, Server, Tier};
    use sqlx::Row as _;
    use std::time::Duration;

    const PREPARED: &str =
        "SELECT pg_catalog.count(*)::pg_catalog.int8 AS n FROM pg_catalog.pg_prepared_statements";

    #[tokio::test]
    async fn only_what_runs_often_stays_prepared() {
        let server = Server::start(Major(18)).await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        for (registered, kept) in [(single::<Wraparound>(), 0), (single::<XminHorizon>(), 1)] {
            let dsn = server.dsn_as("pgmon", &password, "postgres");
            let mut probe = Probe::new(&dsn, registered).await;
            for _ in 0..2 {
                probe.round().await;
            }
            let rows = probe.session.fetch(PREPARED, Duration::from_secs(60)).await.unwrap();
            assert_eq!(rows[0].get::<i64, _>("n"), kept, "{}", registered.spec.name);
        }
    }
}
