//! The life of one service: it is checked at its interval until it is told to end.

use super::probe::Probe;
use super::registry::Cell;
use super::tls::Authorities;
use crate::poller::backoff::Backoff;
use crate::poller::schedule::Schedule;
use crate::poller::timer::Timer;
use pgmon_config::ServiceSpec;
use pgmon_core::service::{ServiceSnapshot, ServiceState};
use rustix::process::{Resource, getrlimit};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Semaphore, watch};

/// How many checks run at once: of services that were good last time, and of the others.
///
/// A service that does not answer holds its place for as long as its time lasts. So those that failed last
/// have places of their own; and of the others so many may fall silent at the same moment as there are files
/// for, before one that is well has to wait: half of those that the process may have open, the rest is for
/// databases and for who asks pgmon. Places cost nothing while they are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub sound: usize,
    pub failing: usize,
}

impl Places {
    const FEWEST: Self = Self { sound: 64, failing: 64 };
    /// More services than these cannot be configured.
    const MOST: Self = Self { sound: 2_000, failing: 2_000 };

    /// For a process that may have so many files open; `None`: any number.
    pub fn of(files: Option<u64>) -> Self {
        let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        let within = |part: usize, fewest: usize, most: usize| part.clamp(fewest, most);
        Self {
            sound: within(files / 8 * 3, Self::FEWEST.sound, Self::MOST.sound),
            failing: within(files / 8, Self::FEWEST.failing, Self::MOST.failing),
        }
    }
}

/// What all services share.
pub(super) struct Shared {
    pub timer: Arc<dyn Timer>,
    pub authorities: Authorities,
    sound: Semaphore,
    failing: Semaphore,
}

impl Shared {
    /// On this timer, with the places that this process can have.
    pub fn new(timer: Arc<dyn Timer>) -> Self {
        Self::with(timer, Places::of(getrlimit(Resource::Nofile).current))
    }

    /// On this timer, with these places.
    pub fn with(timer: Arc<dyn Timer>, places: Places) -> Self {
        Self {
            timer,
            authorities: Authorities::default(),
            sound: Semaphore::new(places.sound),
            failing: Semaphore::new(places.failing),
        }
    }
}

/// Checks a service until `stop` becomes true.
pub(super) async fn run(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    spec: Arc<ServiceSpec>,
    probe: Probe,
    mut stop: watch::Receiver<bool>,
) {
    let timer = &*shared.timer;
    let mut schedule = Schedule::new(spec.interval, timer.mono());
    let mut refusals = Backoff::default();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = timer.sleep_until(schedule.due()) => {}
        }
        let before = cell.snapshot();
        let lane = if before.state.is_ok() == Some(false) { &shared.failing } else { &shared.sound };
        let check = async {
            // Never closed; if it were, nobody would have to wait.
            let _place = lane.acquire().await;
            schedule.start(timer.mono(), fastrand::f64());
            let mut tally = cell.tally();
            let (next, login) =
                Box::pin(probe.check(&spec, &shared.authorities, timer, &before, &mut tally)).await;
            *cell.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
            (next, login)
        };
        let (next, login) = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            checked = check => checked,
        };
        log(&before, &next);
        cell.publish(next);
        if login {
            // Asking on with what is refused may lock the user out, and fills the service's log.
            let pause = refusals.failed(spec.interval, fastrand::f64());
            schedule.again_after(pause, timer.mono());
        } else {
            refusals.succeeded();
        }
    }
}

/// Says when a service's state changes.
fn log(before: &ServiceSnapshot, next: &ServiceSnapshot) {
    let (service, target) = (&*next.name, &*next.target);
    match (&before.state, &next.state) {
        (ServiceState::Failed { reason: old }, ServiceState::Failed { reason }) if old != reason => {
            tracing::info!(service, target, "still fails, otherwise: {reason}");
        }
        (ServiceState::Failed { .. }, ServiceState::Failed { .. }) => {}
        (_, ServiceState::Failed { reason }) => tracing::warn!(service, target, "fails: {reason}"),
        (ServiceState::Failed { .. }, ServiceState::Ok) => tracing::info!(service, target, "is good again"),
        _ => {}
    }
}
