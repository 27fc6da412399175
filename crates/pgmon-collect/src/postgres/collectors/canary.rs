//! What a client feels: the round trip of the shortest statement, and how long the server takes to plan
//! and run a statement that matters to its users.
//!
//! The round trip is taken in every round. The statement is run once a minute, because EXPLAIN ANALYZE
//! costs more than all else in this loop; its last figures stay until they are taken again.

use crate::postgres::collector::{
    Cx, Need, Outcome, Registered, Scope, Spec, Statement, Steps, USERS_SEARCH_PATH, pg,
};
use crate::postgres::denylist;
use crate::postgres::session::QueryError;
use jiff::Timestamp;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a probe met.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "CanaryProbe")]
pub struct Probe {
    /// `select_1` or `explain`.
    pub probe: &'static str,
    /// When it was taken.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The statement exactly as it was sent.
    pub sql: Cow<'static, str>,
    /// Seconds: the round trip of `select_1`, planning and execution of `explain`.
    pub latency_seconds: f64,
    /// Round trip as seen by pgmon, seconds.
    pub round_trip_seconds: f64,
    /// Planning on the server, seconds.
    pub planning_seconds: Option<f64>,
    /// Execution on the server, seconds.
    pub execution_seconds: Option<f64>,
    /// Pages that planning and execution needed, by where they were.
    pub buffers: Option<Buffers>,
}

/// Pages, by where they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "CanaryBuffers")]
pub struct Buffers {
    /// In shared buffers.
    pub shared_hit: f64,
    /// Read from outside of shared buffers.
    pub shared_read: f64,
    /// Read from temporary files.
    pub temp_read: f64,
    /// Written to temporary files.
    pub temp_written: f64,
}

const LATENCY: Desc = Desc::gauge(
    "pg_canary_latency_seconds",
    "Latency in seconds: select_1 is a round trip as seen by pgmon, explain what the server took to plan and run canary.statement.",
    &["probe"],
);
const BUFFERS: Desc = Desc::gauge(
    "pg_canary_buffers",
    "Pages that planning and running canary.statement needed, by where they were.",
    &["kind"],
);

const SPEC: Spec = Spec {
    name: "canary",
    title: "Canary",
    in_loop: Loop::HotPath,
    scope: Scope::Entry,
    queries: &[pg(12, include_str!("canary/pg12.sql"))],
    follow_ups: &[pg(12, include_str!("canary/explain/pg12.sql"))],
    families: &[&LATENCY, &BUFFERS],
    needs: &[],
    blind_effect: "the latency of canary.statement",
};

/// The registration.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |settings| Box::new(Canary::new(settings.canary_enabled, settings.canary_statement.as_deref())),
    row_schema: || schemars::schema_for!(Vec<Probe>),
};

/// How often the statement is run.
const EXPLAIN_EVERY: Duration = Duration::from_secs(60);

/// After failures it is tried again after 1, 2, 4, ... and then every 16 minutes: a statement that cannot
/// run must not fill the server's log.
const LONGEST_DOUBLING: u32 = 4;

/// The second statement.
enum Explain {
    /// Not wanted.
    Off,
    /// pgmon's own.
    Own,
    /// The configured one, with EXPLAIN before it.
    Configured(Arc<str>),
    /// The configured one is refused, and why.
    Refused(String),
}

/// See the module's head.
struct Canary {
    explain: Explain,
    explaining: bool,
    /// Monotonic time from which on the statement is to be run again.
    due: Duration,
    failures: u32,
    sql: Cow<'static, str>,
    answered: Duration,
    plan: Option<String>,
    round_trip: Option<Probe>,
    measured: Option<Probe>,
    /// Why the statement is not measured; stays while it is not tried.
    blind: Option<Blind>,
}

impl Canary {
    fn new(enabled: bool, statement: Option<&str>) -> Self {
        let explain = match statement {
            _ if !enabled => Explain::Off,
            None => Explain::Own,
            Some(sql) => match denylist::check(sql) {
                Ok(sql) => {
                    Explain::Configured(format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}").into())
                }
                Err(refusal) => Explain::Refused(refusal.to_string()),
            },
        };
        Self {
            explain,
            explaining: false,
            due: Duration::ZERO,
            failures: 0,
            sql: Cow::Borrowed(""),
            answered: Duration::ZERO,
            plan: None,
            round_trip: None,
            measured: None,
            blind: None,
        }
    }

    /// The second statement, if it is to run in this round.
    fn second(&mut self, cx: &Cx) -> Option<Statement> {
        // A round that begins a little early is as good.
        if cx.mono + cx.interval / 2 < self.due {
            return None;
        }
        self.due = cx.mono + EXPLAIN_EVERY;
        match &self.explain {
            Explain::Off => None,
            Explain::Own => cx.facts.pick(SPEC.follow_ups).map(Statement::plain),
            Explain::Configured(sql) => Some(Statement::plain(sql.to_string()).in_path(USERS_SEARCH_PATH)),
            Explain::Refused(why) => {
                let effect = format!("{}: the statement is refused, {why}", SPEC.blind_effect);
                self.blind = Some(configuration(effect));
                None
            }
        }
    }

    fn failed(&mut self, error: &QueryError, cx: &Cx) {
        self.due = cx.mono + EXPLAIN_EVERY * 2_u32.pow(self.failures.min(LONGEST_DOUBLING));
        self.failures = self.failures.saturating_add(1);
        self.measured = None;
        let effect = format!("{}: {error}", SPEC.blind_effect);
        self.blind = Some(match error.sqlstate() {
            Some("42501") => Blind {
                collector: SPEC.name.into(),
                needs: Need::ReadAllData.label(),
                effect,
                remedy: Some(Need::ReadAllData.remedy(&cx.facts)),
            },
            _ => configuration(effect),
        });
    }
}

impl Steps for Canary {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.abort();
        self.sql = Cow::Borrowed(sql);
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if self.explaining {
            // json arrives as its text.
            self.plan = Some(row.try_get_unchecked(0)?);
        }
        Ok(())
    }

    fn answered(&mut self, within: Duration) {
        self.answered = within;
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        let round_trip_seconds = self.answered.as_secs_f64();
        if !self.explaining {
            if let Some(error) = error {
                return Err(error);
            }
            self.round_trip = Some(Probe {
                probe: "select_1",
                at: cx.at,
                sql: self.sql.clone(),
                latency_seconds: round_trip_seconds,
                round_trip_seconds,
                planning_seconds: None,
                execution_seconds: None,
                buffers: None,
            });
            let second = self.second(cx);
            if let Some(statement) = &second {
                self.explaining = true;
                self.sql = statement.sql.clone();
            }
            return Ok(second);
        }
        // The other probe's figure stays good whatever becomes of this one.
        let plan = match error {
            Some(error) => Err(error),
            None => self
                .plan
                .as_deref()
                .and_then(Plan::read)
                .ok_or_else(|| QueryError::protocol("EXPLAIN gave no plan")),
        };
        match plan {
            Ok(plan) => {
                self.failures = 0;
                self.blind = None;
                self.measured = Some(Probe {
                    probe: "explain",
                    at: cx.at,
                    sql: self.sql.clone(),
                    latency_seconds: plan.planning_seconds + plan.execution_seconds,
                    round_trip_seconds,
                    planning_seconds: Some(plan.planning_seconds),
                    execution_seconds: Some(plan.execution_seconds),
                    buffers: Some(plan.buffers),
                });
            }
            Err(error) => self.failed(&error, cx),
        }
        Ok(None)
    }

    fn finish(&mut self, _cx: &Cx) -> Outcome {
        let probes: Vec<Probe> = self.round_trip.take().into_iter().chain(self.measured.clone()).collect();
        let mut out = Families::new();
        samples(&probes, &mut out);
        Outcome {
            families: out.into_vec(),
            data: Some(Arc::new(probes)),
            blind: self.blind.iter().cloned().collect(),
        }
    }

    fn abort(&mut self) {
        self.explaining = false;
        self.plan = None;
        self.round_trip = None;
    }
}

fn samples(probes: &[Probe], out: &mut Families) {
    for probe in probes {
        out.push(&LATENCY, &[probe.probe], probe.latency_seconds);
        if let Some(buffers) = &probe.buffers {
            out.push(&BUFFERS, &["shared_hit"], buffers.shared_hit);
            out.push(&BUFFERS, &["shared_read"], buffers.shared_read);
            out.push(&BUFFERS, &["temp_read"], buffers.temp_read);
            out.push(&BUFFERS, &["temp_written"], buffers.temp_written);
        }
    }
}

/// What `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)` said.
#[derive(Debug, PartialEq)]
struct Plan {
    planning_seconds: f64,
    execution_seconds: f64,
    buffers: Buffers,
}

impl Plan {
    fn read(json: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(json).ok()?;
        let top = json.get(0)?;
        let seconds = |key: &str| top.get(key).and_then(Value::as_f64).map(|ms| ms / 1e3);
        // Up to 12 planning does not count its pages.
        let pages = |key: &str| {
            ["Plan", "Planning"].iter().filter_map(|part| top.get(part)?.get(key)?.as_f64()).sum::<f64>()
        };
        Some(Self {
            planning_seconds: seconds("Planning Time")?,
            execution_seconds: seconds("Execution Time")?,
            buffers: Buffers {
                shared_hit: pages("Shared Hit Blocks"),
                shared_read: pages("Shared Read Blocks"),
                temp_read: pages("Temp Read Blocks"),
                temp_written: pages("Temp Written Blocks"),
            },
        })
    }
}

fn configuration(effect: String) -> Blind {
    Blind { collector: SPEC.name.into(), needs: "canary.statement".into(), effect, remedy: None }
}
