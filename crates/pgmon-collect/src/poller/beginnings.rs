//! How many databases begin at once.
//!
//! To log in and to do everything once (the facts, the audit and a round of each loop, on a server process
//! that has seen no catalog yet) is the most work there is. Where hundreds begin together, often on few
//! machines, logins would wait until they are given up, and rounds would cost their budgets. So a few begin
//! at a time, and have a second for it that is theirs: a server that hangs, or is far away, holds up nobody
//! for longer. Whoever was down before is in a queue of its own.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// So many at once, of either queue.
const AT_ONCE: usize = 16;

/// So long nobody takes its place. By the true clock, as for connecting: it is the machines that are spared.
const LONGEST: Duration = Duration::from_secs(1);

/// Leave to begin, for all databases.
#[derive(Debug)]
pub struct Beginnings {
    fresh: Arc<Semaphore>,
    retries: Arc<Semaphore>,
}

/// Leave for one database; given back on drop, or when its time is over.
#[derive(Debug)]
pub struct Beginning(#[expect(dead_code, reason = "its end is what it is for")] oneshot::Sender<()>);

impl Default for Beginnings {
    fn default() -> Self {
        let queue = || Arc::new(Semaphore::new(AT_ONCE));
        Self { fresh: queue(), retries: queue() }
    }
}

impl Beginnings {
    /// Waits for leave to begin, first come first served.
    pub async fn wait(&self, was_down: bool) -> Beginning {
        let queue = if was_down { &self.retries } else { &self.fresh };
        // The semaphore is never closed; if it were, nobody would have to wait.
        let held = queue.clone().acquire_owned().await;
        let (done, is_done) = oneshot::channel();
        tokio::spawn(async move {
            let _ = timeout(LONGEST, is_done).await;
            drop(held);
        });
        Beginning(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn all_there_is(all: &Beginnings) -> Vec<Beginning> {
        std::iter::from_fn(|| all.wait(false).now_or_never()).collect()
    }

    #[tokio::test]
    async fn a_few_begin_at_once_and_those_that_were_down_hold_up_nobody() {
        let all = Beginnings::default();
        let mut held = all_there_is(&all);
        assert!((2..100).contains(&held.len()), "{} at once", held.len());
        assert!(all.wait(true).now_or_never().is_some(), "another queue");
        let mut next = Box::pin(all.wait(false));
        assert!(next.as_mut().now_or_never().is_none());
        drop(held.pop());
        timeout(LONGEST / 2, next).await.expect("one is done");
    }

    #[tokio::test]
    async fn who_takes_long_keeps_nobody_waiting() {
        let all = Beginnings::default();
        let held = all_there_is(&all);
        for _ in 0..held.len() {
            timeout(LONGEST * 3, all.wait(false)).await.expect("the others have had their time");
        }
    }
}
