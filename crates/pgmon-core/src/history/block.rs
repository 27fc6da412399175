//! A stretch of time of all series of a group, packed.

use super::codec::{Decoder, Encoder};
use super::held::held;
use super::times::{self, Times, push_varint, take_varint, varint_len};

/// What a series was at a tick. At the interval of its loop all three are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// The least value.
    pub(super) min: f64,
    /// The greatest value.
    pub(super) max: f64,
    /// The mean; of a counter the last value, as are the others.
    pub(super) mean: f64,
}

impl Reading {
    /// One value.
    pub(super) fn of(value: f64) -> Self {
        Self { min: value, max: value, mean: value }
    }

    fn is_one_value(&self) -> bool {
        self.min.to_bits() == self.mean.to_bits() && self.max.to_bits() == self.mean.to_bits()
    }
}

/// What happened to a series: a reading at a time, or a gap.
pub(super) type Event = (i64, Option<Reading>);

/// How a block keeps a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// As [`Encoder`] wrote it.
    Raw,
    /// As [`Packer`] wrote it.
    Folded,
}

/// A stretch of time.
#[derive(Debug)]
pub(super) struct Block {
    /// The first tick.
    pub(super) start: i64,
    /// The last tick or gap.
    pub(super) end: i64,
    /// Values in it.
    pub(super) samples: u32,
    /// Times of ticks and gaps ([`times`]).
    pub(super) times: Box<[u8]>,
    /// Of each series that has a value: its place, less that of the one before, the number of its bytes, its
    /// bytes.
    pub(super) data: Data,
}

/// Packed series, in pieces of much the same size: what one block leaves the next one can use. In one piece of
/// its own size each, blocks left holes that were twice as large as they were.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Data {
    pieces: Box<[Box<[u8]>]>,
    /// Bytes that it holds beyond itself: asked for with every round.
    bytes: usize,
}

/// A piece has so many bytes at most, unless one series needs more.
const PIECE: usize = 4096;

impl Data {
    /// Pieces that were read from somewhere.
    pub(super) fn of(pieces: Vec<Box<[u8]>>) -> Self {
        let bytes = pieces.iter().map(|piece| held(piece.len())).sum::<usize>();
        let bytes = bytes + held(pieces.len() * size_of::<Box<[u8]>>());
        Self { pieces: pieces.into(), bytes }
    }

    /// The pieces.
    pub(super) fn pieces(&self) -> &[Box<[u8]>] {
        &self.pieces
    }

    /// Bytes that it holds beyond itself.
    fn bytes(&self) -> usize {
        self.bytes
    }

    /// The series: places, which rise, and bytes.
    pub(super) fn streams(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut pieces = self.pieces.iter();
        let (mut rest, mut place) = (&[][..], 0_u32);
        std::iter::from_fn(move || {
            while rest.is_empty() {
                rest = pieces.next()?;
            }
            let step = take_varint(&mut rest)?;
            let len = usize::try_from(take_varint(&mut rest)?).ok()?;
            place = place.checked_add(u32::try_from(step).ok()?)?;
            let (bytes, after) = rest.split_at_checked(len)?;
            rest = after;
            Some((place, bytes))
        })
    }
}

/// Packs series, whose places rise.
#[derive(Debug, Default)]
pub(super) struct DataWriter {
    pieces: Vec<Box<[u8]>>,
    piece: Vec<u8>,
    last: u32,
}

impl DataWriter {
    /// Appends a series.
    pub(super) fn push(&mut self, place: u32, bytes: &[u8]) {
        let (step, len) = (u64::from(place - self.last), bytes.len() as u64);
        let size = varint_len(step) + varint_len(len) + bytes.len();
        if self.piece.len() + size > PIECE {
            self.end_piece();
        }
        if self.piece.capacity() == 0 {
            self.piece.reserve_exact(PIECE);
        }
        push_varint(&mut self.piece, step);
        push_varint(&mut self.piece, len);
        self.piece.extend_from_slice(bytes);
        self.last = place;
    }

    /// What was packed.
    pub(super) fn finish(mut self) -> Data {
        self.end_piece();
        Data::of(self.pieces)
    }

    fn end_piece(&mut self) {
        if !self.piece.is_empty() {
            // A copy of just its size: shrinking in its place would keep the room.
            self.pieces.push(self.piece.as_slice().into());
            self.piece.clear();
        }
    }
}

impl Block {
    /// Bytes that it holds beyond itself.
    pub(super) fn bytes(&self) -> usize {
        held(self.times.len()) + self.data.bytes()
    }

    /// Ticks and gaps; gaps are those with `true`.
    pub(super) fn times(&self) -> impl Iterator<Item = (i64, bool)> + '_ {
        times::read(self.start, &self.times)
    }

    /// The series that have a value in it.
    pub(super) fn streams(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.data.streams()
    }

    /// The same with a gap at its end.
    pub(super) fn with_gap(self) -> Self {
        let mut times = Times::default();
        self.times().for_each(|(at, gap)| times.push(at, gap));
        if !times.in_gap {
            times.push(times.end.saturating_add(1), true);
        }
        Self { end: times.end, times: times.bytes().into(), ..self }
    }

    /// A block of parts that were read from somewhere, if they are one: of series that `exists` says yes to.
    pub(super) fn checked(
        start: i64,
        samples: u32,
        times: &[u8],
        data: Data,
        exists: impl Fn(u32) -> bool,
    ) -> Option<Self> {
        let (mut end, mut ticks) = (None, 0_u16);
        for (at, gap) in times::read(start, times) {
            // Far from where sums of times overflow.
            let is_time = at.unsigned_abs() < 1 << 56 && end.is_none_or(|end| at > end);
            ticks = ticks.checked_add(u16::from(!gap))?;
            end = Some(is_time.then_some(at)?);
        }
        let (mut last, mut writer) = (None, DataWriter::default());
        for (place, bytes) in data.streams() {
            (exists(place) && last.is_none_or(|last| place > last)).then_some(())?;
            writer.push(place, bytes);
            last = Some(place);
        }
        // It is just what would be written: nothing is left over.
        (writer.finish() == data).then_some(Self { start, end: end?, samples, times: times.into(), data })
    }

    /// What happened between two times to the series at these places, which rise.
    pub(super) fn read(&self, grain: Grain, places: &[u32], from: i64, to: i64, out: &mut [Vec<Event>]) {
        let ticks: Vec<_> = self.times().collect();
        let mut streams = self.streams().peekable();
        for (place, events) in places.iter().zip(out) {
            while streams.next_if(|(p, _)| p < place).is_some() {}
            let bytes = streams.next_if(|(p, _)| p == place).map(|(_, bytes)| bytes);
            decode(&ticks, Values::new(grain, bytes.unwrap_or_default()), from, to, events);
        }
    }
}

/// Adds what happened between two times.
pub(super) fn decode(
    ticks: &[(i64, bool)],
    mut values: Values<'_>,
    from: i64,
    to: i64,
    events: &mut Vec<Event>,
) {
    for (at, gap) in ticks {
        let value = if *gap { None } else { values.tick() };
        if *at >= from && *at <= to {
            events.push((*at, value));
        }
    }
}

/// Reads the readings of a series in a block. Any bytes can be read.
#[derive(Debug)]
pub(super) enum Values<'b> {
    /// Each is one value.
    Plain(Decoder<'b>),
    /// Mean, least, greatest.
    Spread([Decoder<'b>; 3]),
}

impl<'b> Values<'b> {
    pub(super) fn new(grain: Grain, bytes: &'b [u8]) -> Self {
        match (grain, bytes) {
            (Grain::Raw, _) => Self::Plain(Decoder::new(bytes)),
            (Grain::Folded, [SPREAD, rest @ ..]) => {
                let mut rest = rest;
                let (mean, min) = (take_part(&mut rest), take_part(&mut rest));
                Self::Spread([mean, min, rest].map(Decoder::new))
            }
            (Grain::Folded, [_, rest @ ..]) => Self::Plain(Decoder::new(rest)),
            (Grain::Folded, []) => Self::Plain(Decoder::new(&[])),
        }
    }

    /// The reading at the next tick, if there is one.
    pub(super) fn tick(&mut self) -> Option<Reading> {
        match self {
            Self::Plain(values) => values.tick().map(Reading::of),
            Self::Spread([mean, min, max]) => {
                // Each must move on, whatever the others say.
                let all = (mean.tick(), min.tick(), max.tick());
                let (Some(mean), Some(min), Some(max)) = all else { return None };
                // The mean is rounded where the others, being whole numbers, are not.
                Some(Reading { min, max, mean: mean.max(min).min(max) })
            }
        }
    }
}

const PLAIN: u8 = 0;
const SPREAD: u8 = 1;

fn take_part<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let len = take_varint(rest).and_then(|len| usize::try_from(len).ok());
    let (part, after) = len.and_then(|len| rest.split_at_checked(len)).unwrap_or_default();
    *rest = after;
    part
}

/// Writes the readings of one series after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    encoder: Encoder,
    out: Vec<u8>,
}

impl Packer {
    /// The bytes for these readings, one a tick.
    pub(super) fn pack(&mut self, readings: &[Option<Reading>]) -> &[u8] {
        self.out.clear();
        let plain = readings.iter().flatten().all(Reading::is_one_value);
        self.out.push(if plain { PLAIN } else { SPREAD });
        self.part(readings, !plain, |r| r.mean);
        if !plain {
            self.part(readings, true, |r| r.min);
            self.part(readings, false, |r| r.max);
        }
        &self.out
    }

    fn part(&mut self, readings: &[Option<Reading>], with_len: bool, of: impl Fn(&Reading) -> f64) {
        self.encoder.reuse();
        for (tick, reading) in (0..).zip(readings) {
            self.encoder.push(tick, reading.as_ref().map(&of));
        }
        if with_len {
            push_varint(&mut self.out, self.encoder.bytes().len() as u64);
        }
        self.out.extend_from_slice(self.encoder.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading() -> impl Strategy<Value = Option<Reading>> {
        let one = (-1e6_f64..1e6).prop_map(|v| Some(Reading::of(v)));
        let three = (-1e6_f64..1e6, 0.0_f64..1e3, 0.0_f64..1e3)
            .prop_map(|(v, less, more)| Some(Reading { min: v - less, max: v + more, mean: v }));
        prop_oneof![Just(None), one, three]
    }

    proptest! {
        #[test]
        fn readings_come_back(series in prop::collection::vec(prop::collection::vec(reading(), 0..60), 0..5)) {
            let mut packer = Packer::default();
            for readings in &series {
                let mut values = Values::new(Grain::Folded, packer.pack(readings));
                for want in readings {
                    prop_assert_eq!(values.tick(), *want);
                }
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut values = Values::new(Grain::Folded, &bytes);
            for _ in 0..500 {
                values.tick();
            }
            let data = Data::of(vec![bytes.as_slice().into(), Box::default(), bytes.as_slice().into()]);
            prop_assert!(data.streams().count() <= 2 * bytes.len());
        }

        #[test]
        fn data_comes_back(
            steps in prop::collection::vec((1_u32..500, prop::collection::vec(any::<u8>(), 0..900)), 0..30),
        ) {
            let mut place = 0;
            let mut want = Vec::new();
            let mut writer = DataWriter::default();
            for (step, bytes) in &steps {
                place += step;
                writer.push(place, bytes);
                want.push((place, bytes.as_slice()));
            }
            let data = writer.finish();
            prop_assert_eq!(data.streams().collect::<Vec<_>>(), want);
            prop_assert!(data.pieces().iter().all(|p| p.len() <= PIECE));
        }
    }
}
