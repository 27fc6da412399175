//! What series did.

use crate::generic::kind_name;
use jiff::Timestamp;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_core::history::{Answer, Curve, Name, Point};
use pgmon_core::metric::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// `history/{metric}`: series of one metric.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct History {
    /// Its name.
    pub metric: String,
    /// `gauge` or `counter`; absent if there is no series.
    pub kind: Option<&'static str>,
    /// What it measures, if pgmon knows.
    pub help: Option<String>,
    /// Whether the values are rates per second of a counter.
    pub rate: bool,
    /// The first moment that was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// The last moment that was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub to: Timestamp,
    /// How far points are apart, seconds.
    pub step_seconds: f64,
    /// The times of all series, rising, Unix time in seconds: the end of each step.
    pub unix_seconds: Vec<f64>,
    /// The series, in the order of their labels.
    pub series: Vec<Series>,
    /// Series left out because there are more than were asked for.
    pub left_out: usize,
}

/// A series. Its lists are as long as [`History::unix_seconds`]; `null` where it is not known: a gap.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Series {
    /// Its labels besides `cluster` and `db`.
    pub labels: BTreeMap<String, String>,
    /// The least value in each step.
    pub min: Vec<Option<f64>>,
    /// The greatest.
    pub max: Vec<Option<f64>>,
    /// The mean.
    pub mean: Vec<Option<f64>>,
    /// When the last of the values was read, Unix time in seconds: it is drawn on until the next one is.
    pub last_unix_seconds: Option<f64>,
}

/// `history`: what series there are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryMetrics {
    /// By name.
    pub metrics: Vec<HistoryMetric>,
}

/// A metric of which there is a past.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryMetric {
    /// Its name, for `history/{metric}`; of a histogram that of one of its parts.
    pub metric: String,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// What it measures, if pgmon knows.
    pub help: Option<String>,
    /// The labels that its series are told apart by, besides `cluster` and `db`.
    pub labels: Vec<String>,
    /// How many series it has.
    pub series: usize,
}

impl HistoryMetrics {
    /// From what the history holds.
    pub fn new(names: Vec<Name>) -> Self {
        let metric = |name: Name| HistoryMetric {
            kind: kind_name(name.kind),
            help: help(&name.name),
            metric: name.name,
            labels: name.labels,
            series: name.series,
        };
        Self { metrics: names.into_iter().map(metric).collect() }
    }
}

/// What the help of a collector's family says.
fn help(metric: &str) -> Option<String> {
    let mut descs = ALL.iter().flat_map(|r| r.spec.families);
    descs.find(|d| d.name == metric).map(|d| d.help.to_owned())
}

/// The time that was asked for, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The first moment.
    pub from: i64,
    /// The last moment.
    pub to: i64,
    /// How far points are apart.
    pub step: i64,
    /// How many there are.
    pub points: usize,
}

impl Window {
    /// The step that a moment falls into; the one before the first is `None`.
    fn place(self, at: i64) -> Option<usize> {
        usize::try_from(at.checked_sub(self.from)?.div_euclid(self.step.max(1))).ok()
    }

    fn end(self, place: usize) -> i64 {
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        self.from.saturating_add(place.saturating_add(1).saturating_mul(self.step)).min(self.to)
    }
}

impl History {
    /// From what the history holds; `found` begins a step before the window, for the first rate.
    pub fn new(metric: &str, window: Window, found: Answer, rate: Option<bool>) -> Self {
        let kind = found.curves.first().map(|c| c.kind);
        // The parts of a histogram count.
        let counts = matches!(kind, Some(Kind::Counter | Kind::Histogram));
        let rate = rate.unwrap_or(counts) && counts;
        let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
        Self {
            metric: metric.to_owned(),
            kind: kind.map(kind_name),
            help: help(metric),
            rate,
            from: time(window.from),
            to: time(window.to),
            step_seconds: window.step as f64 / 1000.0,
            unix_seconds: (0..window.points).map(|i| window.end(i) as f64 / 1000.0).collect(),
            series: found.curves.into_iter().map(|curve| series(curve, window, rate)).collect(),
            left_out: found.left_out,
        }
    }
}

/// What is known of a step.
type Step = Option<(f64, f64, f64)>;

fn series(curve: Curve, window: Window, rate: bool) -> Series {
    let labels = curve.labels.into_iter().collect();
    let last_unix_seconds = curve.points.last().map(|point| point.at as f64 / 1000.0);
    let steps =
        if rate { rates(&curve.points, window) } else { values(&curve.points, window, curve.ends_in_gap) };
    Series {
        labels,
        min: steps.iter().map(|s| s.map(|(min, ..)| min)).collect(),
        max: steps.iter().map(|s| s.map(|(_, max, _)| max)).collect(),
        mean: steps.iter().map(|s| s.map(|(.., mean)| mean)).collect(),
        last_unix_seconds,
    }
}

/// A value holds until the next one, unless there is a gap before that.
fn values(points: &[Point], window: Window, ends_in_gap: bool) -> Vec<Step> {
    let mut steps = vec![None; window.points];
    for (i, point) in points.iter().enumerate() {
        let of_point = Some((point.min, point.max, point.mean));
        let held = Some((point.mean, point.mean, point.mean));
        let next = points.get(i + 1);
        let until = match next {
            Some(next) if next.after_gap => None,
            Some(next) => window.place(next.at),
            None if ends_in_gap => None,
            None => Some(window.points),
        };
        let first = match window.place(point.at) {
            Some(place) => {
                set(&mut steps, place, of_point);
                place + 1
            }
            None => 0,
        };
        for place in first..until.unwrap_or(first) {
            set(&mut steps, place, held);
        }
    }
    steps
}

/// A counter's growth over the time since the point before it; unknown where it fell, or after a gap.
fn rates(points: &[Point], window: Window) -> Vec<Step> {
    let mut steps = vec![None; window.points];
    for (before, point) in points.iter().zip(points.iter().skip(1)) {
        let (Some(rate), Some(last)) = (point.rate, window.place(point.at)) else { continue };
        let first = window.place(before.at).map_or(0, |place| place + 1);
        for place in first.min(last)..=last {
            set(&mut steps, place, Some((rate, rate, rate)));
        }
    }
    steps
}

fn set(steps: &mut [Step], place: usize, value: Step) {
    if let Some(step) = steps.get_mut(place) {
        *step = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, value: f64, after_gap: bool) -> Point {
        Point { at, min: value - 1.0, max: value, mean: value, count: 1, rate: None, after_gap }
    }

    fn made(
        kind: Kind,
        points: Vec<Point>,
        ends_in_gap: bool,
        rate: Option<bool>,
    ) -> (bool, Vec<Option<f64>>) {
        let labels = vec![("relation".to_owned(), "public.a".to_owned())];
        let found = Answer { curves: vec![Curve { kind, labels, points, ends_in_gap }], left_out: 0 };
        let window = Window { from: 1000, to: 6999, step: 1000, points: 6 };
        let history = History::new("pg_tps", window, found, rate);
        assert_eq!(history.unix_seconds, [2.0, 3.0, 4.0, 5.0, 6.0, 6.999]);
        (history.rate, history.series.into_iter().next().unwrap().mean)
    }

    #[test]
    fn a_value_holds_until_the_next_and_a_gap_is_a_gap() {
        let points = vec![point(500, 9.0, false), point(2500, 1.0, false), point(5500, 2.0, true)];
        let known = made(Kind::Gauge, points, false, None);
        assert_eq!(known, (false, vec![Some(9.0), Some(1.0), None, None, Some(2.0), Some(2.0)]));
        let ends = made(Kind::Gauge, vec![point(2500, 1.0, false)], true, None);
        assert_eq!(ends.1, [None, Some(1.0), None, None, None, None]);
    }

    #[test]
    fn a_value_that_is_drawn_on_says_when_it_was_read() {
        let curve = Curve {
            kind: Kind::Gauge,
            labels: Vec::new(),
            points: vec![point(2500, 1.0, false)],
            ends_in_gap: false,
        };
        let window = Window { from: 1000, to: 6999, step: 1000, points: 6 };
        let history = History::new("pg_tps", window, Answer { curves: vec![curve], left_out: 0 }, None);
        assert_eq!((history.series[0].mean[5], history.series[0].last_unix_seconds), (Some(1.0), Some(2.5)));
    }

    #[test]
    fn counters_are_rates_and_a_reset_is_unknown() {
        let rated = |at, value, rate, after_gap| Point { rate, ..point(at, value, after_gap) };
        let points = vec![
            point(500, 10.0, false),
            rated(2500, 14.0, Some(2.0), false),
            rated(3500, 3.0, None, false),
            rated(4500, 8.0, Some(5.0), false),
            rated(6500, 9.0, None, true),
        ];
        let (rate, known) = made(Kind::Counter, points.clone(), false, None);
        assert_eq!((rate, known), (true, vec![Some(2.0), Some(2.0), None, Some(5.0), None, None]));
        let (rate, values) = made(Kind::Counter, points, false, Some(false));
        assert_eq!((rate, values[1]), (false, Some(14.0)));
        assert!(!made(Kind::Gauge, Vec::new(), false, Some(true)).0, "a gauge has no rate");
    }
}
