//! Keeps the last hours and days of the fleet's figures.
//!
//! A [`Recorder`] watches the fleet and gives each finished round of each collector to the
//! [`HistoryStore`], once. Drivers do not know of it. With a directory it reads at the start what was there
//! when pgmon stopped, and writes it every few minutes and at the end ([`file`]).

mod file;
mod services;

pub use services::KEPT_OF_SERVICES;

use crate::poller::fleet::{Cell, Fleet};
use crate::poller::timer::Timer;
use arc_swap::ArcSwapOption;
use file::Keeper;
use pgmon_core::clock::Clock;
use pgmon_core::history::{Answer, History, Id, Name, Query, Round, Source, Stats, Tier};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{CollectorState, Loop, Outcome, Snapshot, Up};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much is kept at the interval of the loops.
const KEEP: Duration = Duration::from_secs(3600);

/// How much is kept beyond that: a day by the minute, a week by ten minutes. In milliseconds.
const TIERS: [Tier; 2] =
    [Tier { step: 60_000, keep: 24 * 3_600_000 }, Tier { step: 600_000, keep: 7 * 24 * 3_600_000 }];

/// How often the file is written: what a power failure costs at most.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// Beyond the configured limit, for each database: 0.3 MiB.
const FOR_A_DATABASE: u64 = 3 * 1024 * 1024 / 10;

/// Rounds that end together are taken together.
const TOGETHER: Duration = Duration::from_millis(200);

/// How often what is too old is removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Under this name pgmon's own figures of a database are kept.
const OWN: &str = "pgmon";

/// Whether a database answers.
pub const UP: Desc =
    Desc::gauge("pg_up", "Whether the database answers and its role is one that pgmon uses: 1 or 0.", &[]);

/// The fleet's history, for one who writes and any number of readers.
#[derive(Debug)]
pub struct HistoryStore {
    history: RwLock<History>,
    trouble: ArcSwapOption<String>,
}

impl HistoryStore {
    /// Nothing is kept before [`Self::set_limit`].
    pub fn new() -> Self {
        let history = History::new(0, millis(KEEP)).with_tiers(TIERS);
        Self { history: RwLock::new(history), trouble: ArcSwapOption::empty() }
    }

    /// Why the history would not outlive a restart, though it should; without figures.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// Sets the limit in bytes; each of the databases adds 0.3 MiB, each of the services 64 KiB.
    pub fn set_limit(&self, max_bytes: u64, databases: usize, services: usize) {
        let databases = u64::try_from(databases).unwrap_or(u64::MAX);
        let all = max_bytes.saturating_add(FOR_A_DATABASE.saturating_mul(databases));
        let all = all.saturating_add(services::room(services));
        self.write(|h| h.set_max_bytes(usize::try_from(all).unwrap_or(usize::MAX)));
    }

    /// What is held.
    pub fn stats(&self) -> Stats {
        self.read(History::stats)
    }

    /// What series of a database did between two times; `None` if the fleet has no such database.
    ///
    /// In the query and in the answer, times are Unix times in milliseconds.
    pub fn range(&self, fleet: &Fleet, clock: &dyn Clock, id: &Id, query: &Query<'_>) -> Option<Answer> {
        let peers = peers(fleet, id)?;
        Some(self.range_of(id, &peers, offset(clock), query))
    }

    fn range_of(&self, id: &Id, peers: &[Id], offset: i64, query: &Query<'_>) -> Answer {
        let query =
            Query { from: query.from.saturating_sub(offset), to: query.to.saturating_sub(offset), ..*query };
        let mut answer = self.read(|h| h.range(id, peers, &query));
        for point in answer.curves.iter_mut().flat_map(|c| &mut c.points) {
            point.at = point.at.saturating_add(offset);
        }
        answer
    }

    /// The names of a database's series; `None` if the fleet has no such database.
    pub fn names(&self, fleet: &Fleet, id: &Id) -> Option<Vec<Name>> {
        let peers = peers(fleet, id)?;
        Some(self.read(|h| h.names(id, &peers)))
    }

    fn read<T>(&self, f: impl FnOnce(&History) -> T) -> T {
        f(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, f: impl FnOnce(&mut History) -> T) -> T {
        f(&mut self.history.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The other entries of a database's running server: they share what belongs to it.
fn peers(fleet: &Fleet, id: &Id) -> Option<Vec<Id>> {
    let snapshots: Vec<_> = fleet.cells().iter().map(|c| c.snapshot()).collect();
    let is_it = |s: &Arc<Snapshot>| *s.cluster == *id.cluster && *s.db == *id.db;
    let key = snapshots.iter().find(|s| is_it(s))?.server_key.as_ref();
    let others = snapshots.iter().filter(|s| key.is_some() && s.server_key.as_ref() == key && !is_it(s));
    Some(others.map(|s| id_of(s)).collect())
}

impl Default for HistoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives the history what the fleet's drivers publish.
pub struct Recorder {
    fleet: Arc<Fleet>,
    timer: Arc<dyn Timer>,
    config: pgmon_config::History,
    /// What was last seen of each cell.
    seen: Vec<Seen>,
    services: Option<services::Watched>,
    /// How many databases and services there is room for.
    room: Option<(usize, usize)>,
    dropped: u64,
}

struct Seen {
    cell: Arc<Cell>,
    snapshot: Arc<Snapshot>,
    roamed: Arc<Vec<CollectorState>>,
}

impl Recorder {
    /// Writes to the fleet's own history, within what is configured.
    pub fn new(fleet: Arc<Fleet>, timer: Arc<dyn Timer>, config: pgmon_config::History) -> Self {
        Self { fleet, timer, config, seen: Vec::new(), services: None, room: None, dropped: 0 }
    }

    /// Runs until the process stops; with a directory, until all is written.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let keeper = self.config.directory().map(|directory| Arc::new(Keeper::new(directory.to_owned())));
        if let Some(keeper) = &keeper {
            // Before the first round: what was read must be older than all that is taken.
            self.limit();
            let _ = self.in_background(keeper, Keeper::load).await;
        }
        let mut version = self.fleet.subscribe();
        let mut tidied = self.timer.mono();
        let (mut saved, mut saving) = (tidied, None::<JoinHandle<()>>);
        loop {
            self.take();
            let now = self.timer.mono();
            if now.saturating_sub(tidied) >= TIDY_EVERY {
                tidied = now;
                self.tidy(now);
            }
            if let Some(keeper) = &keeper
                && now.saturating_sub(saved) >= SAVE_EVERY
                && saving.as_ref().is_none_or(JoinHandle::is_finished)
            {
                saved = now;
                saving = Some(self.in_background(keeper, Keeper::save));
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                changed = version.changed() => if changed.is_err() { break },
                () = Self::checked(&mut self.services) => {}
                () = self.timer.sleep_until(now + TIDY_EVERY) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.timer.sleep_until(self.timer.mono() + TOGETHER) => {}
            }
        }
        if let Some(keeper) = &keeper {
            self.take();
            if let Some(saving) = saving {
                let _ = saving.await;
            }
            let _ = self.in_background(keeper, Keeper::save).await;
        }
    }

    /// Does what waits for the disk away from the async threads. It is done even if nobody waits for it.
    fn in_background(&self, keeper: &Arc<Keeper>, what: fn(&Keeper, &Fleet, &dyn Clock)) -> JoinHandle<()> {
        let (keeper, fleet, timer) = (keeper.clone(), self.fleet.clone(), self.timer.clone());
        tokio::task::spawn_blocking(move || what(&keeper, &fleet, &*timer))
    }

    fn limit(&mut self) {
        let services = self.services.as_ref().map_or(0, services::Watched::count);
        let room = (self.fleet.cells().len(), services);
        if self.room != Some(room) {
            self.room = Some(room);
            self.fleet.history().set_limit(self.config.limit(room.0), room.0, room.1);
        }
    }

    /// Takes what is new since the last time.
    pub fn take(&mut self) {
        self.limit();
        let cells = self.fleet.cells();
        let now = self.timer.mono();
        let mut before = std::mem::take(&mut self.seen).into_iter();
        let mut changed_fleet = false;
        for cell in cells.iter() {
            let last = before.next().filter(|seen| Arc::ptr_eq(&seen.cell, cell));
            changed_fleet |= last.is_none();
            let (snapshot, roamed) = (cell.snapshot(), cell.roamed());
            let same = last.is_some_and(|seen| {
                Arc::ptr_eq(&seen.snapshot, &snapshot) && Arc::ptr_eq(&seen.roamed, &roamed)
            });
            if !same {
                self.fleet.history().write(|h| record(h, &snapshot, &roamed, now));
            }
            self.seen.push(Seen { cell: cell.clone(), snapshot, roamed });
        }
        let other_services = self.services.as_mut().is_some_and(|s| s.take(self.fleet.history()));
        if changed_fleet || other_services || before.next().is_some() {
            let ids: BTreeSet<Id> = self.seen.iter().map(|seen| id_of(&seen.snapshot)).collect();
            let checked = |id: &Id| self.services.as_ref().is_some_and(|services| services.has(id));
            self.fleet.history().write(|h| h.retain(|id| ids.contains(id) || checked(id)));
        }
    }

    /// Folds what is older than an hour, and removes what is too old; done every minute.
    pub fn tidy(&mut self, now: Duration) {
        let stats = self.fleet.history().write(|h| {
            h.expire(millis(now));
            h.stats()
        });
        if stats.dropped > 0 && self.dropped == 0 {
            tracing::warn!(
                bytes = stats.bytes,
                series = stats.series,
                "the history is full: the oldest figures of single tables, indexes and statements leave it \
                 before their hour is over; history.max_bytes makes room"
            );
        }
        self.dropped = stats.dropped;
    }
}

/// Takes the rounds of one database that are new.
fn record(history: &mut History, snapshot: &Snapshot, roamed: &[CollectorState], now: Duration) {
    let id = id_of(snapshot);
    let up = snapshot.up.is_up();
    let states = || snapshot.collectors.iter().chain(roamed);
    for state in states() {
        let Some(good) = &state.good else { continue };
        let interval = match &state.custom {
            Some(custom) => custom.interval,
            None => snapshot.of(state.in_loop).interval * state.stride,
        };
        let source = source_of(state);
        let at = millis(good.at_mono);
        if history.last(&id, source).is_some_and(|last| last >= at) {
            continue;
        }
        let round = Round { source, at, interval: millis(interval), families: &good.families };
        // It was just looked at whether it is later.
        let _ = history.record(&id, round);
    }
    let known: HashSet<Source<'_>> =
        states().filter(|state| up && is_known(state, snapshot, now)).map(source_of).collect();
    history.gap(&id, |source| source.collector == OWN || known.contains(&source));
    if snapshot.up != Up::Pending {
        let mut own = Families::new();
        own.push(&UP, &[], if up { 1.0 } else { 0.0 });
        let source = Source { collector: OWN, datname: None, server_wide: false };
        let interval = millis(snapshot.of(Loop::HotPath).interval);
        let round = Round { source, at: millis(now), interval, families: &own.into_vec() };
        // Twice in a millisecond says nothing new.
        let _ = history.record(&id, round);
    }
}

/// Whether a collector's last good result still holds: no round after it failed or was left out.
fn is_known(state: &CollectorState, snapshot: &Snapshot, now: Duration) -> bool {
    let Some(good) = &state.good else { return false };
    let holds = match &state.outcome {
        Outcome::Ok => true,
        // It runs less often than its loop.
        Outcome::Skipped { .. } => state.stride > 1,
        Outcome::Failed { .. } | Outcome::Blind | Outcome::Unsupported => false,
    };
    holds && now.saturating_sub(good.at_mono) <= state.keeps(snapshot.of(state.in_loop).interval)
}

fn source_of(state: &CollectorState) -> Source<'_> {
    Source { collector: &state.collector, datname: state.datname.as_deref(), server_wide: state.server_wide }
}

fn id_of(snapshot: &Snapshot) -> Id {
    Id { cluster: snapshot.cluster.clone(), db: snapshot.db.clone() }
}

/// What is to be added to monotonic milliseconds to have Unix milliseconds.
fn offset(clock: &dyn Clock) -> i64 {
    clock.wall().as_millisecond().saturating_sub(millis(clock.mono()))
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
