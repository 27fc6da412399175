//! Metric families as pgmon produces them.

use std::borrow::Cow;
use std::sync::Arc;

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only grows, until its source is reset.
    Counter,
    /// Counted observations in buckets.
    Histogram,
    /// Quantiles that the source computed.
    Summary,
}

/// A family's description: one `static` or `const` beside the collector that fills it.
///
/// `labels` names the family's own labels in the order in which [`Sample::labels`] gives their values;
/// `cluster` and `db` are added when the family is rendered.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Desc {
    /// The full name, with its unit and, for counters, `_total`.
    pub name: &'static str,
    /// Gauge, counter or histogram.
    pub kind: Kind,
    /// One sentence: what it is, its unit, where it is from.
    pub help: &'static str,
    /// The names of the family's own labels.
    pub labels: &'static [&'static str],
}

impl Desc {
    /// A gauge with the given label names.
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Gauge, help, labels }
    }

    /// A counter with the given label names.
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Counter, help, labels }
    }

    /// A histogram with the given label names.
    pub const fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, kind: Kind::Histogram, help, labels }
    }
}

/// A family's description that is made at run time, for what the configuration defines.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct OwnDesc {
    /// As [`Desc::name`].
    pub name: Box<str>,
    /// As [`Desc::kind`].
    pub kind: Kind,
    /// As [`Desc::help`].
    pub help: Box<str>,
    /// As [`Desc::labels`].
    pub labels: Box<[Box<str>]>,
}

/// A family's description, whoever wrote it. A clone copies a pointer.
#[derive(Debug, Clone)]
pub enum FamilyDesc {
    /// One of ours.
    Fixed(&'static Desc),
    /// Of the configuration.
    Own(Arc<OwnDesc>),
}

impl FamilyDesc {
    /// The family's full name.
    pub fn name(&self) -> &str {
        match self {
            Self::Fixed(desc) => desc.name,
            Self::Own(desc) => &desc.name,
        }
    }

    /// What it measures.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Fixed(desc) => desc.kind,
            Self::Own(desc) => desc.kind,
        }
    }

    /// What it is, in words.
    pub fn help(&self) -> &str {
        match self {
            Self::Fixed(desc) => desc.help,
            Self::Own(desc) => &desc.help,
        }
    }

    /// The names of its own labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let (fixed, own): (&[&str], &[Box<str>]) = match self {
            Self::Fixed(desc) => (desc.labels, &[]),
            Self::Own(desc) => (&[], &desc.labels),
        };
        fixed.iter().copied().chain(own.iter().map(AsRef::as_ref))
    }

    /// Whether both are one and the same description, without looking at what it says.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => std::ptr::eq(*a, *b),
            (Self::Own(a), Self::Own(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl PartialEq for FamilyDesc {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
            || (self.name() == other.name()
                && self.kind() == other.kind()
                && self.help() == other.help()
                && self.labels().eq(other.labels()))
    }
}

impl Eq for FamilyDesc {}

impl From<&'static Desc> for FamilyDesc {
    fn from(desc: &'static Desc) -> Self {
        Self::Fixed(desc)
    }
}

impl From<Arc<OwnDesc>> for FamilyDesc {
    fn from(desc: Arc<OwnDesc>) -> Self {
        Self::Own(desc)
    }
}

/// Observations in buckets; `counts[i]` counts what fell at or below `bounds[i]` and above the bound
/// before it, the last entry what was above all bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, rising, without +Inf.
    pub bounds: Cow<'static, [f64]>,
    /// One count per bound and one more for +Inf; not cumulative.
    pub counts: Vec<u64>,
    /// The sum of all observations, if it is known.
    pub sum: Option<f64>,
}

impl Histogram {
    /// An empty histogram.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds: Cow::Borrowed(bounds), counts: vec![0; bounds.len() + 1], sum: Some(0.0) }
    }

    /// Counts one observation; NaN is ignored.
    pub fn observe(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let slot = self.bounds.iter().position(|b| value <= *b).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
        }
        self.sum = self.sum.map(|sum| sum + value);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Quantiles that the source computed over its observations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Quantile (0 to 1) and value, by rising quantile.
    pub quantiles: Box<[(f64, f64)]>,
    /// The sum of all observations, if it is known.
    pub sum: Option<f64>,
    /// How many observations there were, if it is known.
    pub count: Option<u64>,
}

/// A sample's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A gauge's or counter's value.
    Number(f64),
    /// A histogram's buckets.
    Histogram(Arc<Histogram>),
    /// A summary's quantiles.
    Summary(Arc<Summary>),
}

impl Value {
    /// How many lines of a page (series, to Prometheus) it takes.
    pub fn series(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Histogram(h) => h.counts.len() + 1 + usize::from(h.sum.is_some()),
            Self::Summary(s) => {
                s.quantiles.len() + usize::from(s.sum.is_some()) + usize::from(s.count.is_some())
            }
        }
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Number(v)
    }
}

/// One series' value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Values of the family's labels, in the order of [`Desc::labels`].
    pub labels: Box<[Box<str>]>,
    /// The value.
    pub value: Value,
}

/// A family's samples of one round.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// What it is.
    pub desc: FamilyDesc,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// Families of one source that is no database, with labels that all of its samples get.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Names and values; none of the families has a label of such a name.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// The families.
    pub families: Vec<Family>,
}

/// Sources that are no databases: services, clusters. Whoever renders a page asks for what there is now.
pub trait Groups: Send + Sync {
    /// The latest of each source.
    fn groups(&self) -> Vec<Arc<Group>>;

    /// Rises whenever the set of sources changes: a page that was made before is out of date.
    fn layout(&self) -> u64;

    /// Told of whatever is new.
    fn version(&self) -> u64;
}

/// Collects samples into families while a collector maps its rows.
///
/// Families appear in the order of their first sample; [`Families::push`] keeps them apart by name.
#[derive(Debug, Default)]
pub struct Families(Vec<Family>);

impl Families {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample; `labels` are the values of `desc.labels` in their order.
    ///
    /// NaN is not a figure that anybody can act on: it is left out.
    pub fn push(&mut self, desc: &'static Desc, labels: &[&str], value: f64) {
        if value.is_nan() {
            return;
        }
        self.push_value(desc, labels, Value::Number(value));
    }

    /// Adds a sample if there is a value: unknown is absent.
    pub fn push_opt(&mut self, desc: &'static Desc, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.push(desc, labels, value);
        }
    }

    /// Adds a sample of any kind of value.
    pub fn push_value(&mut self, desc: impl Into<FamilyDesc>, labels: &[&str], value: Value) {
        let desc = desc.into();
        debug_assert_eq!(labels.len(), desc.labels().count(), "{}: one value per label", desc.name());
        self.push_sample(desc, Sample { labels: labels.iter().map(|l| Box::from(*l)).collect(), value });
    }

    /// Adds a sample that is ready.
    pub fn push_sample(&mut self, desc: FamilyDesc, sample: Sample) {
        match self.0.iter_mut().find(|f| f.desc.is(&desc) || f.desc.name() == desc.name()) {
            Some(family) => family.samples.push(sample),
            None => self.0.push(Family { desc, samples: vec![sample] }),
        }
    }

    /// Whether there is a sample of the family of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|family| family.desc.name() == name)
    }

    /// The families.
    pub fn into_vec(self) -> Vec<Family> {
        self.0
    }
}

/// Adds up the samples of a family list (histograms count as one).
pub fn sample_count(families: &[Family]) -> usize {
    families.iter().map(|f| f.samples.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Desc = Desc::gauge("a", "A.", &["x"]);

    #[test]
    fn samples_of_one_family_stay_together_and_nan_is_absent() {
        let mut f = Families::new();
        f.push(&A, &["1"], 1.0);
        f.push(&A, &["2"], f64::NAN);
        f.push_opt(&A, &["3"], None);
        f.push(&A, &["4"], 4.0);
        let f = f.into_vec();
        assert_eq!(f.len(), 1);
        assert_eq!(sample_count(&f), 2);
    }

    #[test]
    fn a_histogram_counts_at_its_bounds() {
        let mut h = Histogram::new(&[0.1, 1.0]);
        for v in [0.05, 0.1, 0.5, 2.0, f64::NAN] {
            h.observe(v);
        }
        assert_eq!(h.counts, [2, 1, 1]);
        assert_eq!((h.count(), h.sum), (4, Some(2.65)));
    }

    #[test]
    fn descriptions_are_the_same_if_they_say_the_same() {
        let own = |help: &str| {
            let labels = Box::from([Box::from("x")]);
            FamilyDesc::from(Arc::new(OwnDesc {
                name: "a".into(),
                kind: Kind::Gauge,
                help: help.into(),
                labels,
            }))
        };
        assert_eq!(FamilyDesc::from(&A), own("A."));
        assert_ne!(FamilyDesc::from(&A), own("B."));
        let mut f = Families::new();
        f.push_value(own("A."), &["1"], 1.0.into());
        f.push(&A, &["2"], 2.0);
        assert_eq!(f.into_vec().len(), 1);
    }
}
