//! The series of one collector: they share their ticks.
//!
//! The latest ticks are in the head, where each series has a buffer of its own. After a quarter of the time
//! that is kept the head is sealed: the buffers are packed into one block. Blocks are what goes when it is
//! too old, or when there is no room.

use super::codec::{Decoder, Encoder};
use super::symbols::{Symbol, Symbols};
use super::times::{self, Times, push_varint, take_varint, varint_len};
use crate::metric::Kind;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

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
    /// The number of the last block that it has a value in.
    last_block: u32,
    labels: Box<[Symbol]>,
    head: Encoder,
    /// The last tick that it was given, plus one; 0 if there was none in this head.
    seen: u16,
}

#[derive(Debug)]
struct Block {
    start: i64,
    end: i64,
    /// Values in it.
    samples: u32,
    times: Box<[u8]>,
    /// Of each series that has a value: its place, less that of the one before, the number of its bytes, its
    /// bytes.
    data: Box<[u8]>,
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
    /// The number of the first block; the head's number follows that of the last one.
    first_block: u32,
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

/// What happened to a series: a value at a time, or a gap.
pub(super) type Event = (i64, Option<f64>);

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
        self.first_block = self.first_block.wrapping_add(1);
        self.retire(symbols);
        u64::from(block.samples)
    }

    /// Removes what ended before `until`; returns whether anything is left.
    pub(super) fn expire(&mut self, symbols: &mut Symbols, until: i64) -> bool {
        let old = self.blocks.iter().take_while(|b| b.end < until).count();
        if old > 0 {
            self.blocks.drain(..old);
            self.first_block = self.first_block.wrapping_add(u32::try_from(old).unwrap_or(u32::MAX));
            self.retire(symbols);
        }
        self.last().is_some_and(|last| last >= until)
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
        let metrics = self.metrics.iter().map(|m| m.labels.len() * size_of::<Symbol>()).sum::<usize>();
        let blocks = self.blocks.iter().map(|b| b.times.len() + b.data.len()).sum::<usize>();
        self.series_bytes
            + metrics
            + blocks
            + self.metrics.capacity() * size_of::<Metric>()
            + self.series.capacity() * size_of::<Option<Series>>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.allocation_size()
            + self.times.capacity()
            + self.blocks.capacity() * size_of::<Block>()
    }

    /// The bytes of [`Self::push`]'s running count, counted anew.
    #[cfg(test)]
    pub(super) fn counted_series_bytes(&self) -> (usize, usize) {
        let of = |s: &Series| s.head.capacity() + s.labels.len() * size_of::<Symbol>();
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
        for block in self.blocks.iter().filter(|b| b.end >= from && b.start <= to) {
            let ticks: Vec<_> = times::read(block.start, &block.times).collect();
            let mut streams = streams(&block.data).peekable();
            for (place, events) in places.iter().zip(&mut out) {
                while streams.next_if(|(p, _)| p < place).is_some() {}
                let bytes = streams.next_if(|(p, _)| p == place).map_or(&[][..], |(_, bytes)| bytes);
                decode(&ticks, bytes, from, to, events);
            }
        }
        let ticks: Vec<_> = times::read(self.times.start, self.times.bytes()).collect();
        for (place, events) in places.iter().zip(&mut out) {
            let series = usize::try_from(*place).ok().and_then(|p| self.series.get(p)?.as_ref());
            if let Some(series) = series {
                decode(&ticks, series.head.bytes(), from, to, events);
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
        self.series_bytes += labels.len() * size_of::<Symbol>();
        let hash = self.hasher.hash_one((metric, &*labels));
        let series =
            Series { metric, last_block: self.head_number(), labels, head: Encoder::default(), seen: 0 };
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

    fn head_number(&self) -> u32 {
        self.first_block.wrapping_add(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX))
    }

    /// Packs the head into a block and begins another one.
    fn seal(&mut self) {
        let number = self.head_number();
        let written = || {
            let all = (0_u64..).zip(&self.series);
            all.filter_map(|(p, s)| s.as_ref().map(|s| (p, s.head.bytes()))).filter(|(_, b)| !b.is_empty())
        };
        let (mut size, mut last) = (0, 0);
        for (place, bytes) in written() {
            size += varint_len(place - last) + varint_len(bytes.len() as u64) + bytes.len();
            last = place;
        }
        let mut data = Vec::with_capacity(size);
        last = 0;
        for (place, bytes) in written() {
            push_varint(&mut data, place - last);
            push_varint(&mut data, bytes.len() as u64);
            data.extend_from_slice(bytes);
            last = place;
        }
        for series in self.series.iter_mut().flatten() {
            if !series.head.bytes().is_empty() {
                series.last_block = number;
            }
            let capacity = series.head.capacity();
            series.head.restart();
            series.seen = 0;
            // Restarting never grows.
            self.series_bytes -= capacity - series.head.capacity();
        }
        let (start, end) = (self.times.start, self.times.end);
        let times = self.times.bytes().into();
        self.blocks.push_back(Block { start, end, samples: self.head_samples, times, data: data.into() });
        self.times.restart();
        (self.head_samples, self.live, self.head_bytes) = (0, 0, 0);
    }

    /// Removes series that are in no block and not in the head.
    fn retire(&mut self, symbols: &mut Symbols) {
        let Self { series, index, hasher, free, series_bytes, first_block, .. } = self;
        for (place, slot) in (0..).zip(series.iter_mut()) {
            let gone = slot.take_if(|s| {
                s.head.bytes().is_empty() && s.last_block.wrapping_sub(*first_block) > u32::MAX / 2
            });
            let Some(gone) = gone else { continue };
            let hash = hasher.hash_one((gone.metric, &*gone.labels));
            if let Ok(entry) = index.find_entry(hash, |p| *p == place) {
                entry.remove();
            }
            gone.labels.iter().for_each(|l| symbols.release(*l));
            *series_bytes -= gone.head.capacity() + gone.labels.len() * size_of::<Symbol>();
            free.push(place);
        }
    }
}

/// What names a series.
fn named(series: &[Option<Series>], place: u32) -> Option<(u32, &[Symbol])> {
    let series = usize::try_from(place).ok().and_then(|p| series.get(p)?.as_ref())?;
    Some((series.metric, &series.labels))
}

/// The series of a block's data: places, which rise, and bytes.
fn streams(data: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let (mut rest, mut place) = (data, 0_u32);
    std::iter::from_fn(move || {
        let step = take_varint(&mut rest)?;
        let len = usize::try_from(take_varint(&mut rest)?).ok()?;
        place = place.checked_add(u32::try_from(step).ok()?)?;
        let (bytes, after) = rest.split_at_checked(len)?;
        rest = after;
        Some((place, bytes))
    })
}

fn decode(ticks: &[(i64, bool)], bytes: &[u8], from: i64, to: i64, events: &mut Vec<Event>) {
    let mut values = Decoder::new(bytes);
    for (at, gap) in ticks {
        let value = if *gap { None } else { values.tick() };
        if *at >= from && *at <= to {
            events.push((*at, value));
        }
    }
}
