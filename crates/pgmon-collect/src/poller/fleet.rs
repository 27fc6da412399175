//! The latest snapshots of everything that is watched, for readers.

use super::cardinality::Cardinality;
use crate::history::HistoryStore;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use pgmon_core::name::Name;
use pgmon_core::snapshot::{CollectorState, Snapshot};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// All watched databases. Writers are the drivers, one per cell; readers take what is there. Which databases
/// those are can change while others read: see [`Fleet::arrange`].
#[derive(Debug)]
pub struct Fleet {
    cells: ArcSwap<Vec<Arc<Cell>>>,
    /// Rises with every other set of cells.
    layout: AtomicU64,
    /// Rises with every published snapshot.
    version: Arc<watch::Sender<u64>>,
    /// Who leads a server, and how much of it that driver sees.
    leaders: Mutex<HashMap<String, (Ticket, usize)>>,
    tickets: AtomicU64,
    config: ArcSwap<ConfigState>,
    /// What the cells showed in the last hour.
    history: HistoryStore,
}

/// Stands for one driver, and for no other that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// How the last attempt to read the configuration again went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigState {
    /// When the configuration that is in force was read; `None` where there is none to be read again.
    pub since: Option<Timestamp>,
    /// Why a newer one is not in force; without values from it.
    pub failure: Option<String>,
}

/// One configured database's latest snapshot.
#[derive(Debug)]
pub struct Cell {
    snapshot: ArcSwap<Snapshot>,
    roamed: ArcSwap<Vec<CollectorState>>,
    totals: ArcSwap<Totals>,
    /// For the writers alone.
    ledger: Mutex<Ledger>,
    cardinality: Arc<Cardinality>,
    version: Arc<watch::Sender<u64>>,
}

/// Counters of an entry and of the databases that are visited from it. They never go down: a collector's
/// own count begins anew with its database, or leaves with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Failed runs by collector, of those that ever failed.
    pub errors: BTreeMap<Name, u64>,
    /// Results left out by query, of the queries of the configuration.
    pub results_dropped: BTreeMap<Name, u64>,
    /// Samples left out because a family had too many series.
    pub dropped: u64,
}

/// Who counts: the entry's own collectors, or those of visited databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Own,
    Visits,
}

/// What was counted last, so that only growth is added to the totals.
#[derive(Debug, Default)]
struct Ledger {
    totals: Totals,
    errors: BTreeMap<Key, u64>,
    results_dropped: BTreeMap<Key, u64>,
    dropped: BTreeMap<Source, u64>,
}

impl Ledger {
    /// Adds what was counted since the last call.
    fn book(&mut self, source: Source, states: &[CollectorState], dropped: u64) {
        let Self { totals, errors, results_dropped, .. } = self;
        for state in states {
            let key = (source, state.datname.clone(), state.collector.clone());
            count(errors, &mut totals.errors, &key, state.errors);
            let left_out = state.custom.as_ref().map_or(0, |custom| custom.results_dropped);
            count(results_dropped, &mut totals.results_dropped, &key, left_out);
        }
        let before = self.dropped.insert(source, dropped).unwrap_or(0);
        self.totals.dropped += growth(before, dropped);
    }
}

type Key = (Source, Option<Arc<str>>, Name);

/// Adds to a total what one count grew by.
fn count(known: &mut BTreeMap<Key, u64>, totals: &mut BTreeMap<Name, u64>, key: &Key, now: u64) {
    if now == 0 && !known.contains_key(key) {
        return;
    }
    let before = known.insert(key.clone(), now).unwrap_or(0);
    *totals.entry(key.2.clone()).or_default() += growth(before, now);
}

/// How much a count grew; what is less than before has begun anew.
fn growth(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

impl Cell {
    fn new(start: Snapshot, version: Arc<watch::Sender<u64>>) -> Self {
        let cell = Self {
            snapshot: ArcSwap::from_pointee(start),
            roamed: ArcSwap::from_pointee(Vec::new()),
            totals: ArcSwap::from_pointee(Totals::default()),
            ledger: Mutex::new(Ledger::default()),
            cardinality: Arc::default(),
            version,
        };
        let start = cell.snapshot();
        cell.book(Source::Own, &start.collectors, start.dropped);
        cell
    }

    /// How many series the entry may have, and what is left out.
    pub fn cardinality(&self) -> &Arc<Cardinality> {
        &self.cardinality
    }

    /// Counters that never go down.
    pub fn totals(&self) -> Arc<Totals> {
        self.totals.load_full()
    }

    fn book(&self, source: Source, states: &[CollectorState], dropped: u64) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.book(source, states, dropped);
        if ledger.totals != **self.totals.load() {
            self.totals.store(Arc::new(ledger.totals.clone()));
        }
    }

    /// What the entry's own connection found.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What was found in the server's other databases (`discover: true`).
    pub fn roamed(&self) -> Arc<Vec<CollectorState>> {
        self.roamed.load_full()
    }

    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        self.book(Source::Own, &snapshot.collectors, snapshot.dropped);
        self.cardinality.weigh(snapshot.collectors.iter().map(|state| (None, state)));
        self.snapshot.store(Arc::new(snapshot));
        self.version.send_modify(|v| *v += 1);
    }

    /// Replaces what was found in other databases, of which `dropped` samples were left out so far.
    pub fn publish_roamed(&self, states: Vec<CollectorState>, dropped: u64) {
        self.book(Source::Visits, &states, dropped);
        if states.iter().any(|state| state.custom.is_some()) {
            self.cardinality.weigh(states.iter().map(|state| (state.datname.as_ref(), state)));
        }
        self.roamed.store(Arc::new(states));
        self.version.send_modify(|v| *v += 1);
    }
}

impl Fleet {
    /// A fleet that starts with these snapshots.
    pub fn new(start: Vec<Snapshot>) -> Self {
        let version = Arc::new(watch::Sender::new(0));
        let cells = start.into_iter().map(|s| Arc::new(Cell::new(s, version.clone()))).collect();
        Self {
            cells: ArcSwap::from_pointee(cells),
            layout: AtomicU64::new(0),
            version,
            leaders: Mutex::new(HashMap::new()),
            tickets: AtomicU64::new(0),
            config: ArcSwap::from_pointee(ConfigState::default()),
            history: HistoryStore::new(),
        }
    }

    /// The cells in the order of the configuration, as they are now.
    pub fn cells(&self) -> Arc<Vec<Arc<Cell>>> {
        self.cells.load_full()
    }

    /// A cell that readers do not see until [`Fleet::arrange`] has put it among the others.
    pub fn cell(&self, start: Snapshot) -> Arc<Cell> {
        Arc::new(Cell::new(start, self.version.clone()))
    }

    /// Makes these the cells that readers see, all at once. A cell that is left out is gone, whatever its
    /// driver still publishes.
    pub fn arrange(&self, cells: Vec<Arc<Cell>>) {
        self.cells.store(Arc::new(cells));
        self.layout.fetch_add(1, Ordering::Release);
        self.version.send_modify(|v| *v += 1);
    }

    /// Rises whenever the set of cells changes: what was made from another set is out of date.
    pub fn layout(&self) -> u64 {
        self.layout.load(Ordering::Acquire)
    }

    /// How the last attempt to read the configuration went.
    pub fn config(&self) -> Arc<ConfigState> {
        self.config.load_full()
    }

    /// Notes how an attempt to read the configuration went.
    pub fn set_config(&self, state: ConfigState) {
        self.config.store(Arc::new(state));
        self.version.send_modify(|v| *v += 1);
    }

    /// A ticket for a new driver.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// The last hour; a [`crate::history::Recorder`] writes it.
    pub fn history(&self) -> &HistoryStore {
        &self.history
    }

    /// Told of every published snapshot.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Makes `driver` the one that collects what belongs to the whole server, if none does yet or if it
    /// sees more of the server than the one that does (`sight`: how many collectors run with its role).
    /// Returns whether it is.
    pub fn lead(&self, server: &str, driver: Ticket, sight: usize) -> bool {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        match leaders.get(server) {
            Some((leader, seen)) if *leader != driver && *seen >= sight => false,
            _ => {
                leaders.insert(server.to_owned(), (driver, sight));
                true
            }
        }
    }

    /// Lets another driver collect what belongs to the server.
    pub fn resign(&self, driver: Ticket) {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.retain(|_, (leader, _)| *leader != driver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_leads_until_it_resigns() {
        let fleet = Fleet::new(Vec::new());
        let (one, two) = (fleet.ticket(), fleet.ticket());
        assert!(fleet.lead("a", one, 9) && fleet.lead("a", one, 9));
        assert!(!fleet.lead("a", two, 9) && fleet.lead("b", two, 9));
        fleet.resign(one);
        assert!(fleet.lead("a", two, 9));
    }

    #[test]
    fn who_sees_more_takes_over() {
        let fleet = Fleet::new(Vec::new());
        let (one, two) = (fleet.ticket(), fleet.ticket());
        assert!(fleet.lead("a", one, 3) && fleet.lead("a", two, 9));
        assert!(!fleet.lead("a", one, 3), "the blinder one learns that it no longer leads");
        // The leader's role lost a grant: who sees more may lead again.
        assert!(fleet.lead("a", two, 2) && fleet.lead("a", one, 3));
    }

    #[test]
    fn a_cell_that_is_left_out_is_gone_whatever_its_driver_publishes() {
        let snapshot = |db: &str| {
            let up = pgmon_core::snapshot::Up::Pending;
            let plan = crate::postgres::plan::Plan::new(&pgmon_config::Config::default());
            Snapshot { up, ..plan.pending("c", db) }
        };
        let dbs = |fleet: &Fleet| -> Vec<String> {
            fleet.cells().iter().map(|c| c.snapshot().db.to_string()).collect()
        };
        let fleet = Fleet::new(vec![snapshot("a"), snapshot("b")]);
        let (before, layout) = (fleet.cells(), fleet.layout());
        let c = fleet.cell(snapshot("c"));
        c.publish(snapshot("c"));
        assert_eq!(dbs(&fleet), ["a", "b"]);
        fleet.arrange(vec![c, before[0].clone()]);
        before[1].publish(snapshot("b"));
        assert_eq!(dbs(&fleet), ["c", "a"]);
        assert!(fleet.layout() > layout);
    }

    fn state(collector: &'static str, datname: Option<&str>, errors: u64) -> CollectorState {
        CollectorState {
            collector: collector.into(),
            in_loop: pgmon_core::snapshot::Loop::Storage,
            server_wide: false,
            datname: datname.map(Into::into),
            at: jiff::Timestamp::UNIX_EPOCH,
            duration: std::time::Duration::ZERO,
            outcome: pgmon_core::snapshot::Outcome::Ok,
            errors,
            blind: Vec::new(),
            stride: 1,
            good: None,
            custom: None,
        }
    }

    #[test]
    fn counters_never_go_down_whatever_leaves_or_begins_anew() {
        let mut ledger = Ledger::default();
        let mut last = Totals::default();
        let mut book = |source, states: &[CollectorState], dropped, errors: u64, left_out: u64| {
            ledger.book(source, states, dropped);
            let total = ledger.totals.errors.get(&"tables".into()).copied().unwrap_or(0);
            assert_eq!((total, ledger.totals.dropped), (errors, left_out));
            assert!(
                last.errors.get(&"tables".into()).is_none_or(|l| *l <= total) && last.dropped <= left_out
            );
            last = ledger.totals.clone();
        };
        book(Source::Own, &[state("tables", None, 2)], 0, 2, 0);
        book(Source::Visits, &[state("tables", Some("a"), 3), state("tables", Some("b"), 1)], 10, 6, 10);
        // A database is gone, and the role of the entry is refused.
        book(Source::Visits, &[state("tables", Some("a"), 3)], 10, 6, 10);
        book(Source::Own, &[], 0, 6, 10);
        // What was hidden for a while is not counted twice.
        book(Source::Own, &[state("tables", None, 2)], 0, 6, 10);
        // What begins anew counts from 0.
        book(Source::Own, &[state("tables", None, 1)], 4, 7, 14);
        book(Source::Own, &[state("tables", None, 2)], 5, 8, 15);
    }
}
