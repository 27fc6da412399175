//! How many databases begin at once.
//!
//! To log in and to do everything once (the facts, the audit and a round of each loop, on a server process
//! that has seen no catalog yet) is the most work there is. Where hundreds begin together, often on few
//! machines, logins would wait until they are given up, and rounds would cost their budgets. So a few begin
//! at a time. Whoever was down before is in a queue of its own, so that dead servers hold up nobody else.
//!
//! These times are true ones, like those of connecting: it is the machines that are to be spared.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// So many at once, of either queue.
const AT_ONCE: usize = 16;

/// Nobody waits for longer, whatever holds up the others.
const PATIENCE: Duration = Duration::from_secs(4);

/// The same for those that were down before.
const PATIENCE_OF_RETRIES: Duration = Duration::from_secs(30);

/// A login that takes longer, as where a server does not answer, no longer keeps the others waiting.
const LOGIN_WITHIN: Duration = Duration::from_secs(1);

/// Nor do first rounds that take longer.
pub const ROUNDS_WITHIN: Duration = Duration::from_secs(2);

/// Leave to begin, for all databases.
#[derive(Debug)]
pub struct Beginnings {
    fresh: Arc<Semaphore>,
    retries: Arc<Semaphore>,
}

/// Leave for one database; given back on drop.
#[derive(Debug)]
pub struct Beginning(Option<OwnedSemaphorePermit>);

impl Default for Beginnings {
    fn default() -> Self {
        let queue = || Arc::new(Semaphore::new(AT_ONCE));
        Self { fresh: queue(), retries: queue() }
    }
}

impl Beginnings {
    /// Waits for leave to begin, first come first served, but not for ever.
    pub async fn wait(&self, was_down: bool) -> Beginning {
        let (queue, patience) =
            if was_down { (&self.retries, PATIENCE_OF_RETRIES) } else { (&self.fresh, PATIENCE) };
        let held = match queue.clone().try_acquire_owned() {
            Ok(held) => Some(held),
            Err(_) => timeout(patience, queue.clone().acquire_owned()).await.ok().and_then(Result::ok),
        };
        Beginning(held)
    }
}

impl Beginning {
    /// Waits for a login; others may begin if it takes long.
    pub async fn login<T>(&mut self, login: impl Future<Output = T>) -> T {
        let mut login = std::pin::pin!(login);
        match timeout(LOGIN_WITHIN, &mut login).await {
            Ok(done) => done,
            Err(_) => {
                self.0 = None;
                login.await
            }
        }
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
        assert!(next.await.0.is_some(), "one is done");
    }

    #[tokio::test]
    async fn a_login_that_hangs_lets_others_begin() {
        let all = Beginnings::default();
        let mut held = all_there_is(&all);
        let mut hangs = held.pop().unwrap();
        let login = tokio::spawn(async move { hangs.login(std::future::pending::<()>()).await });
        assert!(all.wait(false).await.0.is_some(), "before patience ends");
        login.abort();
        let more = all_there_is(&all);
        assert!(all.wait(false).await.0.is_none(), "its first rounds are due, whatever the others do");
        drop((held, more));
    }
}
