//! The latest snapshots of everything that is watched, for readers.

use crate::history::HistoryStore;
use arc_swap::ArcSwap;
use pgmon_core::snapshot::{CollectorState, Snapshot};
use std::collections::HashMap;
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
    version: Arc<watch::Sender<u64>>,
}

impl Cell {
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
        self.snapshot.store(Arc::new(snapshot));
        self.version.send_modify(|v| *v += 1);
    }

    /// Replaces what was found in other databases.
    pub fn publish_roamed(&self, states: Vec<CollectorState>) {
        self.roamed.store(Arc::new(states));
        self.version.send_modify(|v| *v += 1);
    }
}

impl Fleet {
    /// A fleet that starts with these snapshots.
    pub fn new(start: Vec<Snapshot>) -> Self {
        let version = Arc::new(watch::Sender::new(0));
        let cells = start
            .into_iter()
            .map(|s| {
                Arc::new(Cell {
                    snapshot: ArcSwap::from_pointee(s),
                    roamed: ArcSwap::from_pointee(Vec::new()),
                    version: version.clone(),
                })
            })
            .collect();
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
}
