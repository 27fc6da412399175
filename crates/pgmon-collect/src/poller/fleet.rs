//! The latest snapshots of everything that is watched, for readers.

use super::cardinality::Cardinality;
use crate::history::HistoryStore;
use arc_swap::ArcSwap;
use pgmon_core::name::Name;
use pgmon_core::snapshot::{CollectorState, Snapshot};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// All watched databases. Writers are the drivers, one per cell; readers take what is there.
#[derive(Debug)]
pub struct Fleet {
    cells: Vec<Arc<Cell>>,
    /// Rises with every published snapshot.
    version: Arc<watch::Sender<u64>>,
    /// Who leads a server, and how much of it that entry sees.
    leaders: Mutex<HashMap<String, (usize, usize)>>,
    /// What the cells showed in the last hour.
    history: HistoryStore,
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
    errors: BTreeMap<(Source, Option<Arc<str>>, Name), u64>,
    dropped: BTreeMap<Source, u64>,
}

impl Ledger {
    /// Adds what was counted since the last call.
    fn book(&mut self, source: Source, states: &[CollectorState], dropped: u64) {
        for state in states {
            let key = (source, state.datname.clone(), state.collector.clone());
            if state.errors == 0 && !self.errors.contains_key(&key) {
                continue;
            }
            let before = self.errors.insert(key, state.errors).unwrap_or(0);
            *self.totals.errors.entry(state.collector.clone()).or_default() += growth(before, state.errors);
        }
        let before = self.dropped.insert(source, dropped).unwrap_or(0);
        self.totals.dropped += growth(before, dropped);
    }
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
        Self { cells, version, leaders: Mutex::new(HashMap::new()), history: HistoryStore::new() }
    }

    /// The cells in the order of the configuration.
    pub fn cells(&self) -> &[Arc<Cell>] {
        &self.cells
    }

    /// The last hour; a [`crate::history::Recorder`] writes it.
    pub fn history(&self) -> &HistoryStore {
        &self.history
    }

    /// Told of every published snapshot.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Makes `entry` the one that collects what belongs to the whole server, if none does yet or if it
    /// sees more of the server than the one that does (`sight`: how many collectors run with its role).
    /// Returns whether it is.
    pub fn lead(&self, server: &str, entry: usize, sight: usize) -> bool {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        match leaders.get(server) {
            Some((leader, seen)) if *leader != entry && *seen >= sight => false,
            _ => {
                leaders.insert(server.to_owned(), (entry, sight));
                true
            }
        }
    }

    /// Lets another entry collect what belongs to the server.
    pub fn resign(&self, entry: usize) {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.retain(|_, (leader, _)| *leader != entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_leads_until_it_resigns() {
        let fleet = Fleet::new(Vec::new());
        assert!(
            fleet.lead("a", 0, 9) && fleet.lead("a", 0, 9) && !fleet.lead("a", 1, 9) && fleet.lead("b", 1, 9)
        );
        fleet.resign(0);
        assert!(fleet.lead("a", 1, 9));
    }

    #[test]
    fn who_sees_more_takes_over() {
        let fleet = Fleet::new(Vec::new());
        assert!(fleet.lead("a", 0, 3) && fleet.lead("a", 1, 9));
        assert!(!fleet.lead("a", 0, 3), "the blinder one learns that it no longer leads");
        // The leader's role lost a grant: who sees more may lead again.
        assert!(fleet.lead("a", 1, 2) && fleet.lead("a", 0, 3));
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
