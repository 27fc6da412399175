//! Runs the drivers until every loop of every database has had its round.

use anyhow::Context as _;
use pgmon_collect::poller::fleet::{Cell, Fleet};
use pgmon_collect::poller::permits::Permits;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::postgres::collectors::database_size;
use pgmon_collect::postgres::driver::{Driver, Shared};
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::roamer::Roamer;
use pgmon_config::{Config, Entry};
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{CollectorState, Loop, Outcome, Snapshot, Up};
use pgmon_secrets::Keyring;
use pgmon_views::source::leader;
use pgmon_views::{Now, words};
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often is looked at how far it is, if nothing is published.
const LOOK: Duration = Duration::from_millis(250);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long after the first round of hot_path and workload the second one comes, if one is wanted.
    pub second_round_after: Option<Duration>,
    /// How long all may take.
    pub timeout: Duration,
}

/// What is known of one entry at the moment at which it was complete, or when the time was up.
pub struct Collected {
    /// Its cell.
    pub cell: Arc<Cell>,
    /// Its snapshot.
    pub own: Arc<Snapshot>,
    /// That of the entry which collected what belongs to the whole server, if that is another one.
    pub leader: Option<Arc<Snapshot>>,
    /// What was found in other databases of the server.
    pub roamed: Arc<Vec<CollectorState>>,
    /// That moment.
    pub now: Now,
    /// What is missing because the time was up.
    pub missing: Vec<String>,
}

/// Looks at all entries at once, as the agent does.
pub async fn collect(
    config: &Config,
    entries: Vec<Entry>,
    timer: Arc<dyn Timer>,
    patience: &Patience,
) -> anyhow::Result<Vec<Collected>> {
    let queries = Arc::new(crate::commands::queries(config));
    let mut plan = Plan::new(config).with_queries(queries);
    plan.second_round_after = patience.second_round_after;
    let plan = Arc::new(plan);
    let starts = entries.iter().map(|e| plan.pending(&e.cluster, &e.db)).collect();
    let fleet = Arc::new(Fleet::new(starts));
    let (stop, stopped) = watch::channel(false);
    // It has to stay: drivers whose plans have no sender would not know when to stop waiting for one.
    let plans = watch::Sender::new(plan.clone());
    let shared = Arc::new(Shared {
        plans: plans.subscribe(),
        fleet: fleet.clone(),
        permits: Arc::new(Permits::new(plan.connections_per_server)),
        timer: timer.clone(),
        stop: stopped,
    });
    let clock: Arc<dyn Clock> = timer.clone();
    let keyring = Keyring::new(&config.secrets, &crate::commands::environment(), clock);
    let mut tasks = JoinSet::new();
    let mut discovers = Vec::new();
    for (entry, cell) in entries.into_iter().zip(fleet.cells().iter()) {
        let logins = keyring.logins(&entry.connect);
        discovers.push(entry.discover);
        if entry.discover {
            let roamer = Roamer::new(shared.clone(), entry.clone(), cell.clone(), logins.clone());
            tasks.spawn(roamer.run());
        }
        tasks.spawn(Driver::new(shared.clone(), entry, cell.clone(), logins).run());
    }
    let rounds = if patience.second_round_after.is_some() { 2 } else { 1 };
    let watcher = Watcher { fleet: &fleet, timer: &*timer, discovers, rounds };
    let collected = watcher.wait(patience.timeout, &mut tasks).await;
    let _ = stop.send(true);
    // Connections are closed politely, but nobody waits for a server that does not answer.
    let ended = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(super::STOP_WITHIN, ended).await;
    collected
}

/// Waits for the drivers.
struct Watcher<'a> {
    fleet: &'a Fleet,
    timer: &'a dyn Timer,
    discovers: Vec<bool>,
    /// Rounds of hot_path and workload.
    rounds: u64,
}

impl Watcher<'_> {
    async fn wait(&self, timeout: Duration, tasks: &mut JoinSet<()>) -> anyhow::Result<Vec<Collected>> {
        let cells = self.fleet.cells();
        let mut done: Vec<Option<Collected>> = cells.iter().map(|_| None).collect();
        let mut version = self.fleet.subscribe();
        let started = self.timer.mono();
        let until = started + timeout;
        let mut progress = Progress::new();
        loop {
            let all: Vec<Arc<Snapshot>> = cells.iter().map(|cell| cell.snapshot()).collect();
            let is_over = self.timer.mono() >= until;
            for (place, (slot, own)) in done.iter_mut().zip(&all).enumerate() {
                let Some(cell) = cells.get(place).filter(|_| slot.is_none()) else { continue };
                let roamed = cell.roamed();
                let discovers = self.discovers.get(place).copied().unwrap_or(false);
                let leader = leader(own, &all);
                let mut missing = self.missing(own, &roamed, discovers);
                let of_server = leader.as_ref().map(|led| self.missing(led, &[], false)).unwrap_or_default();
                missing.extend(of_server.into_iter().map(|what| format!("of the whole server: {what}")));
                if missing.is_empty() || is_over {
                    let now = Now { mono: self.timer.mono(), wall: self.timer.wall() };
                    let (cell, own) = (cell.clone(), own.clone());
                    *slot = Some(Collected { cell, own, leader, roamed, now, missing });
                }
            }
            let waits = done.iter().position(Option::is_none);
            let Some(waits) = waits else { break };
            if progress.is_shown {
                let ready = done.iter().filter(|one| one.is_some()).count();
                let first = all.get(waits).map(|own| (own, self.missing(own, &[], false)));
                progress.show(ready, done.len(), self.timer.mono().saturating_sub(started), first);
            }
            let look = (self.timer.mono() + LOOK).min(until);
            tokio::select! {
                _ = version.changed() => {}
                () = self.timer.sleep_until(look) => {}
                Some(ended) = tasks.join_next() => {
                    // A driver only ends when it is told to.
                    ended.context("the work on a database ended by a fault of pgmon's")?;
                    anyhow::bail!("the work on a database ended early, by a fault of pgmon's");
                }
            }
        }
        progress.clear();
        Ok(done.into_iter().flatten().collect())
    }

    /// What an entry still lacks. Nothing more is expected of a database that does not answer.
    fn missing(&self, own: &Snapshot, roamed: &[CollectorState], discovers: bool) -> Vec<String> {
        match &own.up {
            Up::Pending => return vec!["a connection".to_owned()],
            Up::Refused { .. } => return Vec::new(),
            // It waits for its turn, or a connection was lost that the driver is about to replace.
            Up::Down { reason } if own.connect_errors == 0 => return vec![reason.clone()],
            Up::Down { .. } => return Vec::new(),
            Up::Up => {}
        }
        let mut missing = Vec::new();
        for state in &own.loops {
            let wanted = if state.name < Loop::Storage { self.rounds } else { 1 };
            if state.rounds == 0 {
                missing.push(format!("the loop {}", state.name));
            } else if state.rounds < wanted {
                missing.push(format!("the second round of {}, for rates", state.name));
            }
        }
        let not_asked = |state: &&CollectorState| {
            let waits = state.custom.as_ref().is_some_and(|custom| custom.last_mono.is_none());
            waits && matches!(state.outcome, Outcome::Skipped { .. })
        };
        missing.extend(own.collectors.iter().filter(not_asked).map(|state| state.collector.to_string()));
        if discovers && missing.is_empty() {
            missing.extend(unvisited(own, roamed).into_iter().map(|name| format!("the database {name}")));
        }
        missing
    }
}

/// Databases of the server that are to be visited and were not yet.
fn unvisited(own: &Snapshot, roamed: &[CollectorState]) -> BTreeSet<String> {
    let sizes = own.collectors.iter().find(|state| state.collector == "database_size");
    let sizes = sizes.and_then(|state| state.good.as_deref()?.rows::<database_size::Sizes>());
    let here = own.server.as_ref().map(|server| server.database.as_str());
    let all = sizes.into_iter().flat_map(|sizes| &sizes.databases);
    all.filter(|d| d.allows_connections && !d.is_template && Some(d.name.as_str()) != here)
        .filter(|d| !roamed.iter().any(|state| state.datname.as_deref() == Some(&d.name)))
        .map(|d| d.name.clone())
        .collect()
}

/// How far it is, on a terminal.
struct Progress {
    is_shown: bool,
    last: String,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), last: String::new() }
    }

    fn show(
        &mut self,
        ready: usize,
        all: usize,
        took: Duration,
        first: Option<(&Arc<Snapshot>, Vec<String>)>,
    ) {
        let waits = first.map(|(own, missing)| {
            let next = missing.first().map(|what| format!(": {what}")).unwrap_or_default();
            format!("; {}/{}{next}", own.cluster, own.db)
        });
        let (waits, took) = (waits.unwrap_or_default(), took.as_secs());
        let line = format!("{ready} of {}, {took} s{waits}", words::counted(all, "database", "databases"));
        let line: String = line.chars().filter(|c| !c.is_control()).take(78).collect();
        if line != self.last {
            // Nobody reads it where it cannot be written.
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            self.last = line;
        }
    }

    fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
