//! What pgmon's listener tells of itself.

use pgmon_core::metric::{Desc, Families, Histogram, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const REQUESTS: Desc =
    Desc::counter("pgmon_http_requests_total", "Requests that pgmon answered.", &["method", "path", "code"]);
const DURATION: Desc = Desc::histogram(
    "pgmon_http_request_duration_seconds",
    "Time that pgmon took to make an answer, in seconds.",
    &["path"],
);
const CONNECTIONS: Desc = Desc::gauge("pgmon_http_connections", "Open connections of clients.", &[]);
const CLOSED: Desc = Desc::counter(
    "pgmon_http_connections_closed_total",
    "Connections that pgmon closed: the client was too slow (timeout), there were too many (evicted), the TLS handshake failed (tls).",
    &["reason"],
);
const FAILURES: Desc = Desc::counter(
    "pgmon_http_auth_failures_total",
    "Requests with a wrong key (key) or password (password), or a session that has ended (session).",
    &["kind"],
);
const RELOADED: Desc = Desc::gauge(
    "pgmon_http_files_last_reload_successful",
    "Whether the keys, users and certificates in files were usable when they were read last: 1 or 0.",
    &[],
);
const UP: Desc = Desc::gauge("exporter_up", "Always 1: pgmon runs.", &[]);
const SCRAPE: Desc = Desc::gauge(
    "exporter_scrape_duration_seconds",
    "Time that the last answer to a scrape took, in seconds.",
    &[],
);
const LOCKOUTS: Desc = Desc::counter(
    "exporter_scrape_lockouts_total",
    "Scrapes that were refused because the client sent too many requests. Overlapping scrapes are not.",
    &[],
);

/// All of these families.
pub const FAMILIES: &[&Desc] =
    &[&REQUESTS, &DURATION, &CONNECTIONS, &CLOSED, &FAILURES, &RELOADED, &UP, &SCRAPE, &LOCKOUTS];

const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Paths that are told apart. Routes are few; the cap is there for a mistake.
const PATHS: usize = 100;

/// The path of what has no route.
pub const OTHER: &str = "other";

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The client was too slow.
    Timeout,
    /// There were too many.
    Evicted,
    /// The TLS handshake failed.
    Tls,
}

/// What was wrong with a request's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The key.
    Key,
    /// The name or the password.
    Password,
    /// The session.
    Session,
}

/// Counters of the listener.
#[derive(Debug, Default)]
pub struct Telemetry {
    paths: Mutex<HashMap<Box<str>, Path>>,
    connections: AtomicUsize,
    closed: [AtomicU64; 3],
    failures: [AtomicU64; 3],
    lockouts: AtomicU64,
    /// Microseconds, plus one; 0 before the first scrape.
    last_scrape: AtomicU64,
    /// 0: nothing was read yet; 1: it was not usable; 2: it was.
    reloaded: AtomicUsize,
}

#[derive(Debug)]
struct Path {
    answers: BTreeMap<(&'static str, u16), u64>,
    durations: Histogram,
}

impl Telemetry {
    /// Counts an answer. `path` is a route, not what the client sent.
    pub fn answered(&self, method: &str, path: &str, code: u16, took: Duration) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let path = if paths.len() < PATHS || paths.contains_key(path) { path } else { OTHER };
        if !paths.contains_key(path) {
            let new = Path { answers: BTreeMap::new(), durations: Histogram::new(BOUNDS) };
            paths.insert(path.into(), new);
        }
        let Some(path) = paths.get_mut(path) else { return };
        *path.answers.entry((known_method(method), code)).or_default() += 1;
        path.durations.observe(took.as_secs_f64());
    }

    /// Counts an answer to a scrape.
    pub fn scraped(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX - 1);
        self.last_scrape.store(micros + 1, Ordering::Relaxed);
    }

    /// Counts a scrape that was refused for its rate.
    pub fn locked_out(&self) {
        self.lockouts.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts wrong credentials; returns how many of the kind there have been.
    pub fn failed(&self, failure: Failure) -> u64 {
        let [key, password, session] = &self.failures;
        let counter = match failure {
            Failure::Key => key,
            Failure::Password => password,
            Failure::Session => session,
        };
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a connection that pgmon closed.
    pub fn closed(&self, why: Closed) {
        let [timeout, evicted, tls] = &self.closed;
        let counter = match why {
            Closed::Timeout => timeout,
            Closed::Evicted => evicted,
            Closed::Tls => tls,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Says how many connections are open.
    pub fn connections(&self, open: usize) {
        self.connections.store(open, Ordering::Relaxed);
    }

    /// Says whether keys, users and certificates were usable.
    pub fn reloaded(&self, well: bool) {
        self.reloaded.store(if well { 2 } else { 1 }, Ordering::Relaxed);
    }

    /// Adds all families.
    pub fn families(&self, out: &mut Families) {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = paths.iter().collect();
        sorted.sort_unstable_by_key(|(path, _)| *path);
        for (path, seen) in sorted {
            for ((method, code), count) in &seen.answers {
                out.push(&REQUESTS, &[method, path, &code.to_string()], *count as f64);
            }
            out.push_value(&DURATION, &[path], Value::Histogram(Arc::new(seen.durations.clone())));
        }
        drop(paths);
        out.push(&CONNECTIONS, &[], self.connections.load(Ordering::Relaxed) as f64);
        for (reason, counter) in ["timeout", "evicted", "tls"].iter().zip(&self.closed) {
            out.push(&CLOSED, &[reason], counter.load(Ordering::Relaxed) as f64);
        }
        for (kind, counter) in ["key", "password", "session"].iter().zip(&self.failures) {
            out.push(&FAILURES, &[kind], counter.load(Ordering::Relaxed) as f64);
        }
        match self.reloaded.load(Ordering::Relaxed) {
            0 => {}
            state => out.push(&RELOADED, &[], if state == 2 { 1.0 } else { 0.0 }),
        }
        out.push(&UP, &[], 1.0);
        if let Some(micros) = self.last_scrape.load(Ordering::Relaxed).checked_sub(1) {
            out.push(&SCRAPE, &[], Duration::from_micros(micros).as_secs_f64());
        }
        out.push(&LOCKOUTS, &[], self.lockouts.load(Ordering::Relaxed) as f64);
    }
}

/// A client may send any word as its method.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_whatever_clients_send() {
        let telemetry = Telemetry::default();
        for n in 0..10_000 {
            telemetry.answered(&format!("M{n}"), &format!("/{n}"), 404, Duration::from_millis(1));
        }
        telemetry.answered("GET", "/0", 200, Duration::from_millis(1));
        let mut out = Families::new();
        telemetry.families(&mut out);
        let families = out.into_vec();
        let requests = families.iter().find(|f| f.desc.name() == REQUESTS.name).unwrap();
        assert!(requests.samples.len() <= PATHS + 2, "{}", requests.samples.len());
        let total: f64 = requests
            .samples
            .iter()
            .map(|s| match s.value {
                Value::Number(n) => n,
                _ => 0.0,
            })
            .sum();
        assert_eq!(total, 10_001.0);
        assert!(requests.samples.iter().all(|s| ["GET", OTHER].contains(&&*s.labels[0])));
    }
}
