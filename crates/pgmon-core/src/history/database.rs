//! The series of one watched database.

use super::group::Group;
use super::symbols::{Symbol, Symbols};
use super::{OutOfOrder, Rank, Round, Source};
use crate::metric::{Family, FamilyDesc, Kind, Sample, Value};

/// What a group is the group of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    collector: Symbol,
    datname: Option<Symbol>,
    server_wide: bool,
    rank: Rank,
}

/// A group and what is known of it.
#[derive(Debug)]
pub(super) struct Kept {
    key: Key,
    pub(super) group: Group,
    /// How long its blocks stay.
    keep: i64,
    /// It was given up for lack of room when it had so many series.
    refused: Option<usize>,
}

impl Kept {
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
    /// Takes a round and returns how many of its values were not taken for lack of room. A group's head
    /// may grow to about `share` bytes.
    pub(super) fn record(
        &mut self,
        symbols: &mut Symbols,
        round: Round<'_>,
        keep: i64,
        share: usize,
    ) -> Result<u64, OutOfOrder> {
        // Both ranks or none.
        let last = self.last(symbols, round.source);
        if let Some(last) = last.filter(|last| *last >= round.at) {
            return Err(OutOfOrder { at: round.at, last });
        }
        let mut dropped = 0;
        for rank in Rank::ALL {
            dropped += self.record_rank(symbols, round, rank, keep, share);
        }
        self.recount();
        Ok(dropped)
    }

    fn record_rank(
        &mut self,
        symbols: &mut Symbols,
        round: Round<'_>,
        rank: Rank,
        keep: i64,
        share: usize,
    ) -> u64 {
        let series: usize = round.families.iter().map(|f| count(f, rank)).sum();
        let Some(kept) = self.group(symbols, round.source, rank, series > 0) else { return 0 };
        if let Some(then) = kept.refused {
            if series > then / 2 {
                return series as u64;
            }
            kept.refused = None;
        }
        kept.keep = keep.max(round.interval.saturating_mul(2));
        let group = &mut kept.group;
        group.expire(symbols, round.at.saturating_sub(kept.keep));
        group.begin(round.at, kept.keep / 4, share);
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
    pub(super) fn expire(&mut self, symbols: &mut Symbols, now: i64, keep: i64) -> bool {
        self.groups.retain_mut(|kept| {
            // A group that was refused stays empty, and must not be forgotten: it would be taken again.
            let last = kept.group.last().is_none() && kept.refused.is_some();
            let stays = kept.group.expire(symbols, now.saturating_sub(kept.keep.max(keep))) || last;
            if !stays {
                kept.forget(symbols);
            }
            stays
        });
        self.recount();
        !self.groups.is_empty()
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
        let oldest = self.drop_oldest(symbols).map(GaveWay::Block);
        let dropped = oldest.or_else(|| self.refuse_largest(symbols).map(GaveWay::Group));
        self.recount();
        dropped
    }

    fn drop_oldest(&mut self, symbols: &mut Symbols) -> Option<u64> {
        Rank::ALL.into_iter().rev().find_map(|rank| {
            let of_rank = self.groups.iter_mut().filter(|k| k.key.rank == rank);
            let with_blocks = of_rank.filter_map(|k| k.group.oldest_block().map(|start| (start, k)));
            let (_, oldest) = with_blocks.min_by_key(|(start, _)| *start)?;
            Some(oldest.group.drop_block(symbols))
        })
    }

    fn refuse_largest(&mut self, symbols: &mut Symbols) -> Option<u64> {
        Rank::ALL.into_iter().rev().find_map(|rank| {
            let with_series = self.groups.iter_mut().filter(|k| k.key.rank == rank && k.group.len() > 0);
            let largest = with_series.max_by_key(|k| k.group.bytes())?;
            largest.refused = Some(largest.group.len());
            Some(largest.group.clear(symbols))
        })
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

/// How many series of a family have this rank.
fn count(family: &Family, rank: Rank) -> usize {
    let own = Rank::of(&family.desc) == rank;
    let of = |sample: &Sample| {
        let (all, buckets) = match &sample.value {
            Value::Histogram(h) => (sample.value.series(), h.counts.len()),
            _ => (sample.value.series(), 0),
        };
        usize::from(own) * (all - buckets) + usize::from(rank == Rank::Object) * buckets
    };
    family.samples.iter().map(of).sum()
}

/// Gives a group those of a family's series that have its rank, each as it is on the page.
fn take(group: &mut Group, symbols: &mut Symbols, family: &Family, rank: Rank) {
    let own = Rank::of(&family.desc) == rank;
    let histogram = family.desc.kind() == Kind::Histogram && rank == Rank::Object;
    if !own && !histogram {
        return;
    }
    let mut writer = Writer::new(group, symbols, &family.desc);
    for sample in &family.samples {
        let labels: Vec<&str> = sample.labels.iter().map(AsRef::as_ref).collect();
        match &sample.value {
            Value::Number(value) if own => writer.push(Part::Plain, &labels, *value),
            Value::Number(_) => {}
            Value::Summary(summary) if own => {
                for (quantile, value) in &summary.quantiles {
                    writer.push_with(Part::Quantile, &labels, &quantile.to_string(), *value);
                }
                writer.sum_and_count(&labels, summary.sum, summary.count);
            }
            Value::Summary(_) => {}
            Value::Histogram(h) => {
                if own {
                    writer.sum_and_count(&labels, h.sum, Some(h.count()));
                }
                if histogram {
                    let mut cumulative = 0;
                    for (place, count) in h.counts.iter().enumerate() {
                        cumulative += count;
                        let le = h.bounds.get(place).map_or("+Inf".to_owned(), f64::to_string);
                        writer.push_with(Part::Bucket, &labels, &le, cumulative as f64);
                    }
                }
            }
        }
    }
}

/// Which of a family's names.
#[derive(Debug, Clone, Copy)]
enum Part {
    Plain,
    Quantile,
    Sum,
    Count,
    Bucket,
}

/// Gives a group the series of one family; names are looked up once a round, not once a sample.
struct Writer<'w> {
    group: &'w mut Group,
    symbols: &'w mut Symbols,
    desc: &'w FamilyDesc,
    metrics: [Option<u32>; 5],
}

impl<'w> Writer<'w> {
    fn new(group: &'w mut Group, symbols: &'w mut Symbols, desc: &'w FamilyDesc) -> Self {
        Self { group, symbols, desc, metrics: [None; 5] }
    }

    fn push(&mut self, part: Part, labels: &[&str], value: f64) {
        let metric = self.metric(part);
        self.group.push(self.symbols, metric, labels, value);
    }

    fn push_with(&mut self, part: Part, labels: &[&str], last: &str, value: f64) {
        let labels: Vec<&str> = labels.iter().copied().chain([last]).collect();
        self.push(part, &labels, value);
    }

    fn sum_and_count(&mut self, labels: &[&str], sum: Option<f64>, count: Option<u64>) {
        if let Some(sum) = sum {
            self.push(Part::Sum, labels, sum);
        }
        if let Some(count) = count {
            self.push(Part::Count, labels, count as f64);
        }
    }

    fn metric(&mut self, part: Part) -> u32 {
        let (place, suffix, kind, last) = match part {
            Part::Plain => (0, "", self.desc.kind(), None),
            Part::Quantile => (1, "", Kind::Gauge, Some("quantile")),
            Part::Sum => (2, "_sum", Kind::Counter, None),
            Part::Count => (3, "_count", Kind::Counter, None),
            Part::Bucket => (4, "_bucket", Kind::Counter, Some("le")),
        };
        let Some(known) = self.metrics.get_mut(place) else { return u32::MAX };
        *known.get_or_insert_with(|| {
            let labels: Vec<&str> = self.desc.labels().chain(last).collect();
            let name = format!("{}{suffix}", self.desc.name());
            self.group.metric(self.symbols, &name, kind, &labels)
        })
    }
}
