//! A group as bytes, and back.
//!
//! Numbers are varints, lists and texts begin with their length. A list cannot be longer than the bytes that
//! are left, so that what was not written by pgmon takes no more memory than it is worth.

use super::{Group, Metric, Series, TIERS, named};
use crate::history::block::{Block, Data};
use crate::history::codec::{Encoder, unzigzag, zigzag};
use crate::history::dump::{Reader, Texts, put, put_number};
use crate::history::held::held;
use crate::history::symbols::{Symbol, Symbols};
use crate::metric::Kind;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

const KINDS: [Kind; 4] = [Kind::Gauge, Kind::Counter, Kind::Histogram, Kind::Summary];

impl Group {
    /// Appends what it holds; `offset` is added to times.
    pub(in crate::history) fn export(&self, texts: &mut Texts, offset: i64, out: &mut Vec<u8>) {
        put_number(out, self.metrics.len() as u64);
        for metric in &self.metrics {
            put_number(out, texts.place(metric.name));
            out.push(KINDS.iter().zip(0..).find(|(kind, _)| **kind == metric.kind).map_or(0, |(_, n)| n));
            put_number(out, metric.labels.len() as u64);
            metric.labels.iter().for_each(|label| put_number(out, texts.place(*label)));
        }
        put_number(out, self.series.len() as u64);
        for series in &self.series {
            put_number(out, series.as_ref().map_or(0, |s| u64::from(s.metric) + 1));
            let labels = series.iter().flat_map(|s| &s.labels);
            labels.for_each(|label| put_number(out, texts.place(*label)));
        }
        let head = self.head();
        for blocks in self.folded.iter().rev() {
            export_blocks(blocks.iter(), blocks.len(), offset, out);
        }
        let raw = self.blocks.iter().chain(&head);
        export_blocks(raw, self.blocks.len() + usize::from(head.is_some()), offset, out);
    }

    /// What [`Self::export`] wrote. `offset` is taken off times; what ends after `now` is left out. The end is
    /// a gap.
    pub(in crate::history) fn import(
        from: &mut Reader<'_>,
        texts: &[&str],
        symbols: &mut Symbols,
        offset: i64,
        now: i64,
    ) -> Option<Self> {
        let mut group = Self::default();
        let whole = group.fill(from, texts, symbols, offset, now);
        if whole.is_none() {
            group.clear(symbols);
        }
        whole.map(|()| group)
    }

    /// Bytes that as many series take at least, whatever names them.
    pub(in crate::history) const fn cost(series: usize) -> usize {
        series.saturating_mul(size_of::<Option<Series>>() + 8)
    }

    fn fill(
        &mut self,
        from: &mut Reader<'_>,
        texts: &[&str],
        symbols: &mut Symbols,
        offset: i64,
        now: i64,
    ) -> Option<()> {
        let text = |from: &mut Reader<'_>| texts.get(from.index()?).copied();
        for _ in 0..from.count()? {
            let (name, kind) = (text(from)?, *KINDS.get(from.index()?)?);
            let labels: Vec<&str> = (0..from.count()?).map(|_| text(from)).collect::<Option<_>>()?;
            let labels = labels.into_iter().map(|label| symbols.take(label)).collect();
            self.metrics.push(Metric { name: symbols.take(name), kind, labels });
        }
        let slots = from.count()?;
        from.allow(Self::cost(slots))?;
        self.series.reserve_exact(slots);
        for place in 0..u32::try_from(slots).ok()? {
            let Some(metric) = from.index()?.checked_sub(1) else {
                self.series.push(None);
                self.free.push(place);
                continue;
            };
            let count = self.metrics.get(metric)?.labels.len();
            let labels: Vec<&str> = (0..count).map(|_| text(from)).collect::<Option<_>>()?;
            self.put(symbols, u32::try_from(metric).ok()?, &labels, place)?;
        }
        let mut end = i64::MIN;
        let mut tiers: [VecDeque<Block>; TIERS + 1] = Default::default();
        for blocks in &mut tiers {
            for _ in 0..from.count()? {
                let start = unzigzag(from.number()?).checked_sub(offset)?;
                let samples = u32::try_from(from.number()?).ok()?;
                let times = from.bytes()?;
                let pieces = (0..from.count()?).map(|_| from.bytes().map(Box::from));
                let data = Data::of(pieces.collect::<Option<_>>()?);
                let exists = |place| named(&self.series, place).is_some();
                let block = Block::checked(start, samples, times, data, exists)?;
                if block.start <= end {
                    return None;
                }
                end = block.end;
                // The calendar was put back: nothing can come after it.
                if end < now {
                    blocks.push_back(block);
                }
            }
        }
        if let Some(blocks) = tiers.iter_mut().rev().find(|blocks| !blocks.is_empty())
            && let Some(last) = blocks.pop_back()
        {
            blocks.push_back(last.with_gap());
        }
        let [.., raw] = &mut tiers;
        self.blocks = std::mem::take(raw);
        for (blocks, read) in self.folded.iter_mut().rev().zip(tiers) {
            *blocks = read;
        }
        self.retire(symbols);
        Some(())
    }

    /// Adds a series at the end; none if it is there already.
    fn put(&mut self, symbols: &mut Symbols, metric: u32, labels: &[&str], place: u32) -> Option<()> {
        if self.place_of(symbols, metric, labels).is_some() {
            return None;
        }
        let labels: Box<[Symbol]> = labels.iter().map(|label| symbols.take(label)).collect();
        self.series_bytes += held(labels.len() * size_of::<Symbol>());
        let hash = self.hasher.hash_one((metric, &*labels));
        self.series.push(Some(Series { metric, labels, head: Encoder::default(), seen: 0 }));
        let Self { series, index, hasher, .. } = self;
        index.insert_unique(hash, place, |p| hasher.hash_one(named(series, *p).unwrap_or_default()));
        Some(())
    }
}

fn export_blocks<'b>(blocks: impl Iterator<Item = &'b Block>, count: usize, offset: i64, out: &mut Vec<u8>) {
    put_number(out, count as u64);
    for block in blocks {
        put_number(out, zigzag(block.start.saturating_add(offset)));
        put_number(out, u64::from(block.samples));
        put(out, &block.times);
        put_number(out, block.data.pieces().len() as u64);
        block.data.pieces().iter().for_each(|piece| put(out, piece));
    }
}
