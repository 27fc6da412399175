//! Visits a server's other databases for what is collected per database (`discover: true`).
//!
//! One more connection moves through them, one database after the other; the entry's own connection
//! and its fast loops do not wait for it.

use super::audit::Audit;
use super::collector::{Query, Registered, Scope, pg};
use super::collectors;
use super::connect::Route;
use super::custom::{Custom, Defaults, Place};
use super::driver::{Shared, admit, server_address};
use super::engine::{Engine, Limits, Step};
use super::facts::Facts;
use super::plan::Plan;
use super::run::panic_text;
use super::session::{Guard, QueryError, Session};
use crate::poller::fleet::Cell;
use crate::poller::permits::Permit;
use futures::FutureExt as _;
use pgmon_config::Entry;
use pgmon_core::snapshot::{Blind, CollectorState, Loop, LoopState, Outcome, Up};
use pgmon_secrets::Logins;
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

const DATABASES: &str = include_str!("roamer/databases.sql");

/// The statement that the roamer itself runs: name and text.
pub const STATEMENTS: &[(&str, &[Query])] = &[("databases", &[pg(12, DATABASES)])];

/// Under this name a database that is not looked at appears among the collectors.
const COLLECTOR: &str = "discover";

/// How long to wait before looking again whether the entry's own connection works.
const NOT_YET: Duration = Duration::from_secs(1);

/// Visits the other databases of one entry's server.
pub struct Roamer {
    shared: Arc<Shared>,
    entry: Entry,
    route: Route,
    cell: Arc<Cell>,
    visits: BTreeMap<String, Visit>,
    /// Databases that were not looked at, and why.
    troubles: BTreeMap<String, CollectorState>,
    /// Samples of visited databases left out so far.
    dropped: u64,
    /// What the visits go by.
    plan: Arc<Plan>,
}

/// What is kept of one database between two visits.
struct Visit {
    engine: Engine,
    custom: Custom,
    storage: LoopState,
    hourly: LoopState,
}

/// What a visit came to.
enum Visited {
    Seen,
    /// The role can write there, and nothing was read through it.
    Refused {
        rights: Vec<String>,
        remedy: String,
    },
}

impl Roamer {
    /// The roamer of an entry; its results go to the entry's cell.
    pub fn new(shared: Arc<Shared>, entry: Entry, cell: Arc<Cell>, logins: Arc<dyn Logins>) -> Self {
        Self {
            route: Route::new(&entry.connect, logins),
            plan: shared.plan(),
            shared,
            entry,
            cell,
            visits: BTreeMap::new(),
            troubles: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.roam() => {}
        }
    }

    async fn roam(&mut self) {
        let timer = self.shared.timer.clone();
        loop {
            if self.cell.snapshot().up != Up::Up {
                self.visits.clear();
                self.troubles.clear();
                self.publish();
                timer.sleep_until(timer.mono() + NOT_YET).await;
                continue;
            }
            let started = timer.mono();
            let tour = AssertUnwindSafe(self.tour()).catch_unwind().await;
            if let Err(error) = tour.unwrap_or_else(|panic| Err(QueryError::Lost(panic_text(&*panic)))) {
                tracing::warn!(cluster = %self.entry.cluster, db = %self.entry.db, "discover: {error}");
                // Nothing was listed: try again soon, not in a storage interval.
                timer.sleep_until(timer.mono() + self.shared.plan().interval(Loop::HotPath)).await;
                continue;
            }
            // A tenth of jitter, so that servers that were configured together do not stay in step.
            let jitter = 0.95 + 0.1 * fastrand::f64();
            let mut plans = self.shared.plans.clone();
            loop {
                let pause = plans.borrow_and_update().interval(Loop::Storage).mul_f64(jitter);
                tokio::select! {
                    () = timer.sleep_until(started + pause) => break,
                    changed = plans.changed() => {
                        // The sender is dropped when the process ends.
                        if changed.is_err() {
                            return;
                        }
                        let before = self.plan.queries.clone();
                        self.publish();
                        // Queries that are new are run soon, not in a storage interval.
                        if before != self.plan.queries {
                            break;
                        }
                    },
                }
            }
        }
    }

    /// Visits every database once.
    async fn tour(&mut self) -> Result<(), QueryError> {
        let databases = self.databases().await?;
        self.visits.retain(|name, _| databases.iter().any(|(n, may_connect)| n == name && *may_connect));
        self.troubles.retain(|name, _| databases.iter().any(|(n, _)| n == name));
        for (name, may_connect) in databases {
            if may_connect {
                match self.visit(&name).await {
                    Ok(Visited::Seen) => drop(self.troubles.remove(&name)),
                    Ok(Visited::Refused { rights, remedy }) => self.refused(&name, &rights, remedy),
                    Err(error) => self.failed(&name, &error),
                }
            } else {
                self.cannot_connect(&name);
            }
            self.publish();
        }
        Ok(())
    }

    fn failed(&mut self, name: &str, error: &QueryError) {
        tracing::warn!(cluster = %self.entry.cluster, db = %self.entry.db, datname = name, "discover: {error}");
        if let Some(visit) = self.visits.get_mut(name) {
            visit.engine.fail(error, None);
        }
        let sqlstate = error.sqlstate().map(str::to_owned);
        let outcome = Outcome::Failed { sqlstate, message: format!("{name}: {error}") };
        self.troubled(name, outcome, None);
    }

    fn cannot_connect(&mut self, name: &str) {
        // A leased user is another one next time: its creator has to grant it.
        let user = Some(self.entry.connect.user.as_str()).filter(|user| !user.is_empty());
        let blind = Blind {
            collector: COLLECTOR.into(),
            needs: "CONNECT".into(),
            effect: format!("database {name}: nothing in it is looked at"),
            remedy: user.map(|user| {
                let (database, role) = (super::quote_ident(name), super::quote_ident(user));
                format!("GRANT CONNECT ON DATABASE {database} TO {role};")
            }),
        };
        self.troubled(name, Outcome::Blind, Some(blind));
    }

    /// The role can write there: that is no failure of a visit, and stays so until somebody mends it.
    fn refused(&mut self, name: &str, rights: &[String], remedy: String) {
        // Nothing that was read before stays.
        self.visits.remove(name);
        let rights = rights.join("; ");
        let effect = format!("database {name}: left alone, the role can write in it: {rights}");
        let told = self.troubles.get(name).is_some_and(|t| t.blind.iter().any(|b| b.effect == effect));
        if !told {
            tracing::warn!(
                cluster = %self.entry.cluster,
                db = %self.entry.db,
                datname = name,
                rights,
                "discover: left alone, because the role can write in it; /healthz has the SQL for another"
            );
        }
        let blind =
            Blind { collector: COLLECTOR.into(), needs: "REVOKE".into(), effect, remedy: Some(remedy) };
        self.troubled(name, Outcome::Blind, Some(blind));
    }

    /// Notes that a database was not looked at, so that `/healthz` and the metrics say so.
    fn troubled(&mut self, name: &str, outcome: Outcome, blind: Option<Blind>) {
        let errors = self.troubles.get(name).map_or(0, |t| t.errors);
        let state = CollectorState {
            collector: COLLECTOR.into(),
            in_loop: Loop::Storage,
            server_wide: false,
            datname: Some(name.into()),
            at: self.shared.timer.wall(),
            duration: Duration::ZERO,
            errors: errors + u64::from(matches!(outcome, Outcome::Failed { .. })),
            outcome,
            blind: blind.into_iter().collect(),
            stride: 1,
            good: None,
            custom: None,
        };
        self.troubles.insert(name.to_owned(), state);
    }

    async fn databases(&mut self) -> Result<Vec<(String, bool)>, QueryError> {
        let _permit = self.admit(None).await;
        let mut session = self.connect(&self.route.clone()).await?;
        let rows = session.fetch(DATABASES, self.shared.plan().statement_timeout).await;
        session.close().await;
        rows?.iter().map(|row| Ok((row.try_get("datname")?, row.try_get("may_connect")?))).collect()
    }

    /// Waits for leave to connect; what waits long is told.
    async fn admit(&mut self, name: Option<&str>) -> Permit {
        let shared = self.shared.clone();
        let address = server_address(&self.entry.connect);
        let late = |why: String| {
            tracing::warn!(cluster = %self.entry.cluster, db = %self.entry.db, datname = name, "discover: {why}");
            if let Some(name) = name {
                let message = format!("{name}: {why}");
                self.troubled(name, Outcome::Failed { sqlstate: None, message }, None);
                self.publish();
            }
        };
        admit(&shared.permits, &address, &shared.plan(), &*shared.timer, late).await
    }

    async fn connect(&mut self, route: &Route) -> Result<Session, QueryError> {
        let plan = self.shared.plan();
        let guard = Guard { lock_timeout: plan.lock_timeout, pooled: self.entry.pooled };
        route.connect(guard, plan.connect_timeout).await
    }

    async fn visit(&mut self, name: &str) -> Result<Visited, QueryError> {
        let _permit = self.admit(Some(name)).await;
        let mut session = self.connect(&self.route.to_database(name)).await?;
        let result = self.look_around(&mut session, name).await;
        session.close().await;
        result
    }

    async fn look_around(&mut self, session: &mut Session, name: &str) -> Result<Visited, QueryError> {
        let plan = self.shared.plan();
        let limit = plan.statement_timeout;
        let facts = Facts::read(session, limit).await?;
        let audit = Audit::read(session, &facts, limit).await?;
        if audit.can_write() && plan.enforce_read_only {
            return Ok(Visited::Refused { rights: audit.rights_text(), remedy: audit.remedy_sql(&facts) });
        }
        let facts = Arc::new(facts);
        let limits =
            Defaults { longest: plan.budget(Loop::Storage), rhythm: Some(plan.interval(Loop::Storage)) };
        let visit = self.visits.entry(name.to_owned()).or_insert_with(|| Visit {
            engine: Engine::new(
                collectors::ALL.iter().filter(|c| roams(c)),
                facts.clone(),
                plan.settings.clone(),
                self.cell.cardinality().clone(),
                Some(name.into()),
            )
            .in_visits(),
            custom: Custom::new(
                Place {
                    cluster: self.entry.cluster.as_str().into(),
                    db: self.entry.db.as_str().into(),
                    discover: true,
                    visited: true,
                },
                &plan.queries,
                limits,
            ),
            storage: LoopState::new(Loop::Storage, plan.interval(Loop::Storage), plan.budget(Loop::Storage)),
            hourly: LoopState::new(Loop::Hourly, plan.interval(Loop::Hourly), plan.budget(Loop::Hourly)),
        });
        visit.engine.replan(plan.settings.clone());
        for state in [&mut visit.storage, &mut visit.hourly] {
            (state.interval, state.budget) = (plan.interval(state.name), plan.budget(state.name));
        }
        let timer = &*self.shared.timer;
        visit.custom.set(&plan.queries, limits, timer.mono());
        visit.custom.set_facts(facts.clone(), true, timer.mono());
        let revived = visit.engine.set_facts(facts);
        for state in [&mut visit.storage, &mut visit.hourly] {
            let passed = state.ended_mono.map(|at| timer.mono().saturating_sub(at));
            let rest =
                passed.is_some_and(|passed| !due(passed, state.interval, plan.interval(Loop::Storage)));
            let round = match rest && !revived.contains(&state.name) {
                true => visit.engine.retry_denied(state.name, false, timer),
                false => Some(visit.engine.begin(state.name, false, timer)),
            };
            let Some(mut round) = round else { continue };
            let dropped = visit.engine.dropped;
            let mut lost = None;
            let limits = Limits { budget: state.budget, statement: state.budget };
            loop {
                match visit.engine.step(&mut round, session, limits, state.interval, timer).await {
                    Step::Continue => {}
                    Step::Over => break,
                    Step::Lost(error) => {
                        lost = Some(error);
                        break;
                    }
                }
            }
            self.dropped += visit.engine.dropped.saturating_sub(dropped);
            if let Some(error) = lost {
                visit.engine.abandon(round);
                return Err(error);
            }
            visit.engine.end(round, state, timer);
        }
        let rhythm = plan.interval(Loop::Storage);
        let near = |passed, interval| due(passed, interval, rhythm);
        visit.custom.visit(session, near, timer).await?;
        Ok(Visited::Seen)
    }

    /// Takes over other queries in all databases, so that none shows figures of one that is no more.
    fn follow_plan(&mut self) {
        let plan = self.shared.plan();
        if Arc::ptr_eq(&plan, &self.plan) {
            return;
        }
        let limits =
            Defaults { longest: plan.budget(Loop::Storage), rhythm: Some(plan.interval(Loop::Storage)) };
        let now = self.shared.timer.mono();
        self.visits.values_mut().for_each(|visit| visit.custom.set(&plan.queries, limits, now));
        self.plan = plan;
    }

    fn publish(&mut self) {
        self.follow_plan();
        let of_one =
            |v: &Visit| v.engine.states(false).into_iter().chain(v.custom.states(false)).collect::<Vec<_>>();
        let visited = self.visits.values().flat_map(of_one);
        let states: Vec<CollectorState> = visited.chain(self.troubles.values().cloned()).collect();
        if !(states.is_empty() && self.cell.roamed().is_empty()) {
            self.cell.publish_roamed(states, self.dropped);
        }
    }
}

/// Whether a loop is to run in a visit, `passed` after its last round: visits follow the storage loop's
/// rhythm, and the one that is nearest to the loop's own interval is taken.
fn due(passed: Duration, interval: Duration, rhythm: Duration) -> bool {
    passed + rhythm / 2 >= interval
}

/// Whether a collector is run in databases that are visited.
fn roams(registered: &Registered) -> bool {
    registered.spec.scope == Scope::Database
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_of_visited_databases_keep_their_intervals() {
        let rhythm = Duration::from_secs(600);
        // Minutes between a loop's rounds, by how long its visits are apart.
        let apart = |interval: Duration, visits: f64| {
            let mut passed = Duration::ZERO;
            loop {
                passed += rhythm.mul_f64(visits);
                if due(passed, interval, rhythm) {
                    return passed.as_secs() / 60;
                }
            }
        };
        for jitter in [0.95, 1.0, 1.05] {
            let hourly = apart(Duration::from_secs(3600), jitter);
            assert!((55..=65).contains(&hourly), "{jitter}: every {hourly} minutes");
            let storage = apart(rhythm, jitter);
            assert!((9..=10).contains(&storage), "{jitter}: every {storage} minutes");
        }
        // A tour that took long does not make it run twice.
        assert!(!due(Duration::from_secs(200), rhythm, rhythm));
    }
}
