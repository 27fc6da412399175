//! The clusters that are asked for, and what was found last.

use super::names::Names;
use crate::poller::timer::Timer;
use arc_swap::ArcSwap;
use pgmon_core::cluster::{ClusterSnapshot, families};
use pgmon_core::metric::{Group, Groups};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The latest snapshots of all clusters, for readers.
pub struct Clusters {
    slots: ArcSwap<Vec<Arc<Slot>>>,
    layout: AtomicU64,
    version: Arc<watch::Sender<u64>>,
    timer: Arc<dyn Timer>,
    names: Names,
}

/// What one source of clusters found last: none, one, or as many as it has shards.
#[derive(Debug)]
pub struct Slot {
    snapshots: ArcSwap<Vec<Arc<ClusterSnapshot>>>,
    exported: bool,
    version: Arc<watch::Sender<u64>>,
}

impl Slot {
    /// The latest snapshots.
    pub fn snapshots(&self) -> Arc<Vec<Arc<ClusterSnapshot>>> {
        self.snapshots.load_full()
    }

    /// Replaces them.
    pub fn publish(&self, snapshots: Vec<Arc<ClusterSnapshot>>) {
        self.snapshots.store(Arc::new(snapshots));
        self.version.send_modify(|v| *v += 1);
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters").field("slots", &self.slots.load().len()).finish_non_exhaustive()
    }
}

impl Clusters {
    /// None yet.
    pub fn new(timer: Arc<dyn Timer>) -> Self {
        Self {
            slots: ArcSwap::default(),
            layout: AtomicU64::new(0),
            version: Arc::new(watch::Sender::new(0)),
            timer,
            names: Names::default(),
        }
    }

    /// The latest snapshots, in the order of the configuration. No two have the same manager and name.
    pub fn snapshots(&self) -> Vec<Arc<ClusterSnapshot>> {
        self.named().into_iter().map(|(_, snapshot)| snapshot).collect()
    }

    /// The latest snapshots, and whether each is exported.
    fn named(&self) -> Vec<(bool, Arc<ClusterSnapshot>)> {
        let slots = self.slots.load();
        let all = slots.iter().flat_map(|slot| {
            let snapshots = slot.snapshots();
            snapshots.iter().map(|snapshot| (slot.exported, snapshot.clone())).collect::<Vec<_>>()
        });
        self.names.apart(all.collect())
    }

    /// What each source found last, in the order of the configuration.
    pub fn slots(&self) -> Arc<Vec<Arc<Slot>>> {
        self.slots.load_full()
    }

    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        self.slots.load().is_empty()
    }

    /// Told of every snapshot.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Rises with every snapshot.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    pub(super) fn slot(&self, exported: bool) -> Arc<Slot> {
        Arc::new(Slot { snapshots: ArcSwap::default(), exported, version: self.version.clone() })
    }

    pub(super) fn arrange(&self, slots: Vec<Arc<Slot>>) {
        self.slots.store(Arc::new(slots));
        self.layout.fetch_add(1, Ordering::Release);
        self.version.send_modify(|v| *v += 1);
    }
}

impl Groups for Clusters {
    fn groups(&self) -> Vec<Arc<Group>> {
        let exported = self.named().into_iter().filter(|(exported, _)| *exported);
        let snapshots: Vec<_> = exported.map(|(_, snapshot)| snapshot).collect();
        if snapshots.is_empty() {
            return Vec::new();
        }
        // Made for each page: what is out of date by then is left out.
        vec![Arc::new(Group { labels: Vec::new(), families: families(&snapshots, self.timer.mono()) })]
    }

    fn layout(&self) -> u64 {
        self.layout.load(Ordering::Acquire)
    }

    fn version(&self) -> u64 {
        Self::version(self)
    }
}
