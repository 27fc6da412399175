//! The times of a block's ticks, and of its gaps.
//!
//! Each is the change of the distance to the one before (delta of delta), zigzag, with the lowest bit set
//! for a gap, as a varint: rounds that keep their interval cost one or two bytes.

use super::codec::{unzigzag, zigzag};
use super::held::held;

/// Writes times.
#[derive(Debug, Default)]
pub(super) struct Times {
    bytes: Vec<u8>,
    /// The first time, in milliseconds.
    pub(super) start: i64,
    /// The last time.
    pub(super) end: i64,
    delta: i64,
    /// How many ticks there are.
    pub(super) ticks: u16,
    /// Whether the last mark is a gap.
    pub(super) in_gap: bool,
}

impl Times {
    /// Whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a tick, or a gap.
    pub(super) fn push(&mut self, at: i64, gap: bool) {
        if self.is_empty() {
            (self.start, self.end) = (at, at);
        }
        let delta = at.wrapping_sub(self.end);
        let change = zigzag(delta.wrapping_sub(self.delta));
        // Times are milliseconds: the two highest bits are free.
        push_varint(&mut self.bytes, (change << 1) | u64::from(gap));
        (self.end, self.delta, self.in_gap) = (at, delta, gap);
        if !gap {
            self.ticks = self.ticks.saturating_add(1);
        }
    }

    /// What is written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that it holds.
    pub(super) fn capacity(&self) -> usize {
        held(self.bytes.capacity())
    }

    /// Begins a new block.
    pub(super) fn restart(&mut self) {
        self.bytes.clear();
        *self = Self { bytes: std::mem::take(&mut self.bytes), ..Self::default() };
    }
}

/// Reads times: each with whether it is a gap.
pub(super) fn read(start: i64, bytes: &[u8]) -> impl Iterator<Item = (i64, bool)> + '_ {
    let (mut at, mut delta, mut rest) = (start, 0_i64, bytes);
    std::iter::from_fn(move || {
        let code = take_varint(&mut rest)?;
        delta = delta.wrapping_add(unzigzag(code >> 1));
        at = at.wrapping_add(delta);
        Some((at, code & 1 == 1))
    })
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// How many bytes [`push_varint`] appends.
pub(super) fn varint_len(value: u64) -> usize {
    let mut rest = value >> 7;
    let mut len = 1;
    while rest > 0 {
        rest >>= 7;
        len += 1;
    }
    len
}

/// Takes a number off the front; none at the end.
pub(super) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_that_keep_their_interval_cost_a_byte_or_two() {
        let mut times = Times::default();
        for i in 0..60_i64 {
            times.push(1_000_000 + 15_000 * i + i % 3, false);
        }
        assert!(times.bytes().len() < 70, "{}", times.bytes().len());
        assert_eq!((times.start, times.end, times.ticks), (1_000_000, 1_885_002, 60));
    }

    proptest! {
        #[test]
        fn any_rising_times_come_back(
            start in -1_i64 << 50..1_i64 << 50,
            steps in prop::collection::vec((1_i64..1 << 40, any::<bool>()), 0..100),
        ) {
            let mut times = Times::default();
            let mut at = start;
            let mut want = Vec::new();
            for (step, gap) in steps {
                at += step;
                times.push(at, gap);
                want.push((at, gap));
            }
            prop_assert_eq!(read(times.start, times.bytes()).collect::<Vec<_>>(), want);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(read(0, &bytes).count() <= bytes.len());
        }

        #[test]
        fn a_number_takes_the_bytes_that_are_foreseen(value: u64) {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            prop_assert_eq!(take_varint(&mut out.as_slice()), Some(value));
        }
    }
}
