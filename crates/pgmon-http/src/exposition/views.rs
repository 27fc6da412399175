//! The fleet as the page shows it: which entry's figures stand under which.

use super::database;
use pgmon_collect::poller::cardinality::LeftOut;
use pgmon_collect::poller::fleet::{Cell, Fleet};
use pgmon_core::label;
use pgmon_core::metric::Family;
use pgmon_core::snapshot::{CollectorState, Snapshot, Up};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// One database as the page shows it.
pub(super) struct View {
    pub(super) snapshot: Arc<Snapshot>,
    /// The entry that collects what belongs to this entry's server, if that is another one, and what is
    /// left out of it.
    pub(super) leader: Option<(Arc<Snapshot>, Arc<Vec<LeftOut>>)>,
    pub(super) left_out: Arc<Vec<LeftOut>>,
    pub(super) roamed: Arc<Vec<CollectorState>>,
    /// Names of databases as label values.
    pub(super) datnames: HashMap<Arc<str>, String>,
    pub(super) own: Vec<Family>,
}

/// A collector's state in a view.
pub(super) struct Shown<'v> {
    pub(super) state: &'v CollectorState,
    /// Says whether it is current.
    pub(super) snapshot: &'v Snapshot,
    pub(super) left_out: &'v [LeftOut],
    /// The database, if it is not the entry's own.
    pub(super) visited: Option<&'v Arc<str>>,
}

impl View {
    /// The collectors' states to show.
    pub(super) fn sources(&self) -> Vec<Shown<'_>> {
        if matches!(self.snapshot.up, Up::Refused { .. }) {
            return Vec::new();
        }
        let own =
            (self.snapshot.collectors.iter()).map(|state| (state, &*self.snapshot, &self.left_out, None));
        let roamed = self.roamed.iter();
        let roamed = roamed.map(|state| (state, &*self.snapshot, &self.left_out, state.datname.as_ref()));
        let shared = self.leader.iter().flat_map(|(leader, left_out)| {
            let of_server = leader.collectors.iter().filter(|c| c.server_wide);
            of_server.map(move |state| (state, &**leader, left_out, None))
        });
        let all = own.chain(roamed).chain(shared);
        all.map(|(state, snapshot, left_out, visited)| Shown { state, snapshot, left_out, visited }).collect()
    }
}

/// All databases at the monotonic time `now`.
pub(super) fn views(fleet: &Fleet, now: Duration) -> Vec<View> {
    let cells = fleet.cells();
    let snapshots: Vec<_> = cells.iter().map(|c| (c.snapshot(), c.roamed(), c)).collect();
    let leaders: HashMap<&str, (&Arc<Snapshot>, &Arc<Cell>)> = snapshots
        .iter()
        .filter(|(s, ..)| s.leads && s.up.is_up())
        .filter_map(|(s, _, cell)| s.server_key.as_deref().map(|key| (key, (s, *cell))))
        .collect();
    snapshots
        .iter()
        .map(|(snapshot, roamed, cell)| View {
            own: database::families(snapshot, roamed, cell, now),
            datnames: (snapshot.collectors.iter().chain(roamed.iter()))
                .filter_map(|c| c.datname.clone())
                .map(|name| (name.clone(), label::name(&name)))
                .collect(),
            leader: (!snapshot.leads && snapshot.up.is_up())
                .then(|| snapshot.server_key.as_deref().and_then(|key| leaders.get(key)))
                .flatten()
                .map(|(s, leader)| (Arc::clone(s), leader.cardinality().left_out())),
            left_out: cell.cardinality().left_out(),
            snapshot: snapshot.clone(),
            roamed: roamed.clone(),
        })
        .collect()
}
