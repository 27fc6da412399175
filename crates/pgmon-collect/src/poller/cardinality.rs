//! How many series a database may have, and what is left out when it has more.
//!
//! A family goes as a whole: a part of it would give wrong sums to whoever adds it up. A family that has
//! more series than `limits.series_per_family` goes; if the families that are left have more than
//! `limits.series_per_database` together, the largest go, until the others fit. What is left out stays so
//! until there is a tenth of room: nothing comes and goes at the limit.

use arc_swap::ArcSwap;
use pgmon_core::metric::Family;
use pgmon_core::name::Name;
use pgmon_core::snapshot::CollectorState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FAMILY: &str = "series_per_family";
const DATABASE: &str = "series_per_database";

/// A family that is left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// The family.
    pub family: Box<str>,
    /// The database, if it is not the entry's own but one that is visited.
    pub datname: Option<Arc<str>>,
    /// How many series it has.
    pub series: usize,
    /// The limit that is exceeded: `series_per_family` or `series_per_database`.
    pub limit: &'static str,
    /// What that limit is.
    pub allowed: usize,
    /// The label that makes so many series: the one with most values. Absent if the family has none.
    pub label: Option<Box<str>>,
    /// How many values that label has.
    pub values: usize,
}

impl LeftOut {
    /// In words.
    pub fn text(&self) -> String {
        let label = match &self.label {
            Some(label) => format!("; its label {label} has {} values", self.values),
            None => String::new(),
        };
        let of = self.datname.as_ref().map(|name| format!(" of database {name}")).unwrap_or_default();
        format!(
            "{}{of} is left out: it has {} series, and limits.{} is {}{label}",
            self.family, self.series, self.limit, self.allowed
        )
    }
}

/// Counts the series of one entry's database and of the databases that are visited from it, each for
/// itself.
#[derive(Debug)]
pub struct Cardinality {
    state: Mutex<State>,
    left_out: ArcSwap<Vec<LeftOut>>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    /// By the name of a visited database; none for the entry's own.
    databases: BTreeMap<Option<Arc<str>>, Database>,
    /// Series of configured queries' results that were left out so far.
    dropped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    per_family: usize,
    per_database: usize,
}

#[derive(Debug, Default)]
struct Database {
    /// Series of each family of each collector, also of those that are left out.
    collectors: BTreeMap<Name, BTreeMap<Box<str>, usize>>,
    left_out: BTreeMap<Box<str>, LeftOut>,
    /// Of those, what the log has.
    told: BTreeSet<Box<str>>,
    /// Of each configured query, when the result began that was looked at last.
    seen: BTreeMap<Name, Duration>,
}

impl Cardinality {
    /// No limits.
    pub fn new() -> Self {
        let limits = Limits { per_family: usize::MAX, per_database: usize::MAX };
        let state = State { limits, databases: BTreeMap::new(), dropped: 0 };
        Self { state: Mutex::new(state), left_out: ArcSwap::default() }
    }

    /// Sets the limits; they hold from the next round of each collector on.
    pub fn set_limits(&self, per_family: usize, per_database: usize) {
        self.with(|state| state.limits = Limits { per_family, per_database });
    }

    /// Takes out what is too much of a collector's new families, and returns how many series that was.
    /// `visited` is the database, if it is not the entry's own.
    pub fn admit(&self, collector: &Name, visited: Option<&Arc<str>>, families: &mut Vec<Family>) -> u64 {
        let sizes = families.iter().map(|f| (f.desc.name().into(), series(f))).collect();
        let (mut dropped, mut news, mut mended) = (0, Vec::new(), Vec::new());
        let changed = self.with(|state| {
            let limits = state.limits;
            let database = state.databases.entry(visited.cloned()).or_default();
            let before = database.left_out.clone();
            database.collectors.insert(collector.clone(), sizes);
            database.decide(limits, visited);
            families.retain(|family| {
                let Some(out) = database.left_out.get_mut(family.desc.name()) else { return true };
                (out.label, out.values) = widest(family);
                dropped += u64::try_from(series(family)).unwrap_or(u64::MAX);
                // Not before its label is known, and once.
                if database.told.insert(out.family.clone()) {
                    news.push(out.text());
                }
                false
            });
            let (left_out, told) = (&database.left_out, &mut database.told);
            mended.extend(told.extract_if(.., |family| !left_out.contains_key(family)));
            before != *left_out
        });
        for text in news {
            tracing::warn!("{text}");
        }
        for family in mended {
            tracing::info!(family = &*family, "fits again, and is shown from its next round on");
        }
        if changed {
            self.publish();
        }
        dropped
    }

    /// Forgets a collector that brings nothing any more.
    pub fn forget(&self, collector: &Name, visited: Option<&Arc<str>>) {
        let had_left_out = self.with(|state| {
            let Some(database) = state.databases.get_mut(&visited.cloned()) else { return false };
            database.collectors.remove(collector);
            let had_left_out = !database.left_out.is_empty();
            if database.collectors.is_empty() {
                state.databases.remove(&visited.cloned());
            } else {
                database.decide(state.limits, visited);
            }
            had_left_out
        });
        if had_left_out {
            self.publish();
        }
    }

    /// Counts the results of queries of the configuration, which have a limit of their own and are not
    /// brought here one by one, and forgets what is not among the states any more.
    pub fn weigh<'s>(&self, states: impl Iterator<Item = (Option<&'s Arc<str>>, &'s CollectorState)>) {
        let mut present = BTreeMap::<Option<&Arc<str>>, Vec<&CollectorState>>::new();
        for (visited, state) in states {
            present.entry(visited).or_default().push(state);
        }
        let (mut news, mut mended) = (Vec::new(), Vec::new());
        let changed = self.with(|state| {
            let limits = state.limits;
            let mut changed = false;
            for (visited, states) in present {
                let database = state.databases.entry(visited.cloned()).or_default();
                let known = database.collectors.len();
                database.collectors.retain(|name, _| states.iter().any(|s| s.collector == *name));
                let mut touched = database.collectors.len() != known;
                for custom in states.iter().filter(|s| s.custom.is_some()) {
                    let families = custom.good.iter().flat_map(|good| &good.families);
                    let sizes = families.map(|f| (f.desc.name().into(), series(f))).collect();
                    let before = database.collectors.insert(custom.collector.clone(), sizes);
                    touched |= before.as_ref() != database.collectors.get(&custom.collector);
                }
                let before = database.left_out.clone();
                if touched {
                    database.decide(limits, visited);
                }
                for query in states.iter().filter(|s| s.custom.is_some()) {
                    state.dropped += database.look(query, &mut news);
                }
                let (left_out, told) = (&database.left_out, &mut database.told);
                mended.extend(told.extract_if(.., |family| !left_out.contains_key(family)));
                changed |= before != database.left_out;
            }
            changed
        });
        for text in news {
            tracing::warn!("{text}");
        }
        for family in mended {
            tracing::info!(family = &*family, "fits again, and is shown from now on");
        }
        if changed {
            self.publish();
        }
    }

    /// Series of configured queries' results that were left out so far.
    pub fn dropped_of_queries(&self) -> u64 {
        self.with(|state| state.dropped)
    }

    /// What is left out, by name. Until their next round other collectors still have it: readers must leave
    /// it out.
    pub fn left_out(&self) -> Arc<Vec<LeftOut>> {
        self.left_out.load_full()
    }

    fn publish(&self) {
        let all = |state: &mut State| {
            state.databases.values().flat_map(|d| d.left_out.values().cloned()).collect::<Vec<_>>()
        };
        self.left_out.store(Arc::new(self.with(all)));
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Cardinality {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// Names the label of what is left out of a configured query's new result, and returns how many series
    /// that is; `news` is for the log.
    fn look(&mut self, query: &CollectorState, news: &mut Vec<String>) -> u64 {
        let Some(good) = &query.good else { return 0 };
        if self.seen.insert(query.collector.clone(), good.at_mono) == Some(good.at_mono) {
            return 0;
        }
        let mut dropped = 0;
        for family in &good.families {
            let Some(out) = self.left_out.get_mut(family.desc.name()) else { continue };
            (out.label, out.values) = widest(family);
            dropped += u64::try_from(series(family)).unwrap_or(u64::MAX);
            if self.told.insert(out.family.clone()) {
                news.push(out.text());
            }
        }
        dropped
    }

    /// Decides which families are left out.
    fn decide(&mut self, limits: Limits, visited: Option<&Arc<str>>) {
        let mut sizes = BTreeMap::<&str, usize>::new();
        for (family, series) in self.collectors.values().flatten() {
            *sizes.entry(family).or_default() += series;
        }
        let mut out = BTreeMap::new();
        let mut leave_out = |family: &str, series, limit, allowed| {
            let known = self.left_out.get(family);
            let (label, values) = known.map_or((None, 0), |k| (k.label.clone(), k.values));
            let datname = visited.cloned();
            let left_out = LeftOut { family: family.into(), datname, series, limit, allowed, label, values };
            out.insert(Box::from(family), left_out);
        };
        let was = |family: &str, limit| self.left_out.get(family).is_some_and(|o| o.limit == limit);
        let roomy = |limit: usize| limit - limit / 10;
        let mut kept = 0;
        sizes.retain(|family, series| {
            let limit = if was(family, FAMILY) { roomy(limits.per_family) } else { limits.per_family };
            let fits = *series <= limit;
            if fits {
                kept += *series;
            } else {
                leave_out(family, *series, FAMILY, limits.per_family);
            }
            fits
        });
        // What was left out goes first, then the largest; of equals the first by name.
        let mut rest: Vec<_> =
            sizes.into_iter().map(|(family, n)| (!was(family, DATABASE), Reverse(n), family)).collect();
        rest.sort_unstable();
        for (fresh, Reverse(series), family) in rest {
            let limit = if fresh { limits.per_database } else { roomy(limits.per_database) };
            if kept > limit {
                kept -= series;
                leave_out(family, series, DATABASE, limits.per_database);
            }
        }
        self.left_out = out;
    }
}

/// Series of a family: lines of a page.
fn series(family: &Family) -> usize {
    family.samples.iter().map(|s| s.value.series()).sum()
}

/// The label with most values, and how many it has.
fn widest(family: &Family) -> (Option<Box<str>>, usize) {
    let values = |place: usize| {
        let of = family.samples.iter().filter_map(|s| s.labels.get(place));
        of.collect::<HashSet<_>>().len()
    };
    let counted = family.desc.labels().enumerate().map(|(place, label)| (values(place), label));
    counted
        .max_by_key(|(values, _)| *values)
        .map_or((None, 0), |(values, label)| (Some(label.into()), values))
}

#[cfg(test)]
mod tests;
