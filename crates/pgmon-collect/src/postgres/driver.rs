//! Drives one configured database: connects, runs the loops' rounds, publishes snapshots.
//!
//! There is one connection, and it runs one statement at a time. Loops share it statement by
//! statement, the most urgent first, so that an hourly round of a minute never delays the hot path by
//! more than one statement.

use super::connect::Route;
use super::custom::Custom;
use super::engine::{Engine, Round};
use super::plan::Plan;
use super::run::panic_text;
use super::session::{QueryError, Session};
use crate::poller::backoff::Backoff;
use crate::poller::beginnings::Beginning;
use crate::poller::fleet::{Cell, Fleet, Ticket};
use crate::poller::permits::{Permit, Permits};
use crate::poller::schedule::Schedule;
use crate::poller::timer::Timer;
use admission::Rejection;
use futures::FutureExt as _;
use pgmon_config::Entry;
use pgmon_core::snapshot::{Loop, Snapshot};
use pgmon_secrets::{Login, Logins};
use report::Told;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument as _;
use turns::{Next, Turns};

mod admission;
mod adoption;
mod pulse;
mod queries;
mod report;
mod rounds;
mod turns;

pub(super) use admission::admit;
pub use admission::server_address;
pub use pulse::STATEMENTS;

/// How often what is known of a server is read again without a reason.
const FACTS_EVERY: Duration = Duration::from_secs(3600);

/// The same while something cannot be seen: somebody may be about to grant it.
const FACTS_EVERY_WHILE_BLIND: Duration = Duration::from_secs(600);

/// A connection is replaced without a pause at most this often.
const AT_ONCE_APART: Duration = Duration::from_secs(60);

/// After so many pulses in a row without a result the connection is given up.
const LOST_AFTER_PULSES: u32 = 3;

/// What all drivers share.
#[derive(Clone)]
pub struct Shared {
    /// Intervals, budgets and limits; those of a new configuration take their place.
    pub plans: watch::Receiver<Arc<Plan>>,
    /// Where snapshots go.
    pub fleet: Arc<Fleet>,
    /// The caps on connections.
    pub permits: Arc<Permits>,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// Becomes true when who has this is to stop.
    pub stop: watch::Receiver<bool>,
}

impl Shared {
    /// The plan in force.
    pub fn plan(&self) -> Arc<Plan> {
        self.plans.borrow().clone()
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
    /// The login will not be good for much longer, and there is another one.
    Outdated,
}

impl Ended {
    fn without_facts() -> Self {
        Self::Lost(QueryError::protocol("no facts are known"))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(error) => error.fmt(f),
            Self::Changed(what) => write!(f, "{what}"),
            Self::Rejected(_) => f.write_str("rejected"),
            Self::Yielded => f.write_str("another entry needs the connection"),
            Self::Outdated => f.write_str("there is a new login"),
        }
    }
}

/// The driver of one entry.
pub struct Driver {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    plans: watch::Receiver<Arc<Plan>>,
    entry: Entry,
    cell: Arc<Cell>,
    ticket: Ticket,
    route: Route,
    /// What the present connection was made with.
    login: Option<Login>,
    engine: Option<Engine>,
    schedules: [Schedule; 4],
    rounds: [Option<Round>; 4],
    /// Loops whose last round ended with its connection.
    cut: [bool; 4],
    snapshot: Snapshot,
    backoff: Backoff,
    turns: Turns,
    /// When the facts were last read and the role audited; `None` if that must be done on the next connection.
    learned_at: Option<Duration>,
    /// Leave to begin, until everything has been done once.
    beginning: Option<Beginning>,
    /// When the present connection began its work.
    connected_at: Duration,
    /// Since when no connection was lost, whoever had one in between.
    well_since: Option<Duration>,
    /// When a connection was last replaced without a pause.
    reconnected_at_once: Option<Duration>,
    /// Pulses in a row that gave no result on the present connection.
    failed_pulses: u32,
    told: Told,
    /// The queries of the configuration.
    custom: Custom,
}

impl Driver {
    /// The driver of an entry, which publishes in the entry's cell and logs in as `logins` say.
    pub fn new(shared: Arc<Shared>, entry: Entry, cell: Arc<Cell>, logins: Arc<dyn Logins>) -> Self {
        let now = shared.timer.mono();
        let mut plans = shared.plans.clone();
        let plan = plans.borrow_and_update().clone();
        let mut snapshot = plan.pending(&entry.cluster, &entry.db);
        // The driver before this one has counted as well.
        let before = cell.snapshot();
        (snapshot.connects, snapshot.connect_errors) = (before.connects, before.connect_errors);
        Self {
            route: Route::new(&entry.connect, logins),
            login: None,
            snapshot,
            schedules: Loop::ALL.map(|l| Schedule::new(plan.interval(l), now)),
            rounds: [None, None, None, None],
            cut: [false; 4],
            engine: None,
            backoff: Backoff::default(),
            turns: Turns::default(),
            learned_at: None,
            beginning: None,
            connected_at: now,
            well_since: None,
            reconnected_at_once: None,
            failed_pulses: 0,
            told: Told::default(),
            custom: queries::of(&plan, &entry),
            ticket: shared.fleet.ticket(),
            plan,
            plans,
            shared,
            entry,
            cell,
        }
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        let (shared, ticket) = (self.shared.clone(), self.ticket);
        let span = tracing::error_span!("database", cluster = %self.entry.cluster, db = %self.entry.db);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.drive().instrument(span) => {}
        }
        shared.fleet.retire(ticket);
    }

    async fn drive(&mut self) {
        loop {
            let mut permit = self.admit().await;
            // A reply that the protocol's reader stumbles over ends the connection, not the driver.
            let ended = AssertUnwindSafe(self.attempt(&mut permit)).catch_unwind().await;
            let ended = ended.unwrap_or_else(|panic| Ended::Lost(QueryError::Lost(panic_text(&*panic))));
            self.beginning = None;
            drop(permit);
            if !matches!(ended, Ended::Yielded | Ended::Outdated) {
                self.well_since = None;
                self.close_rounds(matches!(ended, Ended::Lost(QueryError::NoAnswer(_))));
            }
            if !matches!(ended, Ended::Yielded) {
                self.learned_at = None;
            }
            let until = match ended {
                // Others wait for a connection to this server: come back when there is something to do.
                // Rounds that were under way go on then.
                Ended::Yielded => match self.next(self.shared.timer.mono()) {
                    Some(_) => self.shared.timer.mono(),
                    None => self.next_work(),
                },
                Ended::Outdated => continue,
                Ended::Rejected(rejection) => self.down(rejection),
                ended if self.may_reconnect_at_once(&ended) => {
                    tracing::warn!("reconnecting: {ended}");
                    continue;
                }
                ended => self.down(Rejection::Down(ended.to_string())),
            };
            tokio::select! {
                () = self.shared.timer.sleep_until(until) => {}
                // Something was mended, perhaps.
                () = news(&mut self.plans) => {}
            }
            if self.adopt().is_some_and(|adopted| adopted.audit) {
                self.learned_at = None;
            }
        }
    }

    /// Connects and works until the connection is given up.
    async fn attempt(&mut self, permit: &mut Permit) -> Ended {
        let mut session = match self.connect().await {
            Ok(session) => session,
            Err(rejection) => return Ended::Rejected(rejection),
        };
        let ended = self.serve(&mut session, permit).await;
        if matches!(ended, Ended::Yielded | Ended::Outdated) {
            session.close().await;
        }
        ended
    }

    /// Whether a connection that ended is replaced without a pause: often only the backend was ended, or
    /// a standby was promoted. Not where the server does not answer, and not often: what ends every
    /// connection must not make a storm of them.
    fn may_reconnect_at_once(&mut self, ended: &Ended) -> bool {
        let now = self.shared.timer.mono();
        let apart = AT_ONCE_APART.max(self.plan.interval(Loop::HotPath));
        let lately = self.reconnected_at_once.is_some_and(|at| now.saturating_sub(at) < apart);
        let allowed = !lately && !matches!(ended, Ended::Lost(QueryError::NoAnswer(_)));
        if allowed {
            self.reconnected_at_once = Some(now);
        }
        allowed
    }

    /// Uses a connection until it breaks or is wanted elsewhere.
    async fn serve(&mut self, session: &mut Session, permit: &mut Permit) -> Ended {
        self.connected_at = self.shared.timer.mono();
        self.well_since.get_or_insert(self.connected_at);
        self.failed_pulses = 0;
        self.is_up();
        loop {
            let now = self.shared.timer.mono();
            let adopted = self.adopt();
            if adopted.is_some() {
                session.set_lock_timeout(self.plan.lock_timeout);
            }
            if adopted.is_some_and(|adopted| adopted.audit) || self.must_learn(now) {
                self.learned_at = Some(now);
                if let Err(ended) = self.learn_again(session).await {
                    return ended;
                }
            }
            let next = self.next(now);
            // Others may begin.
            if next.is_none() {
                self.beginning = None;
            }
            // Who has nothing to do gives way at once, and who is never done after an interval.
            let had_its_turn = now.saturating_sub(self.connected_at) >= self.plan.interval(Loop::HotPath);
            let may_end = next.is_none() || had_its_turn;
            if may_end && permit.give_way() {
                return Ended::Yielded;
            }
            if may_end && self.login.as_ref().is_some_and(|login| self.route.is_outdated(login)) {
                tracing::info!("connecting anew with the next login");
                return Ended::Outdated;
            }
            let worked = match next {
                Some(Next::Query) => self.ask(session).await,
                Some(Next::Loop(which)) => self.advance(which, session).await,
                None => {
                    let due = self.next_work();
                    tokio::select! {
                        () = self.shared.timer.sleep_until(due) => {}
                        () = permit.wanted() => {}
                        () = self.route.outdated(self.login.as_ref()) => {}
                        () = news(&mut self.plans) => {}
                    }
                    Ok(())
                }
            };
            if let Err(ended) = worked {
                return ended;
            }
        }
    }

    /// Whether what is known of the server is to be read again.
    fn must_learn(&self, now: Duration) -> bool {
        let blind = self.engine.as_ref().is_some_and(Engine::is_blind);
        let every = if blind { FACTS_EVERY_WHILE_BLIND } else { FACTS_EVERY };
        self.learned_at.is_none_or(|at| now.saturating_sub(at) >= every)
    }
}

/// Waits for a plan that has not been looked at.
async fn news(plans: &mut watch::Receiver<Arc<Plan>>) {
    match plans.changed().await {
        Ok(()) => plans.mark_changed(),
        // Nobody is left to make one.
        Err(_) => std::future::pending().await,
    }
}
