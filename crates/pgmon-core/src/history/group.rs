//! The series of one collector: they share their ticks.
//!
//! The latest ticks are in the head, where each series has a buffer of its own. After a quarter of the time
//! that is kept the head is sealed: the buffers are packed into one block. What is too old is folded into
//! coarser blocks ([`super::fold`]). Blocks are what goes when it is too old for that, or when there is no
//! room.

use super::block::{Block, DataWriter, Event, Grain, Values, decode};
use super::codec::Encoder;
use super::fold::{Tier, fold};
use super::held::held;
use super::symbols::{Symbol, Symbols};
use super::times::{self, Times};
use crate::metric::Kind;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

mod dump;

/// A head with so many ticks is sealed, however short it is.
const MOST_TICKS: u16 = 120;

/// A head is not sealed for its size before its series have so many bytes on average.
const LEAST_BYTES: usize = 32;

/// A name with its labels' names.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: Symbol,
    pub(super) kind: Kind,
    pub(super) labels: Box<[Symbol]>,
}

#[derive(Debug)]
struct Series {
    /// The place of its name among the group's.
    metric: u32,
    labels: Box<[Symbol]>,
    head: Encoder,
    /// The last tick that it was given, plus one; 0 if there was none in this head.
    seen: u16,
}

/// Series with common ticks.
#[derive(Debug, Default)]
pub(super) struct Group {
    metrics: Vec<Metric>,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    /// Places of series by what names them.
    index: HashTable<u32>,
    hasher: RandomState,
    times: Times,
    blocks: VecDeque<Block>,
    /// Coarser and older ones, by tier; none of them overlaps a finer one.
    folded: [VecDeque<Block>; TIERS],
    /// Values in the head.
    head_samples: u32,
    /// Series with a value at the last tick.
    live: u32,
    /// Series that were given a value at the tick that is being taken.
    seen: u32,
    /// Bytes that are written in the head.
    head_bytes: usize,
    /// Bytes of the series' buffers and labels.
    series_bytes: usize,
}

/// Tiers beyond the first.
pub(super) const TIERS: usize = 2;

/// How long a group's figures stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// At the interval of the loop.
    pub(super) raw: i64,
    /// Folded; a tier that is left out has none.
    pub(super) tiers: [Option<Tier>; TIERS],
}

impl Group {
    /// The last tick or gap.
    pub(super) fn last(&self) -> Option<i64> {
        if self.times.is_empty() { self.blocks.back().map(|b| b.end) } else { Some(self.times.end) }
    }

    /// Begins a tick, which must be after the last one; the head is sealed first if it is `span` long, or
    /// if it holds more than `share` bytes.
    pub(super) fn begin(&mut self, at: i64, span: i64, share: usize) {
        let long = at.saturating_sub(self.times.start) >= span || self.times.ticks >= MOST_TICKS;
        // Not earlier than packing pays: each series costs some bytes in each block.
        let large = self.head_bytes > share.max(self.index.len() * LEAST_BYTES);
        if !self.times.is_empty() && (long || large) {
            self.seal();
        }
        self.times.push(at, false);
        self.seen = 0;
    }

    /// The place of a name.
    pub(super) fn metric(&mut self, symbols: &mut Symbols, name: &str, kind: Kind, labels: &[&str]) -> u32 {
        let known = symbols.find(name);
        // A query of the configuration may have other labels than before.
        let same = |m: &Metric| m.labels.iter().map(|l| symbols.text(*l)).eq(labels.iter().copied());
        let place = known.and_then(|name| self.metrics.iter().position(|m| m.name == name && same(m)));
        let place = place.unwrap_or_else(|| {
            let labels = labels.iter().map(|l| symbols.take(l)).collect();
            self.metrics.push(Metric { name: symbols.take(name), kind, labels });
            self.metrics.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Takes a value of the tick that has begun.
    pub(super) fn push(&mut self, symbols: &mut Symbols, metric: u32, labels: &[&str], value: f64) {
        let tick = self.times.ticks.saturating_sub(1);
        let place = match self.place_of(symbols, metric, labels) {
            Some(place) => place,
            None => self.add(symbols, metric, labels),
        };
        let Some(series) = usize::try_from(place).ok().and_then(|p| self.series.get_mut(p)?.as_mut()) else {
            return;
        };
        if series.seen > tick {
            // The same series twice in one round: the first counts, as on the page.
            return;
        }
        series.seen = tick + 1;
        let was_present = series.head.is_present();
        let (capacity, len) = (series.head.capacity(), series.head.bytes().len());
        series.head.push(tick, Some(value));
        self.series_bytes += series.head.capacity() - capacity;
        self.head_bytes += series.head.bytes().len() - len;
        self.live += u32::from(!was_present);
        self.seen += 1;
        self.head_samples = self.head_samples.saturating_add(1);
    }

    /// Ends a tick: series that were given nothing are absent.
    pub(super) fn end(&mut self) {
        if self.seen == self.live {
            return;
        }
        let tick = self.times.ticks.saturating_sub(1);
        for series in self.series.iter_mut().flatten() {
            if series.head.is_present() && series.seen <= tick {
                let capacity = series.head.capacity();
                series.head.push(tick, None);
                self.series_bytes += series.head.capacity() - capacity;
                self.live -= 1;
            }
        }
    }

    /// Notes that nothing is known after the last tick, until the next one.
    pub(super) fn gap(&mut self) {
        if !self.times.is_empty() && !self.times.in_gap {
            self.times.push(self.times.end.saturating_add(1), true);
        }
    }

    /// Series that are kept.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// When the first block began, if there is one.
    pub(super) fn oldest_block(&self) -> Option<i64> {
        self.blocks.front().map(|b| b.start)
    }

    /// Removes the first block and returns how many values went with it.
    pub(super) fn drop_block(&mut self, symbols: &mut Symbols) -> u64 {
        let Some(block) = self.blocks.pop_front() else { return 0 };
        self.retire(symbols);
        u64::from(block.samples)
    }

    /// When the first of the folded blocks began, if there is one.
    pub(super) fn oldest_folded(&self) -> Option<i64> {
        self.folded.iter().rev().find_map(|blocks| blocks.front()).map(|b| b.start)
    }

    /// Removes the first of the folded blocks; returns whether there was one.
    pub(super) fn drop_folded(&mut self, symbols: &mut Symbols) -> bool {
        let dropped = self.folded.iter_mut().rev().find_map(VecDeque::pop_front).is_some();
        if dropped {
            self.retire(symbols);
        }
        dropped
    }

    /// Folds what is too old at `now`, or removes it if it is too old for every tier; returns whether anything
    /// is left.
    pub(super) fn expire(&mut self, symbols: &mut Symbols, now: i64, keep: &Keep) -> bool {
        let mut gone = false;
        let is_old = |b: Option<&Block>, keep: i64| b.is_some_and(|b| b.end < now.saturating_sub(keep));
        if !self.times.is_empty() && self.times.end < now.saturating_sub(keep.raw) {
            // Nobody writes it any more.
            self.seal();
        }
        while is_old(self.blocks.front(), keep.raw) {
            gone = true;
            if let Some(block) = self.blocks.pop_front() {
                self.fold(0, (&block, Grain::Raw), &keep.tiers);
            }
        }
        for (place, tier) in (0..).zip(&keep.tiers) {
            let until = tier.map_or(i64::MIN, |t| t.keep);
            while self.folded.get(place).is_some_and(|blocks| is_old(blocks.front(), until)) {
                gone = true;
                if let Some(block) = self.folded.get_mut(place).and_then(VecDeque::pop_front) {
                    self.fold(place + 1, (&block, Grain::Folded), &keep.tiers);
                }
            }
        }
        if gone {
            self.retire(symbols);
        }
        !self.times.is_empty() || self.all_blocks().next().is_some()
    }

    /// Adds a block to the first tier from `from` on that there is.
    fn fold(&mut self, from: usize, block: (&Block, Grain), tiers: &[Option<Tier>; TIERS]) {
        let mut all = self.folded.iter_mut().zip(tiers).skip(from);
        let Some((blocks, tier)) = all.find_map(|(blocks, tier)| tier.map(|tier| (blocks, tier))) else {
            return;
        };
        let (series, metrics) = (&self.series, &self.metrics);
        let kind = |place: u32| {
            let series = usize::try_from(place).ok().and_then(|p| series.get(p)?.as_ref());
            let metric = series.and_then(|s| metrics.get(usize::try_from(s.metric).ok()?));
            metric.map_or(Kind::Gauge, |m| m.kind)
        };
        let (folded, is_new) = fold(blocks.back(), block, tier.step, kind);
        match blocks.back_mut().filter(|_| !is_new) {
            Some(last) => *last = folded,
            None => blocks.push_back(folded),
        }
    }

    /// All blocks, in the order of time.
    pub(super) fn all_blocks(&self) -> impl Iterator<Item = (Grain, &Block)> {
        let folded = self.folded.iter().rev().flatten().map(|b| (Grain::Folded, b));
        folded.chain(self.blocks.iter().map(|b| (Grain::Raw, b)))
    }

    /// Removes everything and returns how many values went.
    pub(super) fn clear(&mut self, symbols: &mut Symbols) -> u64 {
        let samples =
            u64::from(self.head_samples) + self.blocks.iter().map(|b| u64::from(b.samples)).sum::<u64>();
        let old = std::mem::take(self);
        for metric in &old.metrics {
            symbols.release(metric.name);
            metric.labels.iter().for_each(|l| symbols.release(*l));
        }
        for series in old.series.iter().flatten() {
            series.labels.iter().for_each(|l| symbols.release(*l));
        }
        samples
    }

    /// Bytes that it holds beyond itself.
    pub(super) fn bytes(&self) -> usize {
        let metrics = self.metrics.iter().map(|m| held(m.labels.len() * size_of::<Symbol>())).sum::<usize>();
        let blocks = self.all_blocks().map(|(_, b)| b.bytes()).sum::<usize>();
        self.series_bytes
            + metrics
            + blocks
            + self.metrics.capacity() * size_of::<Metric>()
            + self.series.capacity() * size_of::<Option<Series>>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.allocation_size()
            + self.times.capacity()
            + self.block_room() * size_of::<Block>()
    }

    /// Bytes of the folded blocks.
    pub(super) fn folded_bytes(&self) -> usize {
        self.folded.iter().flatten().map(|b| b.bytes() + size_of::<Block>()).sum()
    }

    fn block_room(&self) -> usize {
        self.blocks.capacity() + self.folded.iter().map(VecDeque::capacity).sum::<usize>()
    }

    /// The bytes of [`Self::push`]'s running count, counted anew.
    #[cfg(test)]
    pub(super) fn counted_series_bytes(&self) -> (usize, usize) {
        let of = |s: &Series| s.head.capacity() + held(s.labels.len() * size_of::<Symbol>());
        (self.series_bytes, self.series.iter().flatten().map(of).sum())
    }

    /// The series that `wanted` says yes to: their places, names and labels.
    pub(super) fn select<'g>(
        &'g self,
        wanted: impl Fn(&Metric, &[Symbol]) -> bool + 'g,
    ) -> impl Iterator<Item = (u32, &'g Metric, &'g [Symbol])> {
        (0..).zip(&self.series).filter_map(move |(place, series)| {
            let series = series.as_ref()?;
            let metric = usize::try_from(series.metric).ok().and_then(|m| self.metrics.get(m))?;
            wanted(metric, &series.labels).then_some((place, metric, &*series.labels))
        })
    }

    /// What happened between two times to the series at these places, which rise.
    pub(super) fn read(&self, places: &[u32], from: i64, to: i64) -> Vec<Vec<Event>> {
        let mut out = vec![Vec::new(); places.len()];
        for (grain, block) in self.all_blocks().filter(|(_, b)| b.end >= from && b.start <= to) {
            block.read(grain, places, from, to, &mut out);
        }
        let ticks: Vec<_> = times::read(self.times.start, self.times.bytes()).collect();
        for (place, events) in places.iter().zip(&mut out) {
            let series = usize::try_from(*place).ok().and_then(|p| self.series.get(p)?.as_ref());
            if let Some(series) = series {
                decode(&ticks, Values::new(Grain::Raw, series.head.bytes()), from, to, events);
            }
        }
        out
    }

    fn place_of(&self, symbols: &Symbols, metric: u32, labels: &[&str]) -> Option<u32> {
        let mut known = [Symbol::default(); 8];
        let known = match known.get_mut(..labels.len()) {
            Some(known) => known,
            None => &mut vec![Symbol::default(); labels.len()],
        };
        for (symbol, label) in known.iter_mut().zip(labels) {
            // A label that nobody has names no series.
            *symbol = symbols.find(label)?;
        }
        let same = |place: &u32| named(&self.series, *place).is_some_and(|n| n == (metric, &*known));
        self.index.find(self.hasher.hash_one((metric, &*known)), same).copied()
    }

    fn add(&mut self, symbols: &mut Symbols, metric: u32, labels: &[&str]) -> u32 {
        let labels: Box<[Symbol]> = labels.iter().map(|l| symbols.take(l)).collect();
        self.series_bytes += held(labels.len() * size_of::<Symbol>());
        let hash = self.hasher.hash_one((metric, &*labels));
        let series = Series { metric, labels, head: Encoder::default(), seen: 0 };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(slot) = usize::try_from(place).ok().and_then(|p| self.series.get_mut(p)) {
                    *slot = Some(series);
                }
                place
            }
            None => {
                self.series.push(Some(series));
                u32::try_from(self.series.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Self { series, index, hasher, .. } = self;
        index.insert_unique(hash, place, |p| hasher.hash_one(named(series, *p).unwrap_or_default()));
        place
    }

    /// The head as a block; none if nothing is in it.
    fn head(&self) -> Option<Block> {
        if self.times.is_empty() {
            return None;
        }
        let mut data = DataWriter::default();
        for (place, series) in (0..).zip(&self.series) {
            if let Some(series) = series
                && !series.head.bytes().is_empty()
            {
                data.push(place, series.head.bytes());
            }
        }
        let (start, end, samples) = (self.times.start, self.times.end, self.head_samples);
        Some(Block { start, end, samples, times: self.times.bytes().into(), data: data.finish() })
    }

    /// Packs the head into a block and begins another one.
    fn seal(&mut self) {
        self.blocks.extend(self.head());
        for series in self.series.iter_mut().flatten() {
            let capacity = series.head.capacity();
            series.head.restart();
            series.seen = 0;
            // Restarting never grows.
            self.series_bytes -= capacity - series.head.capacity();
        }
        self.times.restart();
        (self.head_samples, self.live, self.head_bytes) = (0, 0, 0);
    }

    /// Removes series that are in no block and not in the head.
    fn retire(&mut self, symbols: &mut Symbols) {
        let mut used = vec![false; self.series.len()];
        for (place, _) in self.all_blocks().flat_map(|(_, b)| b.streams()) {
            if let Some(used) = usize::try_from(place).ok().and_then(|p| used.get_mut(p)) {
                *used = true;
            }
        }
        let Self { series, index, hasher, free, series_bytes, .. } = self;
        for ((place, slot), used) in (0..).zip(series.iter_mut()).zip(used) {
            let gone = slot.take_if(|s| !used && s.head.bytes().is_empty());
            let Some(gone) = gone else { continue };
            let hash = hasher.hash_one((gone.metric, &*gone.labels));
            if let Ok(entry) = index.find_entry(hash, |p| *p == place) {
                entry.remove();
            }
            gone.labels.iter().for_each(|l| symbols.release(*l));
            *series_bytes -= gone.head.capacity() + held(gone.labels.len() * size_of::<Symbol>());
            free.push(place);
        }
    }
}

/// What names a series.
fn named(series: &[Option<Series>], place: u32) -> Option<(u32, &[Symbol])> {
    let series = usize::try_from(place).ok().and_then(|p| series.get(p)?.as_ref())?;
    Some((series.metric, &series.labels))
}
