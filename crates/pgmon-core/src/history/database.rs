//! The series of one watched database.

use super::group::{Group, Keep, TIERS};
use super::symbols::{Symbol, Symbols};
use super::take::{count, take};
use super::{OutOfOrder, Rank, Round, Source, Tier};

/// What a group is the group of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) collector: Symbol,
    pub(super) datname: Option<Symbol>,
    pub(super) server_wide: bool,
    pub(super) rank: Rank,
}

/// How long figures stay, and in what room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// At the interval of their loop, in milliseconds.
    pub(super) keep: i64,
    /// Folded, in steps that grow.
    pub(super) tiers: [Option<Tier>; TIERS],
    /// What a database's groups may grow to, in bytes, before they are sealed.
    pub(super) share: usize,
    /// What the folded figures of a database's single objects may take.
    pub(super) objects: usize,
}

impl Plan {
    /// For a group whose rounds need at least `least` milliseconds.
    fn of(&self, rank: Rank, least: i64) -> Keep {
        let mut tiers = self.tiers;
        if rank == Rank::Object {
            // There are many of them: in the coarsest steps the room that they have lasts longest.
            tiers.iter_mut().rev().skip(1).for_each(|tier| *tier = None);
        }
        Keep { raw: self.keep.max(least), tiers }
    }
}

/// A group and what is known of it.
#[derive(Debug)]
pub(super) struct Kept {
    key: Key,
    pub(super) group: Group,
    /// Rounds are so far apart that its blocks must stay that long.
    keep: i64,
    /// It was given up for lack of room when it had so many series.
    refused: Option<usize>,
}

impl Kept {
    /// What it is the group of.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Whether its figures belong to the whole server.
    pub(super) fn is_server_wide(&self) -> bool {
        self.key.server_wide
    }

    /// The value of the label `datname`, where the figures are of another database than the entry's.
    pub(super) fn datname(&self) -> Option<Symbol> {
        self.key.datname
    }
}

/// What was given up for lack of room, and how many values that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GaveWay {
    /// The oldest values of a group.
    Block(u64),
    /// A whole group with its series.
    Group(u64),
}

/// All groups of a database.
#[derive(Debug, Default)]
pub(super) struct Database {
    groups: Vec<Kept>,
    /// Bytes of the groups, as of the last change.
    bytes: usize,
}

impl Database {
    /// Takes a round and returns how many of its values were not taken for lack of room.
    pub(super) fn record(
        &mut self,
        symbols: &mut Symbols,
        round: Round<'_>,
        plan: &Plan,
    ) -> Result<u64, OutOfOrder> {
        // Both ranks or none.
        let last = self.last(symbols, round.source);
        if let Some(last) = last.filter(|last| *last >= round.at) {
            return Err(OutOfOrder { at: round.at, last });
        }
        let mut dropped = 0;
        for rank in Rank::ALL {
            dropped += self.record_rank(symbols, round, rank, plan);
        }
        self.trim(symbols, plan.objects);
        self.recount();
        Ok(dropped)
    }

    fn record_rank(&mut self, symbols: &mut Symbols, round: Round<'_>, rank: Rank, plan: &Plan) -> u64 {
        let series: usize = round.families.iter().map(|f| count(f, rank)).sum();
        let Some(kept) = self.group(symbols, round.source, rank, series > 0) else { return 0 };
        if let Some(then) = kept.refused {
            if series > then / 2 {
                return series as u64;
            }
            kept.refused = None;
        }
        kept.keep = round.interval.saturating_mul(2);
        let keep = plan.of(rank, kept.keep);
        let group = &mut kept.group;
        group.expire(symbols, round.at, &keep);
        group.begin(round.at, keep.raw / 4, plan.share);
        for family in round.families {
            take(group, symbols, family, rank);
        }
        group.end();
        0
    }

    /// The last round or gap of a source.
    pub(super) fn last(&self, symbols: &Symbols, source: Source<'_>) -> Option<i64> {
        self.of(symbols, source).filter_map(|k| k.group.last()).max()
    }

    /// Notes a gap of the sources that `known` says no to.
    pub(super) fn gap(&mut self, symbols: &Symbols, known: impl Fn(Source<'_>) -> bool) {
        for kept in &mut self.groups {
            let source = Source {
                collector: symbols.text(kept.key.collector),
                datname: kept.key.datname.map(|d| symbols.text(d)),
                server_wide: kept.key.server_wide,
            };
            if !known(source) {
                kept.group.gap();
            }
        }
        self.recount();
    }

    /// Removes what is too old; returns whether anything is left.
    pub(super) fn expire(&mut self, symbols: &mut Symbols, now: i64, plan: &Plan) -> bool {
        self.groups.retain_mut(|kept| {
            // A group that was refused stays empty, and must not be forgotten: it would be taken again.
            let last = kept.group.last().is_none() && kept.refused.is_some();
            let keep = plan.of(kept.key.rank, kept.keep);
            let stays = kept.group.expire(symbols, now, &keep) || last;
            if !stays {
                kept.forget(symbols);
            }
            stays
        });
        self.trim(symbols, plan.objects);
        self.recount();
        !self.groups.is_empty()
    }

    /// Keeps the folded figures of single objects within their room.
    fn trim(&mut self, symbols: &mut Symbols, room: usize) {
        let of = |k: &Kept| if k.key.rank == Rank::Object { k.group.folded_bytes() } else { 0 };
        while self.groups.iter().map(of).sum::<usize>() > room && self.drop_folded(symbols, Rank::Object) {}
    }

    /// Removes everything.
    pub(super) fn clear(&mut self, symbols: &mut Symbols) {
        self.groups.drain(..).for_each(|mut kept| kept.forget(symbols));
        self.recount();
    }

    /// Lets what was refused come back.
    pub(super) fn readmit(&mut self) {
        self.groups.iter_mut().for_each(|k| k.refused = None);
    }

    /// Gives up what can best be missed; nothing is left to give up if none.
    pub(super) fn give_way(&mut self, symbols: &mut Symbols) -> Option<GaveWay> {
        let dropped = Rank::ALL.into_iter().rev().find_map(|rank| {
            if self.drop_folded(symbols, rank) {
                return Some(GaveWay::Block(0));
            }
            let oldest = self.drop_oldest(symbols, rank).map(GaveWay::Block);
            oldest.or_else(|| self.refuse_largest(symbols, rank).map(GaveWay::Group))
        });
        self.recount();
        dropped
    }

    fn drop_folded(&mut self, symbols: &mut Symbols, rank: Rank) -> bool {
        let of_rank = self.groups.iter_mut().filter(|k| k.key.rank == rank);
        let with_blocks = of_rank.filter_map(|k| k.group.oldest_folded().map(|start| (start, k)));
        let oldest = with_blocks.min_by_key(|(start, _)| *start);
        oldest.is_some_and(|(_, oldest)| oldest.group.drop_folded(symbols))
    }

    fn drop_oldest(&mut self, symbols: &mut Symbols, rank: Rank) -> Option<u64> {
        let of_rank = self.groups.iter_mut().filter(|k| k.key.rank == rank);
        let with_blocks = of_rank.filter_map(|k| k.group.oldest_block().map(|start| (start, k)));
        let (_, oldest) = with_blocks.min_by_key(|(start, _)| *start)?;
        Some(oldest.group.drop_block(symbols))
    }

    fn refuse_largest(&mut self, symbols: &mut Symbols, rank: Rank) -> Option<u64> {
        let with_series = self.groups.iter_mut().filter(|k| k.key.rank == rank && k.group.len() > 0);
        let largest = with_series.max_by_key(|k| k.group.bytes())?;
        largest.refused = Some(largest.group.len());
        Some(largest.group.clear(symbols))
    }

    /// Takes a group that was read, with the uses of its key's texts; one that is there already stays.
    pub(super) fn restore(&mut self, symbols: &mut Symbols, key: Key, group: Group) {
        let mut kept = Kept { key, group, keep: 0, refused: None };
        if self.groups.iter().any(|k| k.key == key) {
            kept.forget(symbols);
        } else {
            self.groups.push(kept);
        }
        self.recount();
    }

    /// Series that are kept.
    pub(super) fn series(&self) -> usize {
        self.groups.iter().map(|k| k.group.len()).sum()
    }

    /// Bytes that it holds beyond itself.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The groups.
    pub(super) fn groups(&self) -> &[Kept] {
        &self.groups
    }

    fn recount(&mut self) {
        self.bytes = self.groups.capacity() * size_of::<Kept>()
            + self.groups.iter().map(|k| k.group.bytes()).sum::<usize>();
    }

    fn of<'d>(&'d self, symbols: &Symbols, source: Source<'_>) -> impl Iterator<Item = &'d Kept> + use<'d> {
        let key = key(symbols, source, Rank::Whole);
        self.groups.iter().filter(move |k| Some(Key { rank: Rank::Whole, ..k.key }) == key)
    }

    /// The group of a source, made if it is not there and `make` is set.
    fn group(
        &mut self,
        symbols: &mut Symbols,
        source: Source<'_>,
        rank: Rank,
        make: bool,
    ) -> Option<&mut Kept> {
        let known = key(symbols, source, rank).and_then(|key| self.groups.iter().position(|k| k.key == key));
        match known {
            Some(place) => self.groups.get_mut(place),
            None if make => {
                let key = Key {
                    collector: symbols.take(source.collector),
                    datname: source.datname.map(|name| symbols.take(name)),
                    server_wide: source.server_wide,
                    rank,
                };
                self.groups.push(Kept { key, group: Group::default(), keep: 0, refused: None });
                self.groups.last_mut()
            }
            None => None,
        }
    }
}

impl Kept {
    fn forget(&mut self, symbols: &mut Symbols) {
        self.group.clear(symbols);
        symbols.release(self.key.collector);
        if let Some(datname) = self.key.datname {
            symbols.release(datname);
        }
    }
}

/// The key of a source that is known.
fn key(symbols: &Symbols, source: Source<'_>, rank: Rank) -> Option<Key> {
    Some(Key {
        collector: symbols.find(source.collector)?,
        datname: match source.datname {
            Some(name) => Some(symbols.find(name)?),
            None => None,
        },
        server_wide: source.server_wide,
        rank,
    })
}
