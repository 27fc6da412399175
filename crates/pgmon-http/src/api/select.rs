//! Which database an answer is about, and the snapshots that tell of it.

use super::params::Asked;
use super::refusal::Refusal;
use crate::app::App;
use pgmon_collect::poller::fleet::Cell;
use pgmon_core::snapshot::{CollectorState, Snapshot};
pub use pgmon_views::source::leader;
use pgmon_views::source::visited;
use pgmon_views::{DatabaseRef, Now, Rules, Source};
use std::sync::Arc;

/// The snapshots behind an answer. They stay what they are, whatever is published meanwhile.
pub struct Picked {
    /// The database's cell.
    pub cell: Arc<Cell>,
    /// Its snapshot.
    pub own: Arc<Snapshot>,
    /// That of the entry which collects what belongs to the whole server, if that is another one.
    pub leader: Option<Arc<Snapshot>>,
    /// What was found in other databases of the server.
    pub roamed: Arc<Vec<CollectorState>>,
    /// The one of these that was asked for.
    pub datname: Option<String>,
    /// All databases, with [`Self::own`].
    pub all: Vec<Arc<Snapshot>>,
    /// Thresholds and the like.
    pub rules: Arc<Rules>,
    /// The time.
    pub now: Now,
}

/// The time of an answer.
pub fn now(app: &App) -> Now {
    Now { mono: app.timer.mono(), wall: app.timer.wall() }
}

/// Finds the database that `cluster`, `db` and `datname` name.
pub fn pick(app: &App, asked: &Asked) -> Result<Picked, Refusal> {
    let (cluster, db) = (asked.get("cluster"), asked.get("db"));
    let cells = app.fleet.cells();
    let all: Vec<Arc<Snapshot>> = cells.iter().map(|cell| cell.snapshot()).collect();
    let fits = |s: &Snapshot| cluster.is_none_or(|c| *s.cluster == *c) && db.is_none_or(|d| *s.db == *d);
    let found: Vec<usize> = (0..all.len()).filter(|i| all.get(*i).is_some_and(|s| fits(s))).collect();
    let list = || all.iter().map(|s| DatabaseRef { cluster: s.cluster.clone(), db: s.db.clone() }).collect();
    let place = match found.as_slice() {
        [one] => *one,
        [] if all.is_empty() => {
            return Err(Refusal::not_found(
                "no database is watched",
                "name one under `databases` in pgmon.yaml",
            ));
        }
        [] => {
            return Err(Refusal::not_found("no such database is watched", "see `databases`").of(list()));
        }
        _ => {
            let error = "several databases are watched, and none is chosen";
            return Err(Refusal::bad(error, "choose one with ?cluster=&db=; see `databases`").of(list()));
        }
    };
    let (Some(own), Some(cell)) = (all.get(place).cloned(), cells.get(place).cloned()) else {
        return Err(Refusal::not_found("no such database is watched", "see /api/v1/targets"));
    };
    let roamed = cell.roamed();
    let datname = match asked.get("datname") {
        None => None,
        Some(name) if own.server.as_ref().is_some_and(|s| s.database == name) => None,
        Some(name) if visited(&roamed).iter().any(|v| **v == *name) => Some(name.to_owned()),
        Some(_) => {
            let mut known: Vec<String> = own.server.iter().map(|s| s.database.clone()).collect();
            known.extend(visited(&roamed).iter().map(ToString::to_string));
            let hint = format!("there are: {} (others need `discover: true`)", known.join(", "));
            return Err(Refusal::not_found("no such database of the server is looked at", hint));
        }
    };
    let leader = leader(&own, &all);
    Ok(Picked { cell, own, leader, roamed, datname, all, rules: app.rules(), now: now(app) })
}

impl Picked {
    /// Where pages read.
    pub fn source(&self) -> Source<'_> {
        Source {
            own: &self.own,
            leader: self.leader.as_deref(),
            roamed: &self.roamed,
            datname: self.datname.as_deref(),
            now: self.now,
            rules: &self.rules,
        }
    }
}
