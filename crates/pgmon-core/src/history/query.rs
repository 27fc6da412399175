//! Reading: which series, and in how many points.

use super::block::{Event, Reading};
use super::database::Database;
use super::group::Group;
use super::symbols::{Symbol, Symbols};
use crate::metric::Kind;
use std::collections::BTreeMap;

/// A label that a series must or must not have. A label that a series lacks counts as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matcher<'q> {
    /// The label has this value.
    Is(&'q str, &'q str),
    /// It has not.
    IsNot(&'q str, &'q str),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'q> {
    /// The name as on the page: of a histogram its `_sum`, `_count` or `_bucket`.
    pub name: &'q str,
    /// All must hold.
    pub matchers: &'q [Matcher<'q>],
    /// The first millisecond.
    pub from: i64,
    /// The last millisecond.
    pub to: i64,
    /// At most so many points a series.
    pub points: usize,
    /// At most so many series, the first ones by their labels.
    pub series: usize,
}

/// What there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The series in the order of their labels; those without a value in the time that was asked for are
    /// left out.
    pub curves: Vec<Curve>,
    /// Series that were left out because there are more than were asked for.
    pub left_out: usize,
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it measures: the points of a counter are its readings, not its rate.
    pub kind: Kind,
    /// Its labels without `cluster` and `db`, in the order of the page.
    pub labels: Vec<(String, String)>,
    /// Rising in time.
    pub points: Vec<Point>,
    /// Whether nothing is known after the last point.
    pub ends_in_gap: bool,
}

/// What a series did in one part of the time that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The time of the last of its values, in milliseconds.
    pub at: i64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The mean of the values.
    pub mean: f64,
    /// How many values there were; of older ones, how many steps of a tier.
    pub count: u32,
    /// Of a counter: how much it grew a second, from the point before to this one. `None` if that is not known:
    /// at the first point, after a gap, and where it went down because it was set to zero.
    pub rate: Option<f64>,
    /// Whether, since the point before, there was a time in which the series is not known.
    pub after_gap: bool,
}

/// A series in one of the groups that have it.
struct Found<'d> {
    group: &'d Group,
    place: u32,
}

pub(super) fn answer<'d>(
    symbols: &'d Symbols,
    databases: impl Iterator<Item = (&'d Database, bool)>,
    query: &Query<'_>,
) -> Answer {
    let mut found = BTreeMap::<Vec<(&str, &str)>, (Kind, Vec<Found<'d>>)>::new();
    if let Some(name) = symbols.find(query.name) {
        for (database, own) in databases {
            for kept in database.groups().iter().filter(|k| own || k.is_server_wide()) {
                let datname = kept.datname().map(|d| ("datname", symbols.text(d)));
                let label = |(n, v): (&Symbol, &Symbol)| (symbols.text(*n), symbols.text(*v));
                let wanted = kept.group.select(move |metric, _| metric.name == name);
                for (place, metric, values) in wanted {
                    let labels: Vec<_> =
                        datname.into_iter().chain(metric.labels.iter().zip(values).map(label)).collect();
                    if query.matchers.iter().all(|m| m.holds(&labels)) {
                        let (_, places) = found.entry(labels).or_insert((metric.kind, Vec::new()));
                        places.push(Found { group: &kept.group, place });
                    }
                }
            }
        }
    }
    let left_out = found.len().saturating_sub(query.series);
    let found: Vec<_> = found.into_iter().take(query.series).collect();
    let events = read(&found, query);
    let mut curves = Vec::with_capacity(found.len());
    for ((labels, (kind, _)), parts) in found.into_iter().zip(events) {
        let (points, ends_in_gap) = Sampler::new(query, kind).sample(join(parts));
        if !points.is_empty() {
            let labels = labels.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            curves.push(Curve { kind, labels, points, ends_in_gap });
        }
    }
    Answer { curves, left_out }
}

/// A series by its labels, with what it measures and where it is.
type Series<'h> = (Vec<(&'h str, &'h str)>, (Kind, Vec<Found<'h>>));

/// The events of each series, one list for each group that has it. A group is read once for all of its
/// series.
fn read(found: &[Series<'_>], query: &Query<'_>) -> Vec<Vec<Vec<Event>>> {
    let mut out: Vec<Vec<Vec<Event>>> = found.iter().map(|_| Vec::new()).collect();
    let mut wanted: Vec<(&Group, Vec<(u32, usize)>)> = Vec::new();
    for (curve, (_, (_, places))) in found.iter().enumerate() {
        for f in places {
            match wanted.iter_mut().find(|(group, _)| std::ptr::eq(*group, f.group)) {
                Some((_, places)) => places.push((f.place, curve)),
                None => wanted.push((f.group, vec![(f.place, curve)])),
            }
        }
    }
    for (group, mut places) in wanted {
        places.sort_unstable();
        let only: Vec<u32> = places.iter().map(|(place, _)| *place).collect();
        for ((_, curve), events) in places.into_iter().zip(group.read(&only, query.from, query.to)) {
            if let Some(parts) = out.get_mut(curve) {
                parts.push(events);
            }
        }
    }
    out
}

/// Events of one series in several groups as one list: it is known while one of them knows it.
fn join(mut parts: Vec<Vec<Event>>) -> Vec<Event> {
    if parts.len() < 2 {
        return parts.pop().unwrap_or_default();
    }
    let mut all: Vec<(i64, usize, Option<Reading>)> = Vec::new();
    for (part, events) in parts.iter().enumerate() {
        all.extend(events.iter().map(|(at, value)| (*at, part, *value)));
    }
    all.sort_by_key(|(at, part, _)| (*at, *part));
    let mut known = vec![false; parts.len()];
    all.retain(|(_, part, value)| {
        if let Some(known) = known.get_mut(*part) {
            *known = value.is_some();
        }
        value.is_some() || !known.contains(&true)
    });
    all.into_iter().map(|(at, _, value)| (at, value)).collect()
}

/// Makes points of events.
struct Sampler {
    from: i64,
    width: i64,
    points: Vec<Point>,
    sum: f64,
    part: i64,
    is_counter: bool,
    /// The counter's last reading, if it is known until now.
    last: Option<(i64, f64)>,
    /// What the counter grew by in this point, and in how many milliseconds.
    growth: (f64, i64),
}

impl Sampler {
    fn new(query: &Query<'_>, kind: Kind) -> Self {
        let points = i64::try_from(query.points.max(1)).unwrap_or(i64::MAX);
        let span = query.to.saturating_sub(query.from).saturating_add(1).max(1);
        let width = span / points + i64::from(span % points != 0);
        Self {
            from: query.from,
            width,
            points: Vec::new(),
            sum: 0.0,
            part: -1,
            is_counter: kind == Kind::Counter,
            last: None,
            growth: (0.0, 0),
        }
    }

    fn sample(mut self, events: Vec<Event>) -> (Vec<Point>, bool) {
        let mut gap = false;
        for (at, value) in events {
            match value {
                Some(value) => {
                    self.add(at, value, gap);
                    gap = false;
                }
                None => {
                    gap = true;
                    self.last = None;
                }
            }
        }
        (self.points, gap)
    }

    fn add(&mut self, at: i64, value: Reading, after_gap: bool) {
        let part = at.saturating_sub(self.from) / self.width;
        let Reading { min, max, mean } = value;
        let first = self.points.is_empty();
        if first || part != self.part {
            (self.part, self.sum, self.growth) = (part, 0.0, (0.0, 0));
            let after_gap = after_gap && !first;
            self.points.push(Point { at, min, max, mean, count: 0, rate: None, after_gap });
        }
        self.grow(at, mean);
        self.sum += mean;
        let Some(p) = self.points.last_mut() else { return };
        p.at = at;
        p.count += 1;
        // One value stays what it is, to the bit.
        if p.count > 1 {
            p.min = p.min.min(min);
            p.max = p.max.max(max);
            p.mean = self.sum / f64::from(p.count);
            p.after_gap |= after_gap;
        }
        let (by, ms) = self.growth;
        p.rate = (ms > 0).then(|| by / (ms as f64 / 1000.0));
    }

    /// Counts what a counter grew by since its last reading.
    fn grow(&mut self, at: i64, value: f64) {
        if !self.is_counter {
            return;
        }
        if let Some((then, before)) = self.last.replace((at, value))
            && value >= before
        {
            self.growth.0 += value - before;
            self.growth.1 += at.saturating_sub(then);
        }
    }
}

impl Matcher<'_> {
    fn holds(&self, labels: &[(&str, &str)]) -> bool {
        let value = |name: &str| labels.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v);
        match self {
            Self::Is(name, wanted) => value(name) == *wanted,
            Self::IsNot(name, unwanted) => value(name) != *unwanted,
        }
    }
}
