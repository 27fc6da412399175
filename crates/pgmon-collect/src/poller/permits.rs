//! How many connections pgmon holds to one server at most, over all its entries.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of all servers, by address.
#[derive(Debug)]
pub struct Permits {
    per_server: usize,
    servers: Mutex<HashMap<String, Arc<Server>>>,
}

#[derive(Debug)]
struct Server {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Leave to hold one connection; given back on drop.
#[derive(Debug)]
pub struct Permit {
    server: Arc<Server>,
    _held: OwnedSemaphorePermit,
}

impl Permits {
    /// At most `per_server` connections to each address.
    pub fn new(per_server: usize) -> Self {
        Self { per_server: per_server.max(1), servers: Mutex::new(HashMap::new()) }
    }

    /// Waits, first come first served, for leave to connect to `address`.
    pub async fn acquire(&self, address: &str) -> Permit {
        let server = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || {
                Arc::new(Server {
                    free: Arc::new(Semaphore::new(self.per_server)),
                    waiting: AtomicUsize::new(0),
                })
            };
            servers.entry(address.to_owned()).or_insert_with(fresh).clone()
        };
        let waiting = Waiting::new(&server);
        loop {
            // The semaphore is never closed; if it were, waiting on would be all that is left to do.
            if let Ok(held) = server.free.clone().acquire_owned().await {
                drop(waiting);
                return Permit { server, _held: held };
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Permit {
    /// Whether somebody waits for a connection to this server: then an idle one should be given up.
    pub fn is_wanted(&self) -> bool {
        self.server.waiting.load(Ordering::Relaxed) > 0
    }
}

struct Waiting(Arc<Server>);

impl Waiting {
    fn new(server: &Arc<Server>) -> Self {
        server.waiting.fetch_add(1, Ordering::Relaxed);
        Self(server.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cap_holds_and_waiting_is_seen() {
        let permits = Arc::new(Permits::new(2));
        let a = permits.acquire("s:5432").await;
        let _b = permits.acquire("s:5432").await;
        let _other = permits.acquire("t:5432").await;
        assert!(!a.is_wanted());
        let waiter = tokio::spawn({
            let permits = permits.clone();
            async move { permits.acquire("s:5432").await }
        });
        while !a.is_wanted() {
            tokio::task::yield_now().await;
        }
        drop(a);
        let c = waiter.await.unwrap();
        assert!(!c.is_wanted());
    }
}
