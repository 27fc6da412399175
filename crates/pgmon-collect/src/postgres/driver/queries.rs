//! The queries of the configuration, between the loops' statements.
//!
//! They share the entry's connection, and go behind hot_path and workload; with the slower loops they take
//! turns (see [`Turns`](super::turns::Turns)).

use super::{Driver, Ended};
use crate::postgres::custom::{Custom, Defaults, Place};
use crate::postgres::plan::Plan;
use crate::postgres::session::Session;
use pgmon_config::Entry;
use std::sync::Arc;
use std::time::Duration;

/// The queries of an entry, before anything is known of its server.
pub(super) fn of(plan: &Plan, entry: &Entry) -> Custom {
    let place = Place {
        cluster: entry.cluster.as_str().into(),
        db: entry.db.as_str().into(),
        discover: entry.discover,
        visited: false,
    };
    Custom::new(place, &plan.queries, limits(plan))
}

/// The limits of queries on an entry's own connection.
pub(super) fn limits(plan: &Plan) -> Defaults {
    Defaults { longest: plan.longest_statement(), rhythm: None }
}

impl Driver {
    /// When the next query is due.
    pub(super) fn query_due(&self) -> Option<Duration> {
        self.custom.due(self.snapshot.leads, &self.peers())
    }

    /// Runs the query that is due.
    pub(super) async fn ask(&mut self, session: &mut Session) -> Result<(), Ended> {
        let clock = self.shared.timer.clone();
        let before = clock.mono();
        let (leads, peers) = (self.snapshot.leads, self.peers());
        let ran = self.custom.run_next(session, leads, &peers, &*clock).await;
        let now = clock.mono();
        self.turns.asked(now.saturating_sub(before));
        ran.map_err(Ended::Lost)?;
        self.snapshot.alive_mono = Some(now);
        if self.custom.due(leads, &peers).is_none_or(|due| due > now) {
            self.publish();
        }
        Ok(())
    }

    /// The labels `cluster` and `db` of all entries of this server; only asked for if a query wants to know.
    fn peers(&self) -> Vec<(Arc<str>, Arc<str>)> {
        if !(self.snapshot.leads && self.custom.has_server_wide()) {
            return Vec::new();
        }
        let key = self.snapshot.server_key.as_deref();
        let own = (self.snapshot.cluster.clone(), self.snapshot.db.clone());
        let cells = self.shared.fleet.cells();
        let others = cells.iter().map(|cell| cell.snapshot());
        let of_server = others.filter(|s| key.is_some() && s.server_key.as_deref() == key);
        of_server.map(|s| (s.cluster.clone(), s.db.clone())).chain([own]).collect()
    }
}
