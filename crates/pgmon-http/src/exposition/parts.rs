//! Families put together from several sources: one head each, each series once.

use pgmon_core::label;
use pgmon_core::metric::{Family, FamilyDesc, Sample};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Labels that come before a sample's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Before<'a> {
    /// None.
    Nothing,
    /// Of an entry.
    Entry([(&'a str, &'a str); 2]),
    /// Of a database that is visited from an entry.
    Visited([(&'a str, &'a str); 3]),
    /// Of a source that is no database.
    Group(&'a [(&'a str, &'a str)]),
}

impl<'a> AsRef<[(&'a str, &'a str)]> for Before<'a> {
    fn as_ref(&self) -> &[(&'a str, &'a str)] {
        match self {
            Self::Nothing => &[],
            Self::Entry(labels) => labels,
            Self::Visited(labels) => labels,
            Self::Group(labels) => labels,
        }
    }
}

/// A family's samples of one source, with the labels that come before.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// The place of its view: parts of different views share no series.
    view: usize,
    before: Before<'a>,
    samples: &'a [Sample],
    /// Of which of the samples' labels PostgreSQL's own databases are left out.
    datname: Option<usize>,
}

impl<'a> Part<'a> {
    fn shown(&self) -> impl Iterator<Item = &'a Sample> + use<'a> {
        let datname = self.datname;
        let hidden = move |s: &&Sample| {
            datname.and_then(|place| s.labels.get(place)).is_some_and(|name| label::is_postgres_default(name))
        };
        self.samples.iter().filter(move |s| !hidden(s))
    }
}

/// A family with its parts, and when the newest of these was read (monotonic time).
pub(super) struct Whole<'a> {
    pub(super) desc: &'a FamilyDesc,
    pub(super) parts: Vec<Part<'a>>,
    at: Duration,
}

/// Families by name.
#[derive(Default)]
pub(super) struct Parts<'a>(pub(super) BTreeMap<&'a str, Whole<'a>>);

impl<'a> Parts<'a> {
    pub(super) fn add(
        &mut self,
        view: usize,
        before: Before<'a>,
        families: impl IntoIterator<Item = &'a Family>,
        hide: bool,
        at: Duration,
    ) {
        for family in families {
            // What the configuration's own queries return is as it was asked for.
            let hides = hide && matches!(family.desc, FamilyDesc::Fixed(_));
            let datname = if hides { family.desc.labels().position(|l| l == "datname") } else { None };
            let desc = &family.desc;
            let whole = self.0.entry(desc.name()).or_insert_with(|| Whole { desc, parts: Vec::new(), at });
            // A query was given another type or other labels, and not all databases have run it since.
            if !alike(whole.desc, desc) {
                if at <= whole.at {
                    continue;
                }
                *whole = Whole { desc, parts: Vec::new(), at };
            }
            whole.at = whole.at.max(at);
            whole.parts.push(Part { view, before, samples: &family.samples, datname });
        }
    }
}

/// Whether the samples of two families of one name can stand together.
fn alike(a: &FamilyDesc, b: &FamilyDesc) -> bool {
    match (a, b) {
        (FamilyDesc::Fixed(a), FamilyDesc::Fixed(b)) if std::ptr::eq(*a, *b) => true,
        _ => a.kind() == b.kind() && a.labels().eq(b.labels()),
    }
}

/// A family's samples, each series once: Prometheus refuses the whole page for one that is there twice.
/// The parts of a view follow each other.
pub(super) fn once<'a, 'p>(parts: &'p [Part<'a>]) -> impl Iterator<Item = (Before<'a>, &'a Sample)> + 'p {
    parts.chunk_by(|a, b| a.view == b.view).flat_map(|of_view| {
        // Samples in the order of their labels need no set; most are.
        let sorted = |p: &Part| p.samples.is_sorted_by(|a, b| a.labels < b.labels);
        let certain = matches!(of_view, [only] if sorted(only));
        let mut seen = HashSet::new();
        let samples = of_view.iter().flat_map(|p| p.shown().map(move |s| (p.before, s)));
        samples.filter(move |(before, s)| certain || seen.insert((*before, &s.labels)))
    })
}
