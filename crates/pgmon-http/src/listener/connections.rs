//! The open connections: what each is at, since when, and until when it may be.

use crate::access::Limits;
use crate::app::App;
use crate::telemetry::Closed;
use procfs::process::LimitValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often connections that are over their time are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take to be made.
const SERVING: Duration = Duration::from_secs(60);

/// A request that has taken this long is not on its way any more.
const SLOW_REQUEST: Duration = Duration::from_secs(2);

/// An answer that takes this long to make gives way to another client.
const SLOW_ANSWER: Duration = Duration::from_secs(5);

/// Fewer connections than this are always allowed.
const LEAST: usize = 4;

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client sends the head of a request, or shakes hands.
    Head,
    /// The client sends the body of a request.
    Body,
    /// pgmon makes the answer.
    Serving,
    /// The client waits for being told no once more.
    Refused,
    /// The client receives the answer.
    Writing,
    /// Nothing is under way.
    Idle,
}

#[derive(Debug, Clone, Copy)]
struct At {
    phase: Phase,
    since: Duration,
    until: Duration,
}

#[derive(Debug)]
struct State {
    at: Mutex<At>,
    close: Notify,
}

impl State {
    fn at(&self) -> At {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All open connections.
pub(super) struct Connections {
    app: Arc<App>,
    open: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
    /// Told when the first connection is opened.
    opened: Notify,
    /// As many as half of the files that the process may open: databases need theirs.
    files: usize,
}

impl Connections {
    pub fn new(app: Arc<App>) -> Self {
        let limits = procfs::process::Process::myself().and_then(|me| me.limits()).ok();
        let files = match limits.map(|limits| limits.max_open_files.soft_limit) {
            Some(LimitValue::Value(files)) => usize::try_from(files / 2).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        Self { app, open: Mutex::default(), next: AtomicU64::new(0), opened: Notify::new(), files }
    }

    /// Takes up a new connection. If there are too many, another one goes; if none can, the new one does.
    pub fn open(self: &Arc<Self>) -> Connection {
        let limits = self.app.access().limits;
        let now = self.app.timer.mono();
        let at = At { phase: Phase::Head, since: now, until: now + limits.header };
        let state = Arc::new(State { at: Mutex::new(at), close: Notify::new() });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let full = {
            let mut open = self.table();
            let full = open.len() >= limits.connections.min(self.files).max(LEAST);
            if full && !self.evict(&mut open) {
                state.close.notify_one();
                self.app.telemetry.closed(Closed::Evicted);
            }
            open.insert(number, state.clone());
            self.app.telemetry.connections(open.len());
            full
        };
        if !full {
            self.opened.notify_one();
        }
        Connection { number, state, limits, table: self.clone() }
    }

    /// Closes a connection, as there is no room for another one.
    pub fn make_room(&self) {
        self.evict(&mut self.table());
    }

    /// Closes whoever has kept a connection for longest without an answer being made: first those who
    /// dawdle over a request or ask again and again what they may not see, as nobody does who means well, and last
    /// those whose answer takes long. Answers whether there was one.
    fn evict(&self, open: &mut HashMap<u64, Arc<State>>) -> bool {
        let now = self.app.timer.mono();
        let candidates = open.iter().map(|(number, state)| (*number, state.at()));
        let first = candidates
            .filter_map(|(number, at)| {
                let passed = now.saturating_sub(at.since);
                let turn = match at.phase {
                    Phase::Refused => 0,
                    Phase::Head | Phase::Body if passed >= SLOW_REQUEST => 0,
                    Phase::Serving if passed >= SLOW_ANSWER => 2,
                    Phase::Serving => return None,
                    _ => 1,
                };
                Some((turn, at.since, number))
            })
            .min();
        let Some(state) = first.and_then(|(.., number)| open.remove(&number)) else { return false };
        state.close.notify_one();
        self.app.telemetry.closed(Closed::Evicted);
        true
    }

    /// Closes connections that are over their time, for ever.
    pub async fn sweep(self: Arc<Self>) {
        loop {
            if self.table().is_empty() {
                self.opened.notified().await;
            }
            self.app.timer.sleep_until(self.app.timer.mono() + SWEEP_EVERY).await;
            let now = self.app.timer.mono();
            let mut open = self.table();
            open.retain(|_, state| {
                let in_time = state.at().until > now;
                if !in_time {
                    state.close.notify_one();
                    // An idle connection that ends is nobody's fault.
                    if state.at().phase != Phase::Idle {
                        self.app.telemetry.closed(Closed::Timeout);
                    }
                }
                in_time
            });
            self.app.telemetry.connections(open.len());
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<State>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection; it leaves the table when it is dropped.
pub(super) struct Connection {
    number: u64,
    state: Arc<State>,
    limits: Limits,
    table: Arc<Connections>,
}

impl Connection {
    /// Waits until the connection is to be closed.
    pub async fn closed(&self) {
        self.state.close.notified().await;
    }

    /// Whether an answer is being made or sent.
    pub fn is_busy(&self) -> bool {
        matches!(self.state.at().phase, Phase::Serving | Phase::Writing)
    }

    /// A request is there, to the end of its body.
    pub fn serving(&self) {
        self.enter(Phase::Serving, SERVING);
    }

    /// The head of a request is there; its body is told of by what is returned.
    pub fn receiving(&self) -> Progress {
        self.enter(Phase::Body, self.limits.header);
        Progress { state: self.state.clone(), app: self.table.app.clone() }
    }

    /// The answer is no, and has to wait.
    pub fn refused(&self) {
        self.enter(Phase::Refused, SERVING);
    }

    /// The answer is there.
    pub fn writing(&self) {
        self.enter(Phase::Writing, self.limits.write);
    }

    /// The client sent something.
    pub fn received(&self) {
        if self.state.at().phase == Phase::Idle {
            self.enter(Phase::Head, self.limits.header);
        }
    }

    /// The client does not take what it is sent.
    pub fn blocked(&self) {
        if self.state.at().phase == Phase::Idle {
            self.enter(Phase::Writing, self.limits.write);
        }
    }

    /// Everything was sent.
    pub fn flushed(&self) {
        if self.state.at().phase == Phase::Writing {
            self.enter(Phase::Idle, self.limits.idle);
        }
    }

    fn enter(&self, phase: Phase, at_most: Duration) {
        let now = self.table.app.timer.mono();
        let mut at = self.state.at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = At { phase, since: now, until: now + at_most };
    }
}

/// What a body tells of itself.
pub(super) struct Progress {
    state: Arc<State>,
    app: Arc<App>,
}

impl Progress {
    /// The body is there.
    pub fn done(&self) {
        let now = self.app.timer.mono();
        let mut at = self.state.at.lock().unwrap_or_else(PoisonError::into_inner);
        // The answer may have been made without it.
        if at.phase == Phase::Body {
            *at = At { phase: Phase::Serving, since: now, until: now + SERVING };
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.table.table();
        open.remove(&self.number);
        self.table.app.telemetry.connections(open.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::exposition::Look;
    use pgmon_collect::poller::fleet::Fleet;
    use pgmon_collect::poller::timer::ManualClock;
    use pgmon_config::Http;

    fn connections() -> (Arc<ManualClock>, Arc<Connections>) {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let http = Http { max_connections: 4, ..Http::default() };
        let (fleet, access) = (Arc::new(Fleet::new(Vec::new())), Access::build(&http).unwrap());
        let listen = "127.0.0.1:1".parse().unwrap();
        let app = App::new(fleet, clock.clone(), "1", Look::default(), access, listen);
        (clock, Arc::new(Connections::new(Arc::new(app))))
    }

    async fn is_closed(connection: &Connection) -> bool {
        tokio::time::timeout(Duration::from_millis(20), connection.closed()).await.is_ok()
    }

    #[tokio::test]
    async fn answers_under_way_never_take_more_than_the_cap() {
        let (clock, connections) = connections();
        let first: Vec<Connection> = (0..4).map(|_| connections.open()).collect();
        first.iter().for_each(Connection::serving);
        // Answers are being made: who comes now goes.
        let refused = connections.open();
        assert!(is_closed(&refused).await);
        drop(refused);
        clock.advance(Duration::from_secs(6));
        let taken = connections.open();
        assert!(!is_closed(&taken).await);
        let mut gone = 0;
        for connection in &first {
            gone += usize::from(is_closed(connection).await);
        }
        assert_eq!((gone, connections.table().len()), (1, 4));
    }

    #[tokio::test]
    async fn bodies_that_do_not_come_make_room_for_whoever_comes() {
        let (clock, connections) = connections();
        let slow: Vec<Connection> = (0..3).map(|_| connections.open()).collect();
        let bodies: Vec<Progress> = slow.iter().map(Connection::receiving).collect();
        let whole = connections.open();
        whole.receiving().done();
        for left in (0..3).rev() {
            let next = connections.open();
            next.serving();
            assert!(!is_closed(&next).await, "{left}");
            // Four at most, and this one stays.
            std::mem::forget(next);
        }
        assert!(!is_closed(&whole).await, "its body was there: its answer is being made");
        for connection in &slow {
            assert!(is_closed(connection).await);
        }
        // What comes late changes nothing of what a connection is at by then.
        whole.writing();
        clock.advance(Duration::from_millis(1));
        bodies.iter().for_each(Progress::done);
        assert!(whole.is_busy());
    }

    #[tokio::test]
    async fn whoever_is_refused_again_and_again_goes_first() {
        let (clock, connections) = connections();
        let patient: Vec<Connection> = (0..3).map(|_| connections.open()).collect();
        clock.advance(Duration::from_secs(1));
        let nuisance = connections.open();
        nuisance.refused();
        let next = connections.open();
        assert!(is_closed(&nuisance).await && !is_closed(&next).await && !nuisance.is_busy());
        for connection in &patient {
            assert!(!is_closed(connection).await, "they are older, and did nothing wrong");
        }
    }
}
