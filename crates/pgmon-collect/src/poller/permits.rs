//! How many connections pgmon holds to one server at most, over all its entries.
//!
//! Who waits is served first come, first served. Who holds a connection learns that others wait, and
//! gives way: at once when it has nothing to do, and otherwise when it has had its turn.

use super::beginnings::Beginnings;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The permits of all servers, by address.
#[derive(Debug)]
pub struct Permits {
    servers: Mutex<Servers>,
    beginnings: Beginnings,
}

#[derive(Debug)]
struct Servers {
    per_server: usize,
    by_address: HashMap<String, Arc<Server>>,
}

#[derive(Debug)]
struct Server {
    free: Arc<Semaphore>,
    queue: Mutex<Queue>,
    /// Told when somebody begins to wait.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    /// Holders that are about to give their connection up.
    leaving: usize,
    /// Connections over the cap, since it was lowered: the next ones that are given up are not given away.
    over: usize,
}

impl Queue {
    fn wants_more(&self) -> bool {
        self.waiting + self.over > self.leaving
    }
}

/// Leave to hold one connection; given back on drop.
#[derive(Debug)]
pub struct Permit {
    server: Arc<Server>,
    leaving: bool,
    held: Option<OwnedSemaphorePermit>,
}

impl Permits {
    /// At most `per_server` connections to each address.
    pub fn new(per_server: usize) -> Self {
        let servers = Servers { per_server: per_server.max(1), by_address: HashMap::new() };
        Self { servers: Mutex::new(servers), beginnings: Beginnings::default() }
    }

    /// Leave to begin.
    pub fn beginnings(&self) -> &Beginnings {
        &self.beginnings
    }

    /// Changes the cap. Who holds a connection over a lower one is asked to give way.
    pub fn resize(&self, per_server: usize) {
        let per_server = per_server.max(1);
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let (more, fewer) =
            (per_server.saturating_sub(servers.per_server), servers.per_server.saturating_sub(per_server));
        servers.per_server = per_server;
        for server in servers.by_address.values() {
            let mut queue = server.queue();
            let repaid = more.min(queue.over);
            queue.over = queue.over - repaid + (fewer - server.free.forget_permits(fewer));
            drop(queue);
            server.free.add_permits(more - repaid);
            server.wanted.notify_waiters();
        }
    }

    /// Waits, first come first served, for leave to connect to `address`.
    pub async fn acquire(&self, address: &str) -> Permit {
        let server = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let per_server = servers.per_server;
            let fresh = || {
                Arc::new(Server {
                    free: Arc::new(Semaphore::new(per_server)),
                    queue: Mutex::new(Queue::default()),
                    wanted: Notify::new(),
                })
            };
            servers.by_address.entry(address.to_owned()).or_insert_with(fresh).clone()
        };
        let permit = |held| Permit { server: server.clone(), leaving: false, held: Some(held) };
        if let Ok(held) = server.free.clone().try_acquire_owned() {
            return permit(held);
        }
        let _waiting = Waiting::new(&server);
        loop {
            // The semaphore is never closed; if it were, waiting on would be all that is left to do.
            if let Ok(held) = server.free.clone().acquire_owned().await {
                return permit(held);
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Server {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Whether more wait for a connection to this server than are about to get one.
    pub fn is_wanted(&self) -> bool {
        self.server.queue().wants_more()
    }

    /// Waits until [`Permit::is_wanted`].
    pub async fn wanted(&self) {
        loop {
            let told = self.server.wanted.notified();
            if self.is_wanted() {
                return;
            }
            told.await;
        }
    }

    /// Takes it on oneself to make room for one who waits, if there is one for whom nobody else does:
    /// then the permit is to be dropped soon.
    pub fn give_way(&mut self) -> bool {
        let mut queue = self.server.queue();
        if !self.leaving && queue.wants_more() {
            queue.leaving += 1;
            self.leaving = true;
        }
        self.leaving
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut queue = self.server.queue();
        let over = queue.over > 0;
        queue.over -= usize::from(over);
        queue.leaving -= usize::from(self.leaving);
        drop(queue);
        match self.held.take() {
            Some(held) if over => held.forget(),
            held => drop(held),
        }
    }
}

struct Waiting(Arc<Server>);

impl Waiting {
    fn new(server: &Arc<Server>) -> Self {
        server.queue().waiting += 1;
        server.wanted.notify_waiters();
        Self(server.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.queue().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn wait_for_one(permits: &Arc<Permits>) -> tokio::task::JoinHandle<Permit> {
        let permits = permits.clone();
        tokio::spawn(async move { permits.acquire("s:5432").await })
    }

    #[tokio::test]
    async fn the_cap_holds_and_waiting_is_seen() {
        let permits = Arc::new(Permits::new(2));
        let a = permits.acquire("s:5432").await;
        let _b = permits.acquire("s:5432").await;
        let _other = permits.acquire("t:5432").await;
        assert!(!a.is_wanted());
        let waiter = wait_for_one(&permits);
        a.wanted().await;
        drop(a);
        let c = waiter.await.unwrap();
        assert!(!c.is_wanted());
    }

    #[tokio::test]
    async fn as_many_give_way_as_wait_and_no_more() {
        let permits = Arc::new(Permits::new(3));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(permits.acquire("s:5432").await);
        }
        assert!(held.iter_mut().all(|p| !p.give_way()));
        let waiter = wait_for_one(&permits);
        held[0].wanted().await;
        let leaving: Vec<bool> = held.iter_mut().map(Permit::give_way).collect();
        assert_eq!(leaving, [true, false, false]);
        held.remove(0);
        let _served = waiter.await.unwrap();
        assert!(!held[0].is_wanted());
        // Who waits no longer leaves nothing behind.
        let gone = wait_for_one(&permits);
        held[0].wanted().await;
        gone.abort();
        let _ = gone.await;
        assert!(!held[0].is_wanted() && !held[1].give_way());
    }

    #[tokio::test]
    async fn a_changed_cap_holds_for_those_who_have_and_those_who_come() {
        let permits = Arc::new(Permits::new(1));
        let mut a = permits.acquire("s:5432").await;
        let waiter = wait_for_one(&permits);
        a.wanted().await;
        permits.resize(2);
        let mut b = waiter.await.unwrap();
        assert!(!a.is_wanted());
        permits.resize(1);
        let leaving = [a.give_way(), b.give_way()];
        assert_eq!(leaving, [true, false], "one of two gives way");
        drop(a);
        assert!(!b.is_wanted());
        let waiter = wait_for_one(&permits);
        b.wanted().await;
        assert!(!waiter.is_finished());
        permits.resize(3);
        let c = waiter.await.unwrap();
        let d = permits.acquire("s:5432").await;
        assert!(permits.acquire("s:5432").now_or_never().is_none(), "three and no more");
        drop((b, c, d));
    }

    #[tokio::test]
    async fn who_waits_longest_is_served_first() {
        let permits = Arc::new(Permits::new(1));
        let first = permits.acquire("s:5432").await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..5 {
            let (permits, order) = (permits.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _permit = permits.acquire("s:5432").await;
                order.lock().unwrap().push(n);
                tokio::task::yield_now().await;
            }));
            while first.server.queue().waiting <= n {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
