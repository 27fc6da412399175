//! What the handlers read.

use crate::access::{Access, Passwords};
use crate::api::{Cache, Judged};
use crate::exposition::Look;
use crate::limiter::Limiter;
use crate::pages::Pages;
use crate::reload::ReloadRequest;
use crate::sessions::Sessions;
use crate::telemetry::Telemetry;
use crate::ui::prefix::Prefixes;
use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use pgmon_collect::clusters::Clusters;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::services::Services;
use pgmon_config::{Config, Http};
use pgmon_views::Rules;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Notify, mpsc};

/// What the handlers read.
pub struct App {
    /// The snapshots.
    pub fleet: Arc<Fleet>,
    /// The services.
    pub services: Arc<Services>,
    /// The clusters.
    pub clusters: Arc<Clusters>,
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
    /// Where the listener is.
    listen: SocketAddr,
    /// What was shut before and stands open since, and why keys or certificates are not those of the files.
    opened: ArcSwapOption<String>,
    pub(crate) unusable: ArcSwapOption<String>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) requests: Limiter,
    pub(crate) failures: Limiter,
    /// Who was refused how often, whatever was wrong.
    pub(crate) refusals: Limiter,
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
    prefixes: ArcSwap<Prefixes>,
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
        let services = Arc::new(Services::default());
        let pages = Arc::new(Pages::new(fleet.clone(), timer.clone(), version, telemetry.clone(), look));
        pages.show(services.clone());
        let clusters = Arc::new(Clusters::new(timer.clone()));
        pages.show(clusters.clone());
        Self {
            services,
            clusters,
            pages,
            fleet,
            timer,
            version,
            reload: None,
            loopback: listen.ip().to_canonical().is_loopback(),
            listen,
            opened: ArcSwapOption::empty(),
            unusable: ArcSwapOption::empty(),
            telemetry,
            requests: Limiter::default(),
            failures: Limiter::default(),
            refusals: Limiter::default(),
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
            prefixes: ArcSwap::from_pointee(Prefixes::of(&Http::default())),
        }
    }

    /// Replaces keys, users, certificates and limits. Connections and requests under way keep what they
    /// began with; a session ends if what it was opened with is no longer there. What other machines can reach
    /// from now on and could not before is said in the log and in `/healthz`.
    pub fn set_access(&self, access: Access) {
        self.unusable.store(None);
        self.mind_the_doors(&self.access(), &access);
        self.access.store(Arc::new(access));
        self.access_set.notify_waiters();
    }

    /// Replaces the access rules if they are still `old`.
    pub(crate) fn renew_access(&self, old: &Arc<Access>, access: Access) {
        self.mind_the_doors(old, &access);
        self.access.compare_and_swap(old, Arc::new(access));
    }

    /// Whether with these rules other machines would get what now only those get that are known.
    pub fn would_open(&self, access: &Access) -> bool {
        !self.loopback && self.access().asks_who_it_is() && !access.asks_who_it_is()
    }

    /// Says what other machines can reach from now on. Goes by the address that the listener has, not by the one
    /// that is configured: that is in force after a restart.
    fn mind_the_doors(&self, before: &Access, now: &Access) {
        if self.loopback {
            return;
        }
        let at = self.listen;
        if before.asks_who_it_is() && !now.asks_who_it_is() {
            let text = format!(
                "http: authentication was taken away while pgmon listens on {at}: anybody who reaches it can read /metrics (set http.auth)"
            );
            tracing::warn!("{text}");
            self.opened.store(Some(Arc::new(text)));
        } else if before.encrypts() && !now.encrypts() && now.asks_who_it_is() {
            let text = format!(
                "http: TLS was taken away while pgmon listens on {at}: keys and passwords cross the network in clear text (set http.tls)"
            );
            tracing::warn!("{text}");
            self.opened.store(Some(Arc::new(text)));
        } else if now.asks_who_it_is() && (now.encrypts() || !before.asks_who_it_is()) {
            self.opened.store(None);
        }
    }

    /// What is not as it should be with the endpoint itself, for `/healthz`.
    pub(crate) fn concerns(&self) -> Vec<String> {
        let unusable = self.unusable.load_full();
        let unusable = unusable.map(|why| {
            format!("http: keys, users or certificates changed and are not usable; those before stay in use: {why}")
        });
        let opened = self.opened.load_full().map(|text| text.to_string());
        opened.into_iter().chain(unusable).collect()
    }

    /// The access rules in force.
    pub(crate) fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// Replaces the definitions of the custom queries, as `/configz` shows them. They must hold no secret.
    pub fn set_queries(&self, definitions: Vec<serde_json::Value>) {
        self.queries.store(Arc::new(definitions));
    }

    /// Replaces thresholds, what is shown, and the path that it is under.
    pub fn set_rules(&self, config: &Config) {
        self.prefixes.store(Arc::new(Prefixes::of(&config.http)));
        self.rules.store(Arc::new(rules_of(config)));
    }

    /// Thresholds, and what is shown.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The path that a proxy serves pgmon under.
    pub(crate) fn prefixes(&self) -> Arc<Prefixes> {
        self.prefixes.load_full()
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
