//! From fine ticks to coarse ones: a minute, then ten.
//!
//! What leaves a tier is folded into the next one. Readings within a step of the calendar become one, with
//! the least, the greatest and the mean value; of a counter only the last value is kept, exactly, since
//! that is what rates are made of. A gap ends a step early, so that it stays where it was, to the millisecond.

use super::block::{Block, DataWriter, Grain, Packer, Reading, Values};
use super::times::Times;
use crate::metric::Kind;
use std::cmp::Ordering;

/// Figures that are kept beyond the time of [`super::History::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// How far its ticks are apart, in milliseconds.
    pub step: i64,
    /// How long they stay, in milliseconds.
    pub keep: i64,
}

/// A block with so many ticks gets no more.
const FULL: usize = 120;

/// Folds `next` into ticks of `step`, and appends them to `last`, unless that is full.
///
/// The first block is what `last` is to be replaced with, or what follows it if `true` is returned.
pub(super) fn fold(
    last: Option<&Block>,
    next: (&Block, Grain),
    step: i64,
    kind: impl Fn(u32) -> Kind,
) -> (Block, bool) {
    let before: Vec<(i64, bool)> = last.map(|b| b.times().collect()).unwrap_or_default();
    let old_ticks = before.iter().filter(|(_, gap)| !gap).count();
    let append = last.filter(|_| old_ticks < FULL);
    let (before, old_ticks) = if append.is_some() { (before, old_ticks) } else { (Vec::new(), 0) };
    let (marks, buckets) = buckets(next.0, step);
    let mut times = Times::default();
    for (at, gap) in before.into_iter().chain(marks) {
        times.push(at, gap);
    }
    let mut old = append.into_iter().flat_map(Block::streams).peekable();
    let mut new = next.0.streams().peekable();
    let (mut packer, mut readings) = (Packer::default(), Vec::new());
    let (mut data, mut samples) = (DataWriter::default(), 0_u32);
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let had = if order.is_le() { old.next() } else { None };
        let gets = if order.is_ge() { new.next() } else { None };
        let Some(place) = had.or(gets).map(|(place, _)| place) else { break };
        let kind = kind(place);
        readings.clear();
        let mut values = Values::new(Grain::Folded, had.map_or(&[], |(_, bytes)| bytes));
        readings.extend((0..old_ticks).map(|_| values.tick()));
        let mut values = Values::new(next.1, gets.map_or(&[], |(_, bytes)| bytes));
        for ticks in &buckets {
            readings.push(one(kind, (0..*ticks).filter_map(|_| values.tick())));
        }
        samples += u32::try_from(readings.iter().flatten().count()).unwrap_or(u32::MAX);
        data.push(place, packer.pack(&readings));
    }
    let block = Block {
        start: times.start,
        end: times.end,
        samples,
        times: times.bytes().into(),
        data: data.finish(),
    };
    (block, append.is_none())
}

/// The coarse ticks and gaps of a block, and how many of its ticks each coarse one stands for.
fn buckets(block: &Block, step: i64) -> (Vec<(i64, bool)>, Vec<usize>) {
    let (mut marks, mut buckets) = (Vec::<(i64, bool)>::new(), Vec::new());
    let bucket = |at: i64| at.div_euclid(step.max(1));
    for (at, gap) in block.times() {
        match (marks.last_mut(), buckets.last_mut()) {
            (Some((last, false)), Some(ticks)) if !gap && bucket(*last) == bucket(at) => {
                *last = at;
                *ticks += 1;
            }
            _ => {
                marks.push((at, gap));
                buckets.extend((!gap).then_some(1));
            }
        }
    }
    (marks, buckets)
}

/// One reading for several.
fn one(kind: Kind, readings: impl Iterator<Item = Reading>) -> Option<Reading> {
    let mut sum = 0.0;
    let mut count = 0_u32;
    let all = readings.reduce(|a, b| {
        if kind == Kind::Counter {
            return b;
        }
        if count == 0 {
            (sum, count) = (a.mean, 1);
        }
        sum += b.mean;
        count += 1;
        Reading { min: a.min.min(b.min), max: a.max.max(b.max), mean: sum / f64::from(count) }
    })?;
    Some(match kind {
        Kind::Counter => all,
        _ => Reading { min: rounded(all.min), max: rounded(all.max), mean: rounded(all.mean) },
    })
}

/// Whole numbers as they are, others to 17 significant bits (five digits): more cannot be seen in a chart,
/// and it is the bits that do not repeat that take the room.
fn rounded(value: f64) -> f64 {
    const DROPPED: u32 = 36;
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !value.is_finite() || (value.fract() == 0.0 && value.abs() < EXACT) {
        return value;
    }
    let bits = value.to_bits().saturating_add(1 << (DROPPED - 1)) & !((1 << DROPPED) - 1);
    let rounded = f64::from_bits(bits);
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_keeps_order_and_five_digits(a in -1e12_f64..1e12, b in -1e12_f64..1e12) {
            let (less, more) = (a.min(b), a.max(b));
            let near = |v: f64| (rounded(v) - v).abs() <= v.abs() * 1e-5;
            prop_assert!(near(less) && near(more));
            if less.fract() != 0.0 && more.fract() != 0.0 {
                prop_assert!(rounded(less) <= rounded(more));
            }
            prop_assert_eq!(rounded(a.trunc()), a.trunc());
            prop_assert_eq!(rounded(rounded(a)), rounded(a));
        }
    }
}
