//! The last hours and days of all series, compressed, in memory.
//!
//! A [`History`] takes the families of each finished round ([`History::record`]) and notes where nothing
//! is known ([`History::gap`]). It answers what a series did between two times, in as few points as a
//! chart has room for ([`History::range`]).
//!
//! **Layout.** A database has a group of series for each collector. The series of a group share their
//! ticks, so that a time is kept once for all of them, and a value that did not change costs nothing
//! (`codec`, `times`, `block`, `group`). Names and label values are kept once for all databases (`symbols`).
//!
//! **Tiers.** What is older than the time of [`History::new`] is folded into coarser ticks
//! ([`History::with_tiers`], `fold`): figures of the whole into each tier, those of single objects into the
//! coarsest alone, and within a share of the room. A reading has one place: an answer is read from all tiers.
//!
//! **Room.** What is held is counted in the bytes that the allocator gives for its buffers (`held`), and never exceeds the limit after a
//! round was taken. When there is too much, the database that holds most gives way, first with its figures
//! of single objects (tables, indexes, statements and the like, and buckets of histograms: [`Rank::Object`]),
//! then with the others, those that charts and rules read first ([`Rank::Whole`]); of each
//!
//! 1. the oldest folded blocks;
//! 2. the oldest blocks (a quarter of the time that is kept);
//! 3. whole groups, the largest first. Such a group is not taken any more until it has halved or the limit is
//!    raised, so that it does not come and go.
//!
//! Every value that went before its time at the interval of its loop is counted ([`Stats::dropped`]).
//!
//! **Time** is in milliseconds on the caller's own line, which must not go back: a round that is not after
//! the last one of its group is refused. A reader of the monotonic clock adds the calendar when it shows it.
//!
//! **Over a restart** groups are written one by one ([`History::export`]) and read back ([`History::import`]);
//! the end of what is read is a gap.

mod block;
mod codec;
mod database;
mod dump;
mod fold;
mod group;
mod held;
mod names;
mod query;
mod symbols;
mod take;
mod times;

use crate::metric::{Family, FamilyDesc};
use database::{Database, GaveWay, Plan};
pub use dump::{Cursor, ImportError};
pub use fold::Tier;
pub use names::Name;
pub use query::{Answer, Curve, Matcher, Point, Query};
use std::collections::BTreeMap;
use std::sync::Arc;
use symbols::Symbols;

/// Which figures stay longer when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A figure of the whole database or server: what charts and rules read first.
    Whole,
    /// A figure of a table, an index, a statement or the like, of a configured query with labels, or a
    /// histogram's bucket.
    Object,
}

impl Rank {
    /// Both, those that stay longer first.
    pub const ALL: [Self; 2] = [Self::Whole, Self::Object];

    /// Labels of which a database has as many values as it has objects.
    const OF_OBJECTS: [&'static str; 4] = ["relation", "index", "queryid", "sequence"];

    /// A family's rank.
    pub fn of(desc: &FamilyDesc) -> Self {
        // How many values the labels of a configured query have nobody knows.
        let own = matches!(desc, FamilyDesc::Own(_)) && desc.labels().next().is_some();
        if own || desc.labels().any(|l| Self::OF_OBJECTS.contains(&l)) { Self::Object } else { Self::Whole }
    }
}

/// A watched database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The label `cluster`.
    pub cluster: Arc<str>,
    /// The label `db`.
    pub db: Arc<str>,
}

impl Id {
    /// The database with these labels.
    pub fn new(cluster: &str, db: &str) -> Self {
        Self { cluster: cluster.into(), db: db.into() }
    }
}

/// Where a round's figures are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source<'a> {
    /// The collector.
    pub collector: &'a str,
    /// The database that it looked at, where that is not the entry's own.
    pub datname: Option<&'a str>,
    /// Whether its figures belong to the whole server: then each entry of the server shows them.
    pub server_wide: bool,
}

/// A collector's finished round.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Where it is from.
    pub source: Source<'a>,
    /// When it was, in milliseconds.
    pub at: i64,
    /// How far rounds are apart, in milliseconds: of slow ones, two are kept even if that is longer than
    /// everything else is.
    pub interval: i64,
    /// What it brought.
    pub families: &'a [Family],
}

/// A round that is not after the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a round at {at} ms cannot follow one at {last} ms")]
pub struct OutOfOrder {
    /// Its time.
    pub at: i64,
    /// The last one's.
    pub last: i64,
}

/// What is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all buffers.
    pub bytes: usize,
    /// Bytes of them that are folded: older than the first tier.
    pub folded: usize,
    /// Series.
    pub series: usize,
    /// Values that went, or were not taken, for lack of room, since the start.
    pub dropped: u64,
}

/// The last hour (or what [`History::new`] was told) of all series of all databases.
#[derive(Debug)]
pub struct History {
    databases: BTreeMap<Id, Database>,
    symbols: Symbols,
    max_bytes: usize,
    keep: i64,
    tiers: [Option<Tier>; 2],
    dropped: u64,
}

impl History {
    /// Keeps `keep` milliseconds in at most `max_bytes`.
    pub fn new(max_bytes: usize, keep: i64) -> Self {
        let databases = BTreeMap::new();
        Self { databases, symbols: Symbols::default(), max_bytes, keep, tiers: [None; 2], dropped: 0 }
    }

    /// Folds what is older, the finer tier first.
    pub fn with_tiers(mut self, tiers: [Tier; 2]) -> Self {
        self.tiers = tiers.map(Some);
        self
    }

    /// The limit in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    fn plan(&self) -> Plan {
        let part = self.max_bytes / self.databases.len().max(1);
        // What goes at once is a small part of what a database may hold.
        Plan { keep: self.keep, tiers: self.tiers, share: part / 16, objects: part / 4 }
    }

    /// Sets the limit; what is too much goes at once.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        if max_bytes > self.max_bytes {
            self.databases.values_mut().for_each(Database::readmit);
        }
        self.max_bytes = max_bytes;
        self.make_room();
    }

    /// Takes a round.
    ///
    /// # Errors
    ///
    /// It is not after the last one of its source: nothing is taken.
    pub fn record(&mut self, id: &Id, round: Round<'_>) -> Result<(), OutOfOrder> {
        let plan = self.plan();
        let database = match self.databases.get_mut(id) {
            Some(database) => database,
            None => self.databases.entry(id.clone()).or_default(),
        };
        self.dropped += database.record(&mut self.symbols, round, &plan)?;
        self.make_room();
        Ok(())
    }

    /// The last round of a source, or the gap after it.
    pub fn last(&self, id: &Id, source: Source<'_>) -> Option<i64> {
        self.databases.get(id)?.last(&self.symbols, source)
    }

    /// Notes that the figures of those sources that `known` says no to are unknown after their last round,
    /// until their next one.
    pub fn gap(&mut self, id: &Id, known: impl Fn(Source<'_>) -> bool) {
        if let Some(database) = self.databases.get_mut(id) {
            database.gap(&self.symbols, known);
        }
    }

    /// Removes what is too old at `now`.
    pub fn expire(&mut self, now: i64) {
        let plan = self.plan();
        let Self { databases, symbols, .. } = self;
        databases.retain(|_, database| database.expire(symbols, now, &plan));
        self.make_room();
    }

    /// Removes the databases that `keep` says no to.
    pub fn retain(&mut self, keep: impl Fn(&Id) -> bool) {
        let Self { databases, symbols, .. } = self;
        databases.retain(|id, database| {
            let stays = keep(id);
            if !stays {
                database.clear(symbols);
            }
            stays
        });
    }

    /// What is held.
    pub fn stats(&self) -> Stats {
        let series = self.databases.values().map(Database::series).sum();
        let groups = self.databases.values().flat_map(Database::groups);
        let folded = groups.map(|k| k.group.folded_bytes()).sum();
        Stats { bytes: self.bytes(), folded, series, dropped: self.dropped }
    }

    /// What a query's series did.
    ///
    /// `id` is the database that is asked for, `peers` the other entries of its server: what belongs to the
    /// whole server is kept under the entry that collected it.
    pub fn range(&self, id: &Id, peers: &[Id], query: &Query<'_>) -> Answer {
        let own = self.databases.get(id).map(|d| (d, true));
        let others = peers.iter().filter(|p| *p != id).filter_map(|p| self.databases.get(p));
        query::answer(&self.symbols, own.into_iter().chain(others.map(|d| (d, false))), query)
    }

    /// The names of all series of a database, and of what belongs to its server, in their order.
    pub fn names(&self, id: &Id, peers: &[Id]) -> Vec<Name> {
        let own = self.databases.get(id).map(|d| (d, true));
        let others = peers.iter().filter(|p| *p != id).filter_map(|p| self.databases.get(p));
        names::of(&self.symbols, own.into_iter().chain(others.map(|d| (d, false))))
    }

    fn bytes(&self) -> usize {
        let entry = size_of::<Id>() + size_of::<Database>();
        self.symbols.bytes() + self.databases.values().map(|d| entry + d.bytes()).sum::<usize>()
    }

    fn make_room(&mut self) {
        while self.bytes() > self.max_bytes {
            // The first of equals: the same one every time.
            let most = self.databases.values_mut().rev().max_by_key(|d| d.bytes());
            match most.and_then(|database| database.give_way(&mut self.symbols)) {
                Some(GaveWay::Block(dropped)) => self.dropped += dropped,
                Some(GaveWay::Group(dropped)) => {
                    self.dropped += dropped;
                    self.symbols.shrink();
                }
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_tiers;
