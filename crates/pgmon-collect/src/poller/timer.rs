//! A clock that can also be waited for.

use pgmon_core::clock::{Clock, SystemClock};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

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
}

impl ManualClock {
    /// A clock at `epoch`, monotonic time zero.
    pub fn new(epoch: jiff::Timestamp) -> Self {
        Self { epoch, now: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves the time forward and wakes whoever waited for it.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
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
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // The sender lives as long as `self`, so that this cannot end early.
            let _ = now.wait_for(|now| *now >= at).await;
        })
    }
}
