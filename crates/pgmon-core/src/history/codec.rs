//! One series' values of a block, a few bits each.
//!
//! A block has ticks, the rounds of one collector; times are kept once for all of its series
//! ([`super::times`]), so that a series is a string of codes, one a tick:
//!
//! | code | meaning |
//! |---|---|
//! | `0` | as at the tick before: the same value, or absent still |
//! | `1` | from absent to present; one of the codes for values follows (`0`: the value that it had last) |
//! | `10` w d | both values are whole: the difference, zigzag, in 4, 9, 16 or 32 bits as w (2 bits) says |
//! | `110` x | XOR with the last value, in the window of significant bits that was used last |
//! | `1110` l n x | XOR in a new window: l leading zeros (5 bits), n + 1 significant bits (6 bits) |
//! | `1111` | absent from here on |
//!
//! The last one cannot follow `1`. XOR with a window is what Gorilla does (Pelkonen et al., VLDB 2015);
//! differences are there for counters, whose XOR is dear. Codes that would say "as before" at the end are
//! not written: a reader takes what is missing for them. A constant series costs its first value and
//! no more.

use super::held::held;

/// Widths of a difference, by the number that stands for them.
const WIDTHS: [u8; 4] = [4, 9, 16, 32];

/// A window cannot begin later: five bits hold the leading zeros.
const MOST_LEADING: u8 = 31;

/// Writes the values of one series in one block.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// The value that it had last.
    last: u64,
    /// Unused bits of the last byte.
    free: u8,
    /// Leading zeros of the window, and its significant bits; no window yet if these are 0.
    lead: u8,
    width: u8,
    present: bool,
    /// Ticks that are coded.
    written: u16,
}

impl Encoder {
    /// Takes the value at `tick`, counted from 0 within the block; ticks that were left out since the last
    /// one are as that one. Ticks must rise.
    pub(super) fn push(&mut self, tick: u16, value: Option<f64>) {
        let Some(value) = value.map(f64::to_bits) else {
            if self.present {
                self.catch_up(tick);
                self.bits(0b1111, 4);
                self.present = false;
            }
            return;
        };
        if self.present && value == self.last {
            return;
        }
        self.catch_up(tick);
        if !self.present {
            self.bits(1, 1);
            self.present = true;
        }
        self.value(value);
        self.last = value;
    }

    /// Whether it has a value at the last tick.
    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    /// What is written so far; empty if it never had a value.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that it holds.
    pub(super) fn capacity(&self) -> usize {
        held(self.bytes.capacity())
    }

    /// Begins a new block; keeps the memory that the last one needed, and no more.
    pub(super) fn restart(&mut self) {
        let used = self.bytes.len();
        self.reuse();
        self.bytes.shrink_to(used);
    }

    /// Begins anew and keeps its memory.
    pub(super) fn reuse(&mut self) {
        self.bytes.clear();
        *self = Self { bytes: std::mem::take(&mut self.bytes), ..Self::default() };
    }

    fn catch_up(&mut self, tick: u16) {
        for _ in self.written..tick {
            self.bits(0, 1);
        }
        self.written = tick.saturating_add(1);
    }

    fn value(&mut self, value: u64) {
        if value == self.last {
            return self.bits(0, 1);
        }
        let xor = value ^ self.last;
        let lead = narrow(xor.leading_zeros()).min(MOST_LEADING);
        let width = 64 - lead - narrow(xor.trailing_zeros());
        let fits = self.width > 0 && lead >= self.lead && lead + width <= self.lead + self.width;
        let new_cost = 15 + width;
        let (old_cost, old_width) = if fits { (3 + self.width, self.width) } else { (u8::MAX, 0) };
        if let Some((number, bits, difference)) = difference(self.last, value)
            && 4 + bits <= old_cost.min(new_cost)
        {
            self.bits(0b10, 2);
            self.bits(number, 2);
            self.bits(difference, bits);
        } else if old_cost <= new_cost {
            self.bits(0b110, 3);
            self.bits(xor >> (64 - self.lead - old_width), old_width);
        } else {
            self.bits(0b1110, 4);
            self.bits(u64::from(lead), 5);
            self.bits(u64::from(width - 1), 6);
            self.bits(xor >> (64 - lead - width), width);
            (self.lead, self.width) = (lead, width);
        }
    }

    /// Appends the lowest `count` bits, the highest of them first.
    fn bits(&mut self, value: u64, count: u8) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let [part, ..] = ((value >> (left - take)) & ((1 << take) - 1)).to_le_bytes();
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (self.free - take);
            }
            self.free -= take;
            left -= take;
        }
    }
}

/// Reads what an [`Encoder`] wrote. Any bytes can be read; what was not written by one gives some values.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
    last: u64,
    lead: u8,
    width: u8,
    present: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, last: 0, lead: 0, width: 0, present: false }
    }

    /// The value at the next tick, if it has one.
    pub(super) fn tick(&mut self) -> Option<f64> {
        let changes = self.bits(1) == 1;
        if changes {
            // Between absent and present the code of the value stands after the change.
            let coded = self.present || self.bits(1) == 1;
            self.present = true;
            if coded {
                self.value();
            }
        }
        self.present.then_some(f64::from_bits(self.last))
    }

    /// The rest of a code after its first `1`.
    fn value(&mut self) {
        if self.bits(1) == 0 {
            let number = usize::try_from(self.bits(2)).unwrap_or_default();
            let bits = WIDTHS.get(number).copied().unwrap_or_default();
            let difference = unzigzag(self.bits(bits));
            let whole = whole(self.last).unwrap_or_default().wrapping_add(difference);
            self.last = (whole as f64).to_bits();
            return;
        }
        if self.bits(1) == 1 {
            if self.bits(1) == 1 {
                self.present = false;
                return;
            }
            self.lead = narrow_bits(self.bits(5));
            self.width = narrow_bits(self.bits(6)) + 1;
        }
        let trailing = 64_u8.saturating_sub(self.lead + self.width).min(63);
        self.last ^= self.bits(self.width) << trailing;
    }

    /// The next bits; what is behind the end is 0.
    fn bits(&mut self, count: u8) -> u64 {
        let (mut value, mut left) = (0, count);
        while left > 0 {
            let within = narrow_bits((self.at % 8) as u64);
            let take = left.min(8 - within);
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or_default();
            let part = (byte << within) >> (8 - take);
            value = (value << take) | u64::from(part);
            self.at += usize::from(take);
            left -= take;
        }
        value
    }
}

/// The difference of two whole numbers: number of its width, the width, the bits.
fn difference(from: u64, to: u64) -> Option<(u64, u8, u64)> {
    let zigzag = zigzag(whole(to)? - whole(from)?);
    (0..).zip(WIDTHS).find(|(_, bits)| zigzag >> bits == 0).map(|(number, bits)| (number, bits, zigzag))
}

/// The whole number that a value is, if it is one, and exact.
fn whole(bits: u64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value = f64::from_bits(bits);
    if value.abs() >= EXACT || value.fract() != 0.0 || value.is_nan() {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    let whole = value as i64;
    // Not the negative zero.
    ((whole as f64).to_bits() == bits).then_some(whole)
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A count of bits, which is never above 64.
fn narrow(count: u32) -> u8 {
    u8::try_from(count).unwrap_or(64)
}

/// At most eight bits.
fn narrow_bits(bits: u64) -> u8 {
    let [low, ..] = bits.to_le_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[Option<f64>]) -> usize {
        let mut encoder = Encoder::default();
        for (tick, value) in (0..).zip(values) {
            encoder.push(tick, *value);
        }
        let mut decoder = Decoder::new(encoder.bytes());
        for (tick, value) in values.iter().enumerate() {
            let read = decoder.tick();
            assert_eq!(read.map(f64::to_bits), value.map(f64::to_bits), "tick {tick} of {values:?}");
        }
        encoder.bytes().len()
    }

    #[test]
    fn usual_series_are_small() {
        let ticks = |f: fn(u32) -> f64| (0..60).map(|i| Some(f(i))).collect::<Vec<_>>();
        // Measured sizes with some room; a value is 8 bytes without compression.
        for (name, values, most) in [
            ("constant", ticks(|_| 1234.5), 10),
            ("zero", ticks(|_| 0.0), 1),
            ("changes once", ticks(|i| if i < 30 { 0.0 } else { 8192.0 }), 10),
            ("slow counter", ticks(|i| 1e6 + f64::from(i)), 70),
            ("fast counter", ticks(|i| 1e12 + 1e6 * f64::from(i * i % 97)), 60 * 5),
            ("small gauge", ticks(|i| f64::from(i * 7 % 11)), 75),
            ("random fractions", ticks(|i| 1.0 / f64::from(i + 1)), 60 * 8),
        ] {
            let size = round_trip(&values);
            assert!(size <= most, "{name}: {size} bytes");
        }
    }

    #[test]
    fn every_kind_of_float_comes_back_bit_by_bit() {
        let odd = [
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::from_bits(0x7ff0_0000_0000_0001),
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE / 2.0,
            f64::MAX,
            f64::MIN,
            9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            -9_007_199_254_740_991.0,
            1e300,
            0.1,
        ];
        for a in odd {
            for b in odd {
                round_trip(&[Some(a), Some(b), None, Some(b), Some(a), Some(a), None, None, Some(a)]);
            }
        }
    }

    #[test]
    fn a_new_block_remembers_nothing_of_the_last_one() {
        let mut encoder = Encoder::default();
        encoder.push(0, Some(7.0));
        encoder.push(1, Some(0.1));
        encoder.restart();
        assert!(encoder.bytes().is_empty() && !encoder.is_present());
        encoder.push(0, Some(0.1));
        assert_eq!(Decoder::new(encoder.bytes()).tick(), Some(0.1));
    }

    fn value() -> impl Strategy<Value = Option<f64>> {
        prop_oneof![
            2 => Just(None),
            4 => any::<u64>().prop_map(|bits| Some(f64::from_bits(bits))),
            8 => (-100_i32..100).prop_map(|v| Some(f64::from(v))),
            4 => any::<i64>().prop_map(|v| Some(v as f64)),
            2 => Just(Some(0.5)),
        ]
    }

    proptest! {
        #[test]
        fn any_series_comes_back(values in prop::collection::vec(value(), 0..130)) {
            round_trip(&values);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut decoder = Decoder::new(&bytes);
            for _ in 0..1000 {
                decoder.tick();
            }
        }

        #[test]
        fn zigzag_comes_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
