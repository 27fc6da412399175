//! The real drivers on a clock that the test moves.

use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::permits::Permits;
use pgmon_collect::poller::timer::{ManualClock, Timer};
use pgmon_collect::postgres::custom::QuerySet;
use pgmon_collect::postgres::driver::{Driver, Shared};
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::roamer::Roamer;
use pgmon_config::{Config, LoadOptions};
use pgmon_core::snapshot::{CollectorState, Snapshot};
use pgmon_secrets::Keyring;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task;

/// What is watched as `pgmon agent` would, without HTTP.
pub struct Rig {
    pub clock: Arc<ManualClock>,
    pub fleet: Arc<Fleet>,
    pub permits: Arc<Permits>,
    /// What is to be watched how, from now on.
    pub plans: watch::Sender<Arc<Plan>>,
    tasks: usize,
    /// The drivers' tasks, by entry, once they run.
    drivers: OnceLock<Vec<task::Id>>,
    _stop: watch::Sender<bool>,
}

/// Drivers and roamers that do not run yet.
pub struct Ready {
    drivers: Vec<Driver>,
    roamers: Vec<Roamer>,
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()))
}

impl Rig {
    /// Watches one database with the default settings.
    pub async fn start(dsn: &str) -> Self {
        Self::with(&[("PGMON_DSN", dsn)]).await
    }

    /// Watches what the environment says, and waits until all have done what is due.
    pub async fn with(env: &[(&str, &str)]) -> Self {
        let clock = clock();
        let (rig, ready) = Self::prepare(env, clock.clone(), clock);
        rig.run(ready);
        rig.settle().await;
        rig
    }

    /// The same, with nothing running yet, on a timer that may differ from the clock.
    pub fn prepare(env: &[(&str, &str)], clock: Arc<ManualClock>, timer: Arc<dyn Timer>) -> (Self, Ready) {
        let env: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let loaded =
            Config::load(&LoadOptions { env, default_paths: Vec::new(), ..LoadOptions::default() }).unwrap();
        let queries = QuerySet::new(&loaded.config, |_| false);
        let plan = Plan::new(&loaded.config).with_queries(Arc::new(queries));
        let start = loaded.entries.iter().map(|e| plan.pending(&e.cluster, &e.db)).collect();
        let fleet = Arc::new(Fleet::new(start));
        let (stop, stopped) = watch::channel(false);
        let permits = Arc::new(Permits::new(plan.connections_per_server));
        let plans = watch::Sender::new(Arc::new(plan));
        let shared = Arc::new(Shared {
            plans: plans.subscribe(),
            fleet: fleet.clone(),
            permits: permits.clone(),
            timer,
            stop: stopped,
        });
        let keyring = Keyring::new(&loaded.config.secrets, &BTreeMap::new(), clock.clone());
        let mut ready = Ready { drivers: Vec::new(), roamers: Vec::new() };
        for (index, entry) in loaded.entries.into_iter().enumerate() {
            let (cell, logins) = (fleet.cells()[index].clone(), keyring.logins(&entry.connect));
            if entry.discover {
                ready.roamers.push(Roamer::new(shared.clone(), entry.clone(), cell.clone(), logins.clone()));
            }
            ready.drivers.push(Driver::new(shared.clone(), entry, cell, logins));
        }
        let tasks = ready.drivers.len() + ready.roamers.len();
        (Self { clock, fleet, permits, plans, tasks, drivers: OnceLock::new(), _stop: stop }, ready)
    }

    pub fn run(&self, ready: Ready) {
        let drivers = ready.drivers.into_iter().map(|driver| tokio::spawn(driver.run()).id());
        self.drivers.set(drivers.collect()).expect("they are run once");
        ready.roamers.into_iter().for_each(|roamer| drop(tokio::spawn(roamer.run())));
    }

    /// Waits until all have done what is due and sleep.
    pub async fn settle(&self) {
        self.wait("everybody sleeps", || self.clock.is_idle(self.tasks)).await;
    }

    /// Whether the drivers of these entries have done what is due and sleep, whatever the others do.
    pub fn sleep(&self, entries: Range<usize>) -> bool {
        self.clock.all_sleep(&self.drivers.get().expect("they run")[entries])
    }

    /// Waits, without moving the clock.
    pub async fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "not so: {what}");
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }

    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
    }

    /// Moves on second by second until it is so; returns how many seconds that took.
    pub async fn until(&self, what: &str, within_s: u64, is_so: impl Fn() -> bool) -> u64 {
        for second in 0..=within_s {
            if is_so() {
                return second;
            }
            self.advance(Duration::from_secs(1)).await;
        }
        let ups: Vec<_> = self.fleet.cells().iter().map(|c| c.snapshot().up.clone()).collect();
        panic!("not within {within_s} s: {what}; {ups:?}");
    }

    pub fn snapshot(&self, entry: usize) -> Arc<Snapshot> {
        self.fleet.cells()[entry].snapshot()
    }

    /// A collector's state on an entry.
    pub fn collector(&self, entry: usize, name: &str) -> Option<CollectorState> {
        self.snapshot(entry).collectors.iter().find(|c| c.collector == name).cloned()
    }
}
