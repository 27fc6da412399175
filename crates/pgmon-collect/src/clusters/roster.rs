//! The tasks that ask for clusters: begun and ended as the configuration says.

use super::registry::{Clusters, Slot};
use super::{manatee, patroni, streaming};
use crate::poller::backoff::Backoff;
use crate::poller::fleet::Fleet;
use crate::poller::timer::Timer;
use pgmon_config::{ClusterSpec, Config, Entry, ManagerSpec, Secrets};
use pgmon_core::cluster::{ClusterSnapshot, Health};
use pgmon_secrets::Keyring;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// What every source of clusters works with.
#[derive(Clone)]
pub struct Shared {
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// The watched databases.
    pub fleet: Arc<Fleet>,
    /// The databases as they are configured.
    pub entries: Arc<Vec<Entry>>,
    /// Gives logins.
    pub keyring: Arc<Keyring>,
    /// Limits for the peers' PostgreSQL.
    pub limits: Limits,
}

/// Limits that hold for all peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Whether a role that can write is refused.
    pub enforce_read_only: bool,
}

/// The tasks.
pub struct Roster {
    clusters: Arc<Clusters>,
    fleet: Arc<Fleet>,
    timer: Arc<dyn Timer>,
    env: BTreeMap<String, String>,
    watched: Vec<Watched>,
    tasks: JoinSet<()>,
}

struct Watched {
    spec: ClusterSpec,
    /// What else it was begun with.
    with: With,
    slot: Arc<Slot>,
    stop: watch::Sender<bool>,
}

#[derive(Clone, PartialEq)]
struct With {
    secrets: Secrets,
    limits: Limits,
    /// For streaming replication alone.
    entries: Option<Vec<Entry>>,
}

impl Roster {
    /// Nobody is asked yet. Passwords that commands print are got with a part of `env`.
    pub fn new(
        clusters: Arc<Clusters>,
        fleet: Arc<Fleet>,
        timer: Arc<dyn Timer>,
        env: BTreeMap<String, String>,
    ) -> Self {
        Self { clusters, fleet, timer, env, watched: Vec::new(), tasks: JoinSet::new() }
    }

    /// Asks for just these from now on. One that is the same as before goes on. Returns how many are new or
    /// other, and how many are gone.
    pub fn apply(&mut self, config: &Config, specs: &[ClusterSpec], entries: &[Entry]) -> (usize, usize) {
        let limits = Limits {
            lock_timeout: Duration::from_millis(config.timeouts.lock_timeout_ms),
            enforce_read_only: config.security.read_only_enforce,
        };
        if specs.is_empty() && self.watched.is_empty() {
            return (0, 0);
        }
        // Tasks that were told to end have, mostly.
        while self.tasks.try_join_next().is_some() {}
        let keyring = Arc::new(Keyring::new(&config.secrets, &self.env, clock(&self.timer)));
        let shared = Shared {
            timer: self.timer.clone(),
            fleet: self.fleet.clone(),
            entries: Arc::new(entries.to_vec()),
            keyring,
            limits,
        };
        let mut before = std::mem::take(&mut self.watched);
        let mut begun = 0;
        for spec in specs {
            let streams = matches!(spec.manager, ManagerSpec::Streaming(_));
            let with =
                With { secrets: config.secrets.clone(), limits, entries: streams.then(|| entries.to_vec()) };
            let same = before.iter().position(|watched| watched.spec == *spec && watched.with == with);
            let watched = match same {
                Some(place) => before.swap_remove(place),
                None => {
                    begun += 1;
                    self.begin(spec.clone(), with, shared.clone())
                }
            };
            self.watched.push(watched);
        }
        let ended = before.len();
        for watched in before {
            watched.stop.send_replace(true);
        }
        self.clusters.arrange(self.watched.iter().map(|watched| watched.slot.clone()).collect());
        (begun, ended)
    }

    fn begin(&mut self, spec: ClusterSpec, with: With, shared: Shared) -> Watched {
        let slot = self.clusters.slot(spec.exported);
        let (stop, stopped) = watch::channel(false);
        let kind = match &spec.manager {
            ManagerSpec::Manatee(_) => "manatee",
            ManagerSpec::Patroni(_) => "patroni",
            ManagerSpec::Streaming(_) => "streaming",
        };
        let span = tracing::error_span!("cluster", manager = kind, name = spec.name.as_deref());
        let task = supervise(spec.clone(), shared, slot.clone(), stopped);
        self.tasks.spawn(task.instrument(span));
        Watched { spec, with, slot, stop }
    }

    /// Ends all of them.
    pub async fn stop(&mut self) {
        for watched in std::mem::take(&mut self.watched) {
            watched.stop.send_replace(true);
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

fn clock(timer: &Arc<dyn Timer>) -> Arc<dyn pgmon_core::clock::Clock> {
    timer.clone()
}

/// Waits until it is told to stop.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    // Whoever would tell is gone: that is as good as being told.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Asks until it is told to stop. A panic ends one attempt, not the process, and is told to readers.
async fn supervise(spec: ClusterSpec, shared: Shared, slot: Arc<Slot>, mut stop: watch::Receiver<bool>) {
    let timer = shared.timer.clone();
    let spec_interval = spec.interval;
    let mut backoff = Backoff::default();
    loop {
        let (spec, shared, to, stopped) = (spec.clone(), shared.clone(), slot.clone(), stop.clone());
        let mut attempt = tokio::spawn(
            async move {
                match &spec.manager {
                    ManagerSpec::Manatee(manatee) => manatee::run(&spec, manatee, shared, to, stopped).await,
                    ManagerSpec::Patroni(patroni) => patroni::run(&spec, patroni, shared, to, stopped).await,
                    ManagerSpec::Streaming(streaming) => {
                        streaming::run(&spec, streaming, shared, to, stopped).await;
                    }
                }
            }
            .in_current_span(),
        );
        let ended = tokio::select! {
            ended = &mut attempt => ended,
            () = told(&mut stop) => {
                // It closes what it holds; what hangs is cut off.
                let until = timer.mono() + Duration::from_secs(1);
                tokio::select! {
                    _ = &mut attempt => {}
                    () = timer.sleep_until(until) => attempt.abort(),
                }
                return;
            }
        };
        if ended.is_ok() {
            return;
        }
        // What a panic says may hold anything.
        tracing::error!("asking for a cluster ended by a panic: this is an error in pgmon; it begins anew");
        let reason = "an error in pgmon: see its log".to_owned();
        let failed = |snapshot: &Arc<ClusterSnapshot>| {
            let health = Health::Failed { reason: reason.clone() };
            Arc::new(ClusterSnapshot { health, errors: snapshot.errors + 1, ..(**snapshot).clone() })
        };
        slot.publish(slot.snapshots().iter().map(failed).collect());
        let until = timer.mono() + backoff.failed(spec_interval, fastrand::f64());
        tokio::select! {
            () = timer.sleep_until(until) => {}
            () = told(&mut stop) => return,
        }
    }
}
