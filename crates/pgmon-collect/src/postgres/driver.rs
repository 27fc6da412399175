//! Drives one configured database: connects, runs the loops' rounds, publishes snapshots.
//!
//! There is one connection, and it runs one statement at a time. Loops share it statement by
//! statement, the most urgent first, so that an hourly round of a minute never delays the hot path by
//! more than one statement.

use super::audit::Audit;
use super::collector::{Query, pg};
use super::collectors;
use super::connect::{self, Route};
use super::decode;
use super::engine::{Engine, Limits, Round, Step};
use super::facts::Facts;
use super::plan::Plan;
use super::run::panic_text;
use super::session::{Guard, QueryError, Session};
use crate::poller::backoff::Backoff;
use crate::poller::fleet::Fleet;
use crate::poller::permits::{Permit, Permits};
use crate::poller::schedule::Schedule;
use crate::poller::timer::Timer;
use futures::FutureExt as _;
use jiff::Timestamp;
use pgmon_config::Entry;
use pgmon_core::snapshot::{Loop, Snapshot, Up};
use pgmon_core::version::PgVersion;
use sqlx::Row as _;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument as _;

/// How often what is known of a server is read again without a reason.
const FACTS_EVERY: Duration = Duration::from_secs(3600);

/// The same while something cannot be seen: somebody may be about to grant it.
const FACTS_EVERY_WHILE_BLIND: Duration = Duration::from_secs(600);

/// A statement of the facts or the audit may take this long: on a catalog of many thousand tables the
/// first one is slow, and without them nothing is watched.
const LEARN_WITHIN: Duration = Duration::from_secs(15);

/// A connection is replaced without a pause at most this often.
const AT_ONCE_APART: Duration = Duration::from_secs(60);

const PULSE: &str = include_str!("pulse.sql");

/// The statement that the driver itself runs: name and text.
pub const STATEMENTS: &[(&str, &[Query])] = &[("pulse", &[pg(12, PULSE)])];

/// What all drivers share.
pub struct Shared {
    /// Intervals, budgets and limits.
    pub plan: Plan,
    /// Where snapshots go.
    pub fleet: Arc<Fleet>,
    /// The caps on connections.
    pub permits: Arc<Permits>,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// Becomes true when the process is to stop.
    pub stop: watch::Receiver<bool>,
}

/// Why a connection is not used.
#[derive(Debug)]
enum Rejection {
    Down(String),
    Failed(QueryError),
    Refused { rights: Vec<String>, remedy: String },
}

impl From<QueryError> for Rejection {
    fn from(error: QueryError) -> Self {
        Self::Failed(error)
    }
}

/// Why a connection's use ended.
#[derive(Debug)]
enum Ended {
    Lost(QueryError),
    /// Another server answers, or the same in another role.
    Changed(&'static str),
    Rejected(Rejection),
    Yielded,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(error) => error.fmt(f),
            Self::Changed(what) => write!(f, "{what}"),
            Self::Rejected(_) => f.write_str("rejected"),
            Self::Yielded => f.write_str("another entry needs the connection"),
        }
    }
}

/// The driver of one entry.
pub struct Driver {
    shared: Arc<Shared>,
    entry: Entry,
    index: usize,
    route: Route,
    engine: Option<Engine>,
    schedules: [Schedule; 4],
    rounds: [Option<Round>; 4],
    snapshot: Snapshot,
    backoff: Backoff,
    /// The hot path, once a round of it has ended, and how long less urgent loops may now work before it
    /// begins another one: as long as it worked itself, so that a server too slow for its interval does
    /// not starve the other loops.
    turn: Option<(Loop, Duration)>,
    /// When the present connection began its work.
    connected_at: Duration,
    /// When a connection was last replaced without a pause.
    reconnected_at_once: Option<Duration>,
}

impl Driver {
    /// The driver of the fleet's cell `index`.
    pub fn new(shared: Arc<Shared>, entry: Entry, index: usize) -> Self {
        let now = shared.timer.mono();
        Self {
            route: Route::new(&entry.connect),
            snapshot: shared.plan.pending(&entry.cluster, &entry.db),
            schedules: Loop::ALL.map(|l| Schedule::new(shared.plan.interval(l), now)),
            rounds: [None, None, None, None],
            engine: None,
            backoff: Backoff::default(),
            turn: None,
            connected_at: now,
            reconnected_at_once: None,
            shared,
            entry,
            index,
        }
    }

    /// Runs until the process stops.
    pub async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        let shared = self.shared.clone();
        let index = self.index;
        let span = tracing::error_span!("database", cluster = %self.entry.cluster, db = %self.entry.db);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.drive().instrument(span) => {}
        }
        shared.fleet.resign(index);
    }

    async fn drive(&mut self) {
        loop {
            let permit = self.shared.permits.acquire(&connect::address(&self.entry.connect)).await;
            // A reply that the protocol's reader stumbles over ends the connection, not the driver.
            let ended = AssertUnwindSafe(self.attempt(&permit)).catch_unwind().await;
            let ended = ended.unwrap_or_else(|panic| Ended::Lost(QueryError::Lost(panic_text(&*panic))));
            drop(permit);
            self.close_rounds();
            let until = match ended {
                // Others wait for a connection to this server: come back when the next round is due.
                Ended::Yielded => self.next_due().0,
                Ended::Rejected(rejection) => self.down(rejection),
                ended if self.may_reconnect_at_once(&ended) => {
                    tracing::warn!("reconnecting: {ended}");
                    continue;
                }
                ended => self.down(Rejection::Down(ended.to_string())),
            };
            self.shared.timer.sleep_until(until).await;
        }
    }

    /// Connects and works until the connection is given up.
    async fn attempt(&mut self, permit: &Permit) -> Ended {
        let mut session = match self.connect().await {
            Ok(session) => session,
            Err(rejection) => return Ended::Rejected(rejection),
        };
        let ended = self.serve(&mut session, permit).await;
        if matches!(ended, Ended::Yielded) {
            session.close().await;
        }
        ended
    }

    /// Whether a connection that ended is replaced without a pause: often only the backend was ended, or
    /// a standby was promoted. Not where the server does not answer, and not often: what ends every
    /// connection must not make a storm of them.
    fn may_reconnect_at_once(&mut self, ended: &Ended) -> bool {
        let now = self.shared.timer.mono();
        let apart = AT_ONCE_APART.max(self.shared.plan.interval(Loop::HotPath));
        let lately = self.reconnected_at_once.is_some_and(|at| now.saturating_sub(at) < apart);
        let allowed = !lately && !matches!(ended, Ended::Lost(QueryError::NoAnswer(_)));
        if allowed {
            self.reconnected_at_once = Some(now);
        }
        allowed
    }

    /// Connects and decides whether the role may be used.
    async fn connect(&mut self) -> Result<Session, Rejection> {
        let plan = &self.shared.plan;
        let guard = Guard { lock_timeout: plan.lock_timeout, pooled: self.entry.pooled };
        let mut session = match self.route.connect(guard, plan.connect_timeout).await {
            Ok(session) => session,
            Err(error) => {
                self.snapshot.connect_errors += 1;
                return Err(error.into());
            }
        };
        self.snapshot.connects += 1;
        self.learn(&mut session).await?;
        Ok(session)
    }

    /// Reads the facts and audits the role; on another server than before, everything begins anew.
    async fn learn(&mut self, session: &mut Session) -> Result<(), Rejection> {
        let limit = self.shared.plan.statement_timeout.max(LEARN_WITHIN);
        let facts = Facts::read(session, limit).await?;
        if facts.version.major() < PgVersion::OLDEST_MAJOR {
            return Err(Rejection::Down(format!(
                "PostgreSQL {} is not supported: pgmon needs {} or newer",
                facts.version_text,
                PgVersion::OLDEST_MAJOR
            )));
        }
        self.audit(session, &facts, limit).await?;
        let facts = Arc::new(facts);
        let key = server_key(&facts);
        let known = self.snapshot.server_key.as_deref() == Some(key.as_str());
        if !known {
            self.shared.fleet.resign(self.index);
        }
        let had_engine = self.engine.is_some();
        match &mut self.engine {
            // After a restart or a failover the data are the same: what collectors remember (the settings at
            // the start, who is in a Top-N) still holds, and what counts anew they tell by its origin.
            Some(engine) if same_data(engine.facts(), &facts) => engine.set_facts(facts.clone()),
            _ => {
                let plan = &self.shared.plan;
                self.engine = Some(Engine::new(
                    collectors::ALL,
                    facts.clone(),
                    plan.settings.clone(),
                    plan.series_per_family,
                    self.entry.discover.then(|| facts.database.as_str().into()),
                ));
            }
        }
        let now = self.shared.timer.mono();
        let same = known && had_engine;
        for (schedule, state) in self.schedules.iter_mut().zip(&self.snapshot.loops) {
            // On the same server a loop keeps its ticks: a connection that merely broke, or was given to
            // another entry for a while, is no reason to read everything again.
            let fresh = state.ended_mono.is_some_and(|at| now.saturating_sub(at) < state.interval);
            if !(same && fresh) {
                schedule.restart(now);
            }
        }
        self.snapshot.server_key = Some(key.into());
        self.snapshot.server = Some(Arc::new(facts.server_info()));
        Ok(())
    }

    async fn audit(
        &mut self,
        session: &mut Session,
        facts: &Facts,
        limit: Duration,
    ) -> Result<(), Rejection> {
        let audit = Audit::read(session, facts, limit).await?;
        self.snapshot.warnings = audit.warnings(facts);
        if audit.can_write() {
            let rights = audit.rights_text();
            if self.shared.plan.enforce_read_only {
                return Err(Rejection::Refused { rights, remedy: audit.remedy_sql(facts) });
            }
            tracing::warn!(
                rights = rights.join("; "),
                "the role can write; security.read_only_enforce is off"
            );
        }
        Ok(())
    }

    /// Uses a connection until it breaks or is wanted elsewhere.
    async fn serve(&mut self, session: &mut Session, permit: &Permit) -> Ended {
        let mut learned = self.shared.timer.mono();
        self.connected_at = learned;
        self.snapshot.quarantined_until = None;
        if self.snapshot.up != Up::Up
            && let Some(server) = &self.snapshot.server
        {
            tracing::info!(
                version = server.version_text,
                standby = server.in_recovery,
                tls = server.tls,
                "connected"
            );
        }
        self.set_up(Up::Up);
        self.publish();
        loop {
            let now = self.shared.timer.mono();
            let blind = self.engine.as_ref().is_some_and(Engine::is_blind);
            if now.saturating_sub(learned) >= if blind { FACTS_EVERY_WHILE_BLIND } else { FACTS_EVERY } {
                learned = now;
                match self.learn_again(session).await {
                    Ok(()) => {}
                    // What was known still holds; a table that was dropped half-way, say, is no reason to
                    // stop watching.
                    Err(Rejection::Failed(error)) if !error.is_fatal() => {
                        tracing::warn!("facts not refreshed: {error}");
                    }
                    Err(rejection) => return Ended::Rejected(rejection),
                }
            }
            let Some(which) = self.most_urgent(now) else {
                if permit.is_wanted() {
                    return Ended::Yielded;
                }
                let (due, _) = self.next_due();
                self.shared.timer.sleep_until(due).await;
                continue;
            };
            match self.advance(which, session).await {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// Reads the facts again without running every loop at once.
    async fn learn_again(&mut self, session: &mut Session) -> Result<(), Rejection> {
        let schedules = self.schedules.clone();
        let before = self.snapshot.server.clone();
        self.learn(session).await?;
        if self.snapshot.server == before {
            self.schedules = schedules;
        }
        Ok(())
    }

    /// The most urgent loop that has a round under way or due, and whose turn it is.
    fn most_urgent(&self, now: Duration) -> Option<Loop> {
        let ready = |l: &Loop| {
            self.rounds.get(l.index()).is_some_and(Option::is_some)
                || self.schedules.get(l.index()).is_some_and(|s| s.due() <= now)
        };
        let less_urgent = match self.turn {
            Some((ended, left)) if !left.is_zero() => Loop::ALL.into_iter().find(|l| *l > ended && ready(l)),
            _ => None,
        };
        less_urgent.or_else(|| Loop::ALL.into_iter().find(ready))
    }

    fn next_due(&self) -> (Duration, Loop) {
        let due = self.schedules.iter().map(Schedule::due).zip(Loop::ALL);
        due.min_by_key(|(at, _)| *at).unwrap_or((Duration::ZERO, Loop::HotPath))
    }

    /// Begins the loop's round, or runs its next statement.
    async fn advance(&mut self, which: Loop, session: &mut Session) -> Result<(), Ended> {
        let plan = &self.shared.plan;
        let clock = self.shared.timer.clone();
        let Some(engine) = &mut self.engine else {
            return Err(Ended::Lost(QueryError::protocol("no facts are known")));
        };
        let i = which.index();
        let (Some(slot), Some(schedule), Some(state)) =
            (self.rounds.get_mut(i), self.schedules.get_mut(i), self.snapshot.loops.get_mut(i))
        else {
            return Ok(());
        };
        let Some(round) = slot else {
            state.missed += schedule.start(clock.mono(), fastrand::f64());
            if which == Loop::HotPath {
                pulse(session, plan, engine.facts()).await?;
                self.snapshot.alive_mono = Some(clock.mono());
            }
            let key = self.snapshot.server_key.clone().unwrap_or_default();
            let leads = self.shared.fleet.lead(&key, self.index, engine.sight());
            if leads && !self.snapshot.leads {
                // What belongs to the server must not be missing until the slow loops' next ticks.
                let now = clock.mono();
                for (other, schedule) in Loop::ALL.into_iter().zip(&mut self.schedules) {
                    if other != which {
                        schedule.restart(now);
                    }
                }
            }
            self.snapshot.leads = leads;
            *slot = Some(engine.begin(which, leads, &*clock));
            return Ok(());
        };
        let budget = plan.budget(which);
        let statement = match which {
            Loop::HotPath | Loop::Workload => plan.statement_timeout,
            // The hot path waits for it: no longer than one of its intervals.
            Loop::Storage | Loop::Hourly => {
                budget.min(plan.interval(Loop::HotPath).max(plan.statement_timeout))
            }
        };
        let limits = Limits { budget, statement };
        let before = clock.mono();
        let step = engine.step(round, session, limits, plan.interval(which), &*clock).await;
        if let Some((ended, left)) = &mut self.turn
            && which > *ended
        {
            *left = left.saturating_sub(clock.mono().saturating_sub(before));
        }
        match step {
            Step::Continue => {
                self.snapshot.alive_mono = Some(clock.mono());
                Ok(())
            }
            Step::Lost(error) => Err(Ended::Lost(error)),
            Step::Over => {
                if let Some(round) = slot.take() {
                    engine.end(round, state, &*clock);
                    if which == Loop::HotPath {
                        self.turn = state.last.map(|(_, worked)| (which, worked));
                    }
                }
                // Only a connection that lasts is a success.
                if clock.mono().saturating_sub(self.connected_at) >= plan.interval(Loop::HotPath) {
                    self.backoff.succeeded();
                }
                self.publish();
                Ok(())
            }
        }
    }

    /// Ends the rounds that were under way when the connection was given up: they failed.
    fn close_rounds(&mut self) {
        for (slot, state) in self.rounds.iter_mut().zip(&mut self.snapshot.loops) {
            if let (Some(round), Some(engine)) = (slot.take(), &mut self.engine) {
                engine.cut_off(round, state, &*self.shared.timer);
            }
        }
    }

    /// Notes that the database cannot be used and returns when to try again.
    fn down(&mut self, rejection: Rejection) -> Duration {
        let interval = self.shared.plan.interval(Loop::HotPath);
        let pause = self.backoff.failed(interval, fastrand::f64());
        let until = self.shared.timer.mono() + pause;
        self.shared.fleet.resign(self.index);
        self.snapshot.leads = false;
        self.snapshot.quarantined_until = self.backoff.is_quarantined().then_some(until);
        let failures = self.backoff.failures();
        let down = |reason: String| {
            tracing::warn!(failures, retry_in_s = pause.as_secs(), "down: {reason}");
            Up::Down { reason }
        };
        let up = match rejection {
            Rejection::Down(reason) => down(reason),
            Rejection::Failed(error) => down(error.to_string()),
            Rejection::Refused { rights, remedy } => {
                let up = Up::Refused { rights: rights.clone(), remedy };
                if self.snapshot.up != up {
                    tracing::error!(
                        rights = rights.join("; "),
                        "refused, because its role can write; /healthz has the SQL for another"
                    );
                }
                // Nothing that was read through such a role stays.
                self.engine = None;
                self.snapshot.alive_mono = None;
                up
            }
        };
        self.set_up(up);
        self.publish();
        until
    }

    fn set_up(&mut self, up: Up) {
        if std::mem::discriminant(&self.snapshot.up) != std::mem::discriminant(&up) {
            self.snapshot.up_since_mono = self.shared.timer.mono();
        }
        self.snapshot.up = up;
    }

    fn publish(&mut self) {
        if let Some(engine) = &self.engine {
            self.snapshot.collectors = engine.states(self.snapshot.leads);
            self.snapshot.dropped = engine.dropped;
        } else {
            self.snapshot.collectors = Vec::new();
        }
        if let Some(cell) = self.shared.fleet.cells().get(self.index) {
            cell.publish(self.snapshot.clone());
        }
    }
}

/// Asks the server whether it is still the one that we know. If not, the connection is given up, so
/// that the facts are read and the role is audited anew.
async fn pulse(session: &mut Session, plan: &Plan, facts: &Facts) -> Result<(), Ended> {
    let limit = plan.statement_timeout.min(plan.budget(Loop::HotPath));
    let (in_recovery, started_at) = read_pulse(session, limit).await.map_err(Ended::Lost)?;
    if in_recovery != facts.in_recovery {
        return Err(Ended::Changed(if in_recovery {
            "the server is a standby now"
        } else {
            "the server is a primary now"
        }));
    }
    if started_at != facts.started_at {
        return Err(Ended::Changed("another server answers"));
    }
    Ok(())
}

async fn read_pulse(session: &mut Session, limit: Duration) -> Result<(bool, Timestamp), QueryError> {
    let rows = session.fetch(PULSE, limit).await?;
    let row = rows.first().ok_or_else(|| QueryError::protocol("the pulse returned no row"))?;
    Ok((row.try_get("in_recovery")?, decode::timestamp(row, "started_at")?))
}

/// Whether two servers hold the same data: the same one, or a standby of it that took its place.
fn same_data(before: &Facts, now: &Facts) -> bool {
    before.system_identifier.is_some()
        && before.system_identifier == now.system_identifier
        && before.database_oid == now.database_oid
        && before.version.major() == now.version.major()
}

/// The same for all connections to one running server, and for no other.
fn server_key(facts: &Facts) -> String {
    format!(
        "{}/{}/{}",
        facts.system_identifier.as_deref().unwrap_or_default(),
        facts.started_at.as_microsecond(),
        facts.in_recovery
    )
}
