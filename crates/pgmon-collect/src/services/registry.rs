//! The services that are checked, and what was found last.

use super::families::Tally;
use super::probe::{Probe, pending};
use super::watch::{self, Shared};
use crate::poller::timer::Timer;
use arc_swap::ArcSwap;
use pgmon_config::{Secrets, ServiceCheck, ServiceSpec};
use pgmon_core::metric::{Group, Groups};
use pgmon_core::service::ServiceSnapshot;
use pgmon_secrets::Keyring;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch as channel;
use tokio::task::{AbortHandle, JoinSet};

/// The latest snapshots of all services, for readers.
#[derive(Debug)]
pub struct Services {
    cells: ArcSwap<Vec<Arc<Cell>>>,
    layout: AtomicU64,
    version: Arc<channel::Sender<u64>>,
}

/// One service's latest snapshot.
#[derive(Debug)]
pub(crate) struct Cell {
    snapshot: ArcSwap<ServiceSnapshot>,
    /// For its task, and for the one that comes after it.
    pub(super) tally: Mutex<Tally>,
    version: Arc<channel::Sender<u64>>,
}

impl Cell {
    /// What the last check found.
    pub fn snapshot(&self) -> Arc<ServiceSnapshot> {
        self.snapshot.load_full()
    }

    /// Its counters.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: ServiceSnapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.version.send_modify(|v| *v += 1);
    }
}

impl Default for Services {
    fn default() -> Self {
        Self {
            cells: ArcSwap::default(),
            layout: AtomicU64::new(0),
            version: Arc::new(channel::Sender::new(0)),
        }
    }
}

impl Services {
    /// The latest snapshots, in the order of the configuration.
    pub fn snapshots(&self) -> Vec<Arc<ServiceSnapshot>> {
        self.cells.load().iter().map(|cell| cell.snapshot()).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.load().is_empty()
    }

    /// Told of every snapshot.
    pub fn subscribe(&self) -> channel::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn cell(&self, start: ServiceSnapshot, tally: Tally) -> Arc<Cell> {
        let version = self.version.clone();
        Arc::new(Cell { snapshot: ArcSwap::from_pointee(start), tally: Mutex::new(tally), version })
    }

    pub(super) fn arrange(&self, cells: Vec<Arc<Cell>>) {
        self.cells.store(Arc::new(cells));
        self.layout.fetch_add(1, Ordering::Release);
        self.version.send_modify(|v| *v += 1);
    }
}

impl Groups for Services {
    fn groups(&self) -> Vec<Arc<Group>> {
        self.cells.load().iter().map(|cell| cell.snapshot.load().group.clone()).collect()
    }

    fn layout(&self) -> u64 {
        self.layout.load(Ordering::Acquire)
    }

    fn version(&self) -> u64 {
        *self.version.borrow()
    }
}

/// What another configuration changed, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServiceChanges {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are no more.
    pub removed: Vec<String>,
    /// Those that are other than before.
    pub changed: Vec<String>,
}

/// The tasks that check services.
pub struct Roster {
    services: Arc<Services>,
    shared: Arc<Shared>,
    env: BTreeMap<String, String>,
    keyring: Keyring,
    secrets: Secrets,
    watched: Vec<Watched>,
    tasks: JoinSet<()>,
    /// Tasks that were told to end.
    told: HashSet<tokio::task::Id>,
}

struct Watched {
    spec: Arc<ServiceSpec>,
    cell: Arc<Cell>,
    stop: channel::Sender<bool>,
    task: AbortHandle,
}

impl Roster {
    /// Nobody is checked yet. Passwords that commands print are got with a part of `env`.
    pub fn new(
        services: Arc<Services>,
        timer: Arc<dyn Timer>,
        secrets: &Secrets,
        env: BTreeMap<String, String>,
    ) -> Self {
        Self::with(services, Shared::new(timer), secrets, env)
    }

    /// The same, with this in common.
    pub(super) fn with(
        services: Arc<Services>,
        shared: Shared,
        secrets: &Secrets,
        env: BTreeMap<String, String>,
    ) -> Self {
        Self {
            keyring: keyring(secrets, &env, &shared.timer),
            services,
            shared: Arc::new(shared),
            env,
            secrets: secrets.clone(),
            watched: Vec::new(),
            tasks: JoinSet::new(),
            told: HashSet::new(),
        }
    }

    /// Checks just these services from now on. One that is the same as before goes on as if nothing had
    /// happened; one that is other keeps its counters, unless it is something else by now.
    pub fn apply(&mut self, specs: Vec<ServiceSpec>, secrets: &Secrets) -> ServiceChanges {
        if *secrets != self.secrets {
            self.secrets = secrets.clone();
            self.keyring = keyring(secrets, &self.env, &self.shared.timer);
        }
        let mut changes = ServiceChanges::default();
        let mut known: HashMap<String, Watched> =
            self.watched.drain(..).map(|watched| (watched.spec.name.clone(), watched)).collect();
        let had = known.len();
        for spec in specs {
            let watched = match known.remove(&spec.name) {
                Some(watched) if *watched.spec == spec => watched,
                Some(watched) => {
                    changes.changed.push(spec.name.clone());
                    let alike = is_alike(&watched.spec.check, &spec.check);
                    let (tally, last) = (watched.cell.tally(), watched.cell.snapshot());
                    self.end(watched);
                    let mut start = pending(&spec);
                    if alike {
                        (start.checks, start.failures) = (tally.checks, tally.failures);
                        start.last_success = last.last_success;
                    }
                    self.begin(spec, start, if alike { tally } else { Tally::default() })
                }
                None => {
                    changes.added.push(spec.name.clone());
                    let start = pending(&spec);
                    self.begin(spec, start, Tally::default())
                }
            };
            self.watched.push(watched);
        }
        changes.removed = known.keys().cloned().collect();
        changes.removed.sort();
        known.into_values().for_each(|watched| self.end(watched));
        if changes != ServiceChanges::default() || had != self.watched.len() {
            self.services.arrange(self.watched.iter().map(|watched| watched.cell.clone()).collect());
        }
        changes
    }

    fn begin(&mut self, spec: ServiceSpec, start: ServiceSnapshot, tally: Tally) -> Watched {
        let (cell, spec) = (self.services.cell(start, tally), Arc::new(spec));
        let (stop, stopped) = channel::channel(false);
        let probe = Probe::new(&spec.check, &self.keyring);
        let task =
            self.tasks.spawn(watch::run(self.shared.clone(), cell.clone(), spec.clone(), probe, stopped));
        Watched { spec, cell, stop, task }
    }

    fn end(&mut self, watched: Watched) {
        self.told.insert(watched.task.id());
        watched.stop.send_replace(true);
    }

    /// Waits for the end of a task that nobody told to end; says how it ended.
    pub async fn ended(&mut self) -> String {
        loop {
            let (id, how) = match self.tasks.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, "on its own"),
                Some(Err(error)) => (error.id(), if error.is_panic() { "by a panic" } else { "cut off" }),
                None => std::future::pending().await,
            };
            if !self.told.remove(&id) {
                return how.to_owned();
            }
        }
    }

    /// Ends all of them.
    pub async fn stop(&mut self) {
        for watched in std::mem::take(&mut self.watched) {
            self.end(watched);
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

fn keyring(secrets: &Secrets, env: &BTreeMap<String, String>, timer: &Arc<dyn Timer>) -> Keyring {
    let clock: Arc<dyn pgmon_core::Clock> = timer.clone();
    Keyring::new(secrets, env, clock)
}

/// Whether counters of the one can go on for the other.
fn is_alike(before: &ServiceCheck, now: &ServiceCheck) -> bool {
    match (before, now) {
        // The path is a label of its counters.
        (ServiceCheck::Http(before), ServiceCheck::Http(now)) => before.url.path() == now.url.path(),
        (before, now) => before.kind() == now.kind(),
    }
}
