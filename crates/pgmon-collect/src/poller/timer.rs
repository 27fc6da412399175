//! A clock that can also be waited for.

use pgmon_core::clock::{Clock, SystemClock};
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task;

/// A clock on which tasks sleep.
pub trait Timer: Clock {
    /// Waits until [`Clock::mono`] has reached `at`.
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl Timer for SystemClock {
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(at.saturating_sub(self.mono())))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    epoch: jiff::Timestamp,
    now: watch::Sender<Duration>,
    /// What is being waited for and by which task, by number of the sleeper.
    sleepers: Mutex<BTreeMap<u64, (Duration, Option<task::Id>)>>,
    next: AtomicU64,
}

impl ManualClock {
    /// A clock at `epoch`, monotonic time zero.
    pub fn new(epoch: jiff::Timestamp) -> Self {
        Self {
            epoch,
            now: watch::Sender::new(Duration::ZERO),
            sleepers: Mutex::new(BTreeMap::new()),
            next: AtomicU64::new(0),
        }
    }

    /// Moves the time forward and wakes whoever waited for it.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }

    /// Whether just `tasks` tasks sleep, and all of them for a time that has not come.
    pub fn is_idle(&self, tasks: usize) -> bool {
        let now = self.mono();
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.len() == tasks && sleepers.values().all(|(at, _)| *at > now)
    }

    /// Whether all of these tasks sleep for a time that has not come, whatever others do.
    pub fn all_sleep(&self, tasks: &[task::Id]) -> bool {
        let now = self.mono();
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        let asleep: HashSet<_> =
            sleepers.values().filter(|(at, _)| *at > now).filter_map(|(_, task)| *task).collect();
        tasks.iter().all(|task| asleep.contains(task))
    }
}

impl Clock for ManualClock {
    fn mono(&self) -> Duration {
        *self.now.borrow()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.epoch.saturating_add(self.mono()).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl Timer for ManualClock {
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (at, task::try_id()));
        let asleep = Asleep { clock: self, number };
        let mut now = self.now.subscribe();
        Box::pin(async move {
            let _asleep = asleep;
            // The sender lives as long as `self`, so that this cannot end early.
            let _ = now.wait_for(|now| *now >= at).await;
        })
    }
}

/// Takes its sleeper off the list when it wakes or is dropped.
struct Asleep<'a> {
    clock: &'a ManualClock,
    number: u64,
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
