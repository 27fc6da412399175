//! Runs the queries of the configuration in one database.

use super::definition::{Definition, QuerySet};
use super::slot::Slot;
use crate::postgres::facts::Facts;
use crate::postgres::session::{QueryError, Session};
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::CollectorState;
use std::sync::Arc;
use std::time::Duration;

/// A database in which queries run.
#[derive(Debug, Clone)]
pub struct Place {
    /// The label `cluster` of its entry.
    pub cluster: Arc<str>,
    /// The label `db` of its entry.
    pub db: Arc<str>,
    /// Whether the entry has `discover: true`: then the database's own name is a label of what belongs to it.
    pub discover: bool,
    /// Whether it is only visited.
    pub visited: bool,
}

impl Place {
    /// The names that `databases` knows it by.
    fn meets(&self, definition: &Definition, datname: &str) -> bool {
        let entry = format!("{}/{}", self.cluster, self.db);
        let inside = format!("{}/{datname}", self.db);
        match (self.visited, self.discover) {
            (true, _) => definition.databases.meet(&[datname, &inside]),
            (false, true) => definition.databases.meet(&[&self.db, &entry, datname, &inside]),
            (false, false) => definition.databases.meet(&[&self.db, &entry]),
        }
    }
}

/// Limits that come from the loops around.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// No statement may take longer: the most urgent loop waits for it.
    pub longest: Duration,
    /// Where databases are only visited: how long it is from one visit to the next.
    pub rhythm: Option<Duration>,
}

/// The queries that apply in one database, with what is known of each.
pub struct Custom {
    place: Place,
    defaults: Defaults,
    definitions: Vec<Arc<Definition>>,
    facts: Option<Arc<Facts>>,
    slots: Vec<Slot>,
}

impl Custom {
    /// The queries of a database of which nothing is known yet.
    pub fn new(place: Place, queries: &QuerySet, defaults: Defaults) -> Self {
        let definitions = queries.definitions.clone();
        Self { place, defaults, definitions, facts: None, slots: Vec::new() }
    }

    /// Replaces the queries and the limits. Queries that are as they were keep their results and their ticks.
    pub fn set(&mut self, queries: &QuerySet, defaults: Defaults, now: Duration) {
        self.definitions.clone_from(&queries.definitions);
        self.defaults = defaults;
        self.choose(now);
        self.slots.iter_mut().for_each(|slot| slot.set_times(defaults));
    }

    /// Takes note of the server. On another one than before everything begins anew.
    pub fn set_facts(&mut self, facts: Arc<Facts>, same: bool, now: Duration) {
        if !same {
            self.slots.clear();
        }
        self.facts = Some(facts);
        self.choose(now);
    }

    /// Forgets everything but the queries themselves.
    pub fn forget(&mut self) {
        self.facts = None;
        self.slots.clear();
    }

    /// Decides which queries apply. Of those with one name it is the first.
    fn choose(&mut self, now: Duration) {
        let Some(facts) = &self.facts else { return };
        let (major, datname) = (facts.version.major(), facts.database.as_str());
        let label: Option<Arc<str>> = self.place.discover.then(|| datname.into());
        let mut before = std::mem::take(&mut self.slots);
        for definition in &self.definitions {
            let here = match definition.server_wide {
                true => !self.place.visited,
                false => self.place.meets(definition, datname),
            };
            let taken = self.slots.iter().any(|slot| slot.definition.name == definition.name);
            if !here || taken || !definition.runs_on(major) {
                continue;
            }
            let kept = before.iter().position(|slot| slot.definition == *definition);
            let slot = match kept {
                Some(at) => before.swap_remove(at),
                None => Slot::new(definition.clone(), label.clone(), self.defaults, now),
            };
            self.slots.push(slot);
        }
    }

    /// The queries' states, for a snapshot.
    pub fn states(&self, leads: bool) -> impl Iterator<Item = CollectorState> {
        self.slots.iter().filter(move |slot| leads || !slot.definition.server_wide).map(|s| s.state.clone())
    }

    /// When the next query is due. `peers` are the labels `cluster` and `db` of the server's entries.
    pub fn due(&self, leads: bool, peers: &[(Arc<str>, Arc<str>)]) -> Option<Duration> {
        let ready = self.slots.iter().filter(|slot| slot.runs(leads, peers));
        ready.map(|slot| slot.schedule.due()).min()
    }

    /// Whether one of the queries belongs to the whole server.
    pub fn has_server_wide(&self) -> bool {
        self.slots.iter().any(|slot| slot.definition.server_wide)
    }

    /// Runs the query that is due for longest, if one is. The error is one that ends the connection.
    pub async fn run_next(
        &mut self,
        session: &mut Session,
        leads: bool,
        peers: &[(Arc<str>, Arc<str>)],
        clock: &dyn Clock,
    ) -> Result<bool, QueryError> {
        let now = clock.mono();
        let due = self.slots.iter_mut().filter(|slot| slot.runs(leads, peers) && slot.schedule.due() <= now);
        let (Some(slot), Some(facts)) = (due.min_by_key(|slot| slot.schedule.due()), &self.facts) else {
            return Ok(false);
        };
        slot.schedule.start(now, fastrand::f64());
        if slot.skip > 0 {
            slot.skip -= 1;
            return Ok(true);
        }
        slot.skip = slot.stride - 1;
        slot.run(session, facts.version.major(), self.defaults, clock).await.map(|()| true)
    }

    /// Runs every query in a visit whose turn it is, `passed` telling how near the visit is to its own tick.
    pub async fn visit(
        &mut self,
        session: &mut Session,
        near: impl Fn(Duration, Duration) -> bool,
        clock: &dyn Clock,
    ) -> Result<(), QueryError> {
        let Some(major) = self.facts.as_ref().map(|facts| facts.version.major()) else { return Ok(()) };
        let defaults = self.defaults;
        for slot in &mut self.slots {
            let passed = slot.state.custom.as_ref().and_then(|c| c.last_mono);
            let passed = passed.map(|at| clock.mono().saturating_sub(at));
            let interval = slot.definition.interval * slot.stride;
            if slot.definition.refusal.is_none() && passed.is_none_or(|passed| near(passed, interval)) {
                slot.run(session, major, defaults, clock).await?;
            }
        }
        Ok(())
    }

    /// Runs each query once, whatever its tick, and hands its state to `done`.
    pub async fn run_all(
        &mut self,
        session: &mut Session,
        clock: &dyn Clock,
        mut done: impl FnMut(&Definition, &CollectorState),
    ) -> Result<(), QueryError> {
        let Some(major) = self.facts.as_ref().map(|facts| facts.version.major()) else { return Ok(()) };
        let defaults = self.defaults;
        for slot in &mut self.slots {
            let result = match slot.definition.refusal {
                Some(_) => Ok(()),
                None => slot.run(session, major, defaults, clock).await,
            };
            done(&slot.definition, &slot.state);
            result?;
        }
        Ok(())
    }

    /// The queries that do not apply here.
    pub fn left_out(&self) -> impl Iterator<Item = &Arc<Definition>> {
        let here = |d: &Arc<Definition>| self.slots.iter().any(|slot| Arc::ptr_eq(&slot.definition, d));
        self.definitions.iter().filter(move |definition| !here(definition))
    }
}
