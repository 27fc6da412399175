//! What the handlers read.

use crate::access::{Access, Passwords};
use crate::api::{Cache, Judged};
use crate::exposition::Look;
use crate::limiter::Limiter;
use crate::pages::Pages;
use crate::reload::ReloadRequest;
use crate::sessions::Sessions;
use crate::telemetry::Telemetry;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_config::Config;
use pgmon_views::Rules;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Notify, mpsc};

/// What the handlers read.
pub struct App {
    /// The snapshots.
    pub fleet: Arc<Fleet>,
    /// The rendered pages.
    pub pages: Arc<Pages>,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// pgmon's version.
    pub version: &'static str,
    /// Where a wish to reload goes; without it, `/-/reload` says that it cannot.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Whether only this machine reaches the listener.
    pub(crate) loopback: bool,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) requests: Limiter,
    pub(crate) failures: Limiter,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Passwords,
    /// When a refusal was logged last, monotonic milliseconds plus one.
    pub(crate) logged: AtomicU64,
    /// When pgmon started.
    pub(crate) started: Timestamp,
    /// Answers of the API.
    pub(crate) answers: Cache,
    /// Databases as they were judged last.
    pub(crate) judged: Judged,
    access: ArcSwap<Access>,
    pub(crate) access_set: Notify,
    queries: ArcSwap<Vec<serde_json::Value>>,
    rules: ArcSwap<Rules>,
}

impl App {
    /// An app for a listener at this address.
    pub fn new(
        fleet: Arc<Fleet>,
        timer: Arc<dyn Timer>,
        version: &'static str,
        look: Look,
        access: Access,
        listen: SocketAddr,
    ) -> Self {
        let started = timer.wall();
        let telemetry = Arc::new(Telemetry::default());
        Self {
            pages: Arc::new(Pages::new(fleet.clone(), timer.clone(), version, telemetry.clone(), look)),
            fleet,
            timer,
            version,
            reload: None,
            loopback: listen.ip().to_canonical().is_loopback(),
            telemetry,
            requests: Limiter::default(),
            failures: Limiter::default(),
            sessions: Sessions::default(),
            passwords: Passwords::new(),
            logged: AtomicU64::new(0),
            started,
            answers: Cache::default(),
            judged: Judged::default(),
            access: ArcSwap::from_pointee(access),
            access_set: Notify::new(),
            queries: ArcSwap::default(),
            rules: ArcSwap::from_pointee(rules_of(&Config::default())),
        }
    }

    /// Replaces keys, users, certificates and limits. Connections and requests under way keep what they
    /// began with; a session ends if what it was opened with is no longer there.
    pub fn set_access(&self, access: Access) {
        self.access.store(Arc::new(access));
        self.access_set.notify_waiters();
    }

    /// Replaces the access rules if they are still `old`.
    pub(crate) fn renew_access(&self, old: &Arc<Access>, access: Access) {
        self.access.compare_and_swap(old, Arc::new(access));
    }

    /// The access rules in force.
    pub(crate) fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// Replaces the definitions of the custom queries, as `/configz` shows them. They must hold no secret.
    pub fn set_queries(&self, definitions: Vec<serde_json::Value>) {
        self.queries.store(Arc::new(definitions));
    }

    /// Replaces thresholds and what is shown.
    pub fn set_rules(&self, config: &Config) {
        self.rules.store(Arc::new(rules_of(config)));
    }

    /// Thresholds, and what is shown.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    pub(crate) fn queries(&self) -> Arc<Vec<serde_json::Value>> {
        self.queries.load_full()
    }
}

fn rules_of(config: &Config) -> Rules {
    Rules {
        alerts: config.alerts.clone(),
        redacts_sql_text: config.security.redact_sql_text,
        hide_postgres_defaults: config.ui.hide_postgres_defaults,
    }
}
