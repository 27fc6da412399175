//! From the families of a round to the series of a group.

use super::Rank;
use super::group::Group;
use super::symbols::Symbols;
use crate::metric::{Family, FamilyDesc, Kind, Sample, Value};

/// How many series of a family have this rank.
pub(super) fn count(family: &Family, rank: Rank) -> usize {
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
pub(super) fn take(group: &mut Group, symbols: &mut Symbols, family: &Family, rank: Rank) {
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
