//! A week of a database that was watched for minutes.
//!
//! The series are those that a real agent kept of a real server, with their names, labels and values. Each goes on as
//! it did: a counter grows by one of the steps that it made, stretched to the interval of its loop, less by night than
//! by day; a gauge takes one of the values that it had; what stood still stands still.

use crate::kept::{Head, Piece};
use anyhow::{Context as _, Result};
use fastrand::Rng;
use pgmon_core::history::{History, Id, Query, Round, Source, Stats, Tier};
use pgmon_core::metric::{Desc, Families, Kind};
use std::collections::HashMap;
use std::path::Path;

const HOUR: i64 = 3_600_000;
const TIERS: [Tier; 2] =
    [Tier { step: 60_000, keep: 24 * HOUR }, Tier { step: 600_000, keep: 7 * 24 * HOUR }];

/// The intervals of the loops: pgmon's own, in milliseconds.
const LOOPS: [i64; 4] = [15_000, 60_000, 600_000, HOUR];

/// The intervals in seconds at which an agent is to be recorded, so that each loop has several rounds in minutes.
pub const RECORDED: [u64; 4] = [2, 6, 15, 30];

/// Labels whose values are names of single objects.
const OBJECTS: [&str; 4] = ["relation", "index", "queryid", "sequence"];

/// What an agent kept.
#[derive(Debug)]
pub struct Recording {
    id: Id,
    sources: Vec<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    head: Head,
    interval: i64,
    /// How much longer that is than what was recorded.
    stretch: f64,
    names: Vec<(&'static Desc, Vec<Series>)>,
}

#[derive(Debug)]
struct Series {
    labels: Vec<String>,
    /// Values of a gauge; of a counter what it grew by.
    seen: Vec<f64>,
    whole: bool,
    now: f64,
    /// When it had a value for the last time.
    last: i64,
}

/// How a week goes by.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// What the history may take.
    pub max_bytes: usize,
    /// How long it is.
    pub days: u32,
    /// After how many hours, on average, a table, an index or a statement on the page has been followed by another one.
    pub lifetime_hours: f64,
}

impl Recording {
    /// Reads what an agent with loops of [`RECORDED`] left in its `history.path`; of the first database in it.
    pub fn read(directory: &Path) -> Result<Self> {
        let pieces = Piece::read(directory)?;
        let id = pieces.first().context("the history is empty")?.id.clone();
        let mut sources: Vec<Recorded> = Vec::new();
        for piece in pieces.iter().filter(|p| p.id == id) {
            let head = piece.head()?;
            let mut alone = History::new(1 << 30, 1 << 50);
            alone.import(&piece.bytes(&id), 0, 1 << 54, |_| true)?;
            let (spacing, names) = names(&alone, &id, head.datname.is_some());
            if let Some(known) = sources.iter_mut().find(|s| s.head == head) {
                known.names.extend(names);
                continue;
            }
            let (interval, stretch) = of_loop(spacing);
            sources.push(Recorded { head, interval, stretch, names });
        }
        Ok(Self { id, sources })
    }

    /// How many series there are, and how many of them changed while they were recorded.
    pub fn series(&self) -> (usize, usize) {
        let all =
            || self.sources.iter().flat_map(|s| &s.names).flat_map(|(desc, s)| s.iter().map(|s| (*desc, s)));
        (all().count(), all().filter(|(desc, s)| s.changes(desc.kind)).count())
    }

    /// Lives through a course that ends at a Unix time in milliseconds.
    pub fn live(&mut self, course: Course, until: i64) -> Result<(Vec<Piece>, Stats)> {
        let mut history = History::new(course.max_bytes, HOUR).with_tiers(TIERS);
        let mut rng = Rng::with_seed(7);
        let mut generations = HashMap::new();
        let [tick, ..] = LOOPS;
        let start = until - i64::from(course.days) * 24 * HOUR;
        for step in 0..=(until - start) / tick {
            let at = start + step * tick;
            for source in &mut self.sources {
                if step % (source.interval / tick) != 0 {
                    continue;
                }
                let families = source.round(&mut rng, at, &course, &mut generations);
                let Head { collector, datname, server_wide } = &source.head;
                let (datname, server_wide) = (datname.as_deref(), *server_wide);
                let round = Round {
                    source: Source { collector, datname, server_wide },
                    // Rounds are never quite so far apart as they should be.
                    at: at - rng.i64(0..400),
                    interval: source.interval,
                    families: &families.into_vec(),
                };
                history.record(&self.id, round)?;
            }
            if at % 60_000 < tick {
                history.expire(at);
            }
        }
        Ok((Piece::of(&history)?, history.stats()))
    }
}

impl Recorded {
    fn round(
        &mut self,
        rng: &mut Rng,
        at: i64,
        course: &Course,
        generations: &mut HashMap<String, u32>,
    ) -> Families {
        let hours = self.interval as f64 / HOUR as f64;
        let mut renewed = HashMap::new();
        let mut families = Families::new();
        // From a quarter of the load by night to one and three quarters by day.
        let day = (at.rem_euclid(24 * HOUR)) as f64 / (24 * HOUR) as f64;
        let load = 1.0 + 0.75 * (day * std::f64::consts::TAU).sin();
        for (desc, all) in &mut self.names {
            let object = desc.labels.iter().position(|l| OBJECTS.contains(l));
            for series in all {
                let value = series.next(desc.kind, rng, self.stretch * load);
                let mut labels: Vec<&str> = series.labels.iter().map(String::as_str).collect();
                let (mut successor, mut restarts) = (None, false);
                if let Some(name) = object.and_then(|place| labels.get(place)) {
                    let is_new = *renewed.entry((*name).to_owned()).or_insert_with(|| {
                        let is_new = rng.f64() < hours / course.lifetime_hours;
                        *generations.entry((*name).to_owned()).or_insert(0) += u32::from(is_new);
                        is_new
                    });
                    restarts = is_new;
                    let generation = generations.get(*name).copied().unwrap_or_default();
                    successor = (generation > 0).then(|| successor_of(name, generation));
                }
                if let (Some(successor), Some(label)) = (&successor, object.and_then(|o| labels.get_mut(o))) {
                    *label = successor;
                }
                families.push(desc, &labels, value);
                if restarts {
                    series.now = 0.0;
                }
            }
        }
        families
    }
}

impl Series {
    fn changes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Counter => self.seen.iter().any(|step| *step != 0.0),
            _ => self.seen.windows(2).any(|pair| matches!(pair, [a, b] if a != b)),
        }
    }

    fn next(&mut self, kind: Kind, rng: &mut Rng, stretch: f64) -> f64 {
        let one = rng.choice(&self.seen).copied().unwrap_or_default();
        if kind == Kind::Counter {
            let step = one * stretch * (0.5 + rng.f64());
            self.now += if self.whole { step.round() } else { step };
            return self.now;
        }
        let wanders = !self.whole && self.changes(kind);
        self.now = if wanders { one * (0.95 + rng.f64() / 10.0) } else { one };
        self.now
    }
}

/// Another object's name, as long as that of the one before it.
fn successor_of(name: &str, generation: u32) -> String {
    let digits = format!("{generation}");
    let keep = name.len().saturating_sub(digits.len());
    format!("{}{digits}", name.get(..keep).unwrap_or(name))
}

/// The interval of the loop that was recorded with this spacing of rounds, and how much longer it is.
fn of_loop(spacing: f64) -> (i64, f64) {
    let seconds = spacing / 1000.0;
    let far = |recorded: u64| (seconds / recorded as f64).ln().abs();
    let both = RECORDED.into_iter().zip(LOOPS);
    let nearest = both.min_by(|(a, _), (b, _)| far(*a).total_cmp(&far(*b)));
    let (recorded, interval) = nearest.unwrap_or((2, 15_000));
    (interval, interval as f64 / (recorded as f64 * 1000.0))
}

/// Rounds' spacing in milliseconds, and all series.
fn names(history: &History, id: &Id, of_another: bool) -> (f64, Vec<(&'static Desc, Vec<Series>)>) {
    let (mut names, mut spacing, mut end) = (Vec::new(), f64::MAX, i64::MIN);
    for name in history.names(id, &[]) {
        let query = Query {
            name: &name.name,
            matchers: &[],
            from: 0,
            to: 1 << 53,
            points: 1 << 53,
            series: usize::MAX,
        };
        let mut desc = None;
        let mut series = Vec::new();
        for curve in history.range(id, &[], &query).curves {
            // The history itself adds this one in front.
            let labels = || curve.labels.iter().skip(usize::from(of_another));
            let desc: &'static Desc = desc.get_or_insert_with(|| {
                let labels = labels().map(|(name, _)| leak(name)).collect::<Vec<_>>();
                let labels = Box::leak(labels.into_boxed_slice());
                let (name, kind) = (leak(&name.name), curve.kind);
                &*Box::leak(Box::new(Desc { name, kind, help: "", labels }))
            });
            let last = curve.points.last().map_or(i64::MIN, |p| p.at);
            end = end.max(last);
            let values: Vec<f64> = curve.points.iter().map(|p| p.mean).collect();
            if let (Some(first), Some(last)) = (curve.points.first(), curve.points.last())
                && values.len() > 1
            {
                spacing = spacing.min((last.at - first.at) as f64 / (values.len() - 1) as f64);
            }
            let whole = values.iter().all(|v| v.fract() == 0.0);
            let now = values.last().copied().unwrap_or_default();
            let seen = if desc.kind == Kind::Counter {
                let step = |pair: &[f64]| if let [a, b] = pair { (b - a).max(0.0) } else { 0.0 };
                let steps = values.windows(2).map(step);
                // One reading says nothing of steps: it stands still.
                steps.chain((values.len() < 2).then_some(0.0)).collect()
            } else {
                values
            };
            let labels = labels().map(|(_, value)| value.clone()).collect();
            series.push(Series { labels, seen, whole, now, last });
        }
        names.extend(desc.map(|desc| (desc, series)));
    }
    // What had left the page by then is not there.
    names.iter_mut().for_each(|(_, series): &mut (_, Vec<Series>)| series.retain(|s| s.last == end));
    (spacing, names)
}

/// A bench may keep names for ever: descriptions are constants in pgmon.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
