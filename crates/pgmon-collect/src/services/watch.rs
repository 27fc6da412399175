//! The life of one service: it is checked at its interval until it is told to end.

use super::probe::Probe;
use super::registry::Cell;
use super::tls::Authorities;
use crate::poller::backoff::Backoff;
use crate::poller::schedule::Schedule;
use crate::poller::timer::Timer;
use pgmon_config::ServiceSpec;
use pgmon_core::service::{ServiceSnapshot, ServiceState};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Semaphore, watch};

/// Checks at once of services that were good last time, and of the others. Those that do not answer hold
/// their places for as long as their time lasts, so they have places of their own: the others never wait
/// for them, but for the one check in which a service falls silent.
const SOUND_AT_ONCE: usize = 64;
const FAILING_AT_ONCE: usize = 64;

/// What all services share.
pub(super) struct Shared {
    pub timer: Arc<dyn Timer>,
    pub authorities: Authorities,
    sound: Semaphore,
    failing: Semaphore,
}

impl Shared {
    /// On this timer.
    pub fn new(timer: Arc<dyn Timer>) -> Self {
        Self {
            timer,
            authorities: Authorities::default(),
            sound: Semaphore::new(SOUND_AT_ONCE),
            failing: Semaphore::new(FAILING_AT_ONCE),
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
