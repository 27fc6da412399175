//! Which statements are shown: the first N each by time, calls, reads, WAL and temporary files.

use super::entry::Figures;
use crate::postgres::topn::TopN;
use std::collections::BTreeSet;
use std::time::Duration;

/// After so long, what a statement did counts half. Totals alone would hide for months what has become
/// slow today; the last interval alone would show another list every minute.
const HALF_LIFE: Duration = Duration::from_secs(600);

const KINDS: usize = 5;
type Loads = [f64; KINDS];

fn loads(figures: &Figures) -> Loads {
    let loads = [figures.exec_ms, figures.calls, figures.blks_read, figures.wal_bytes, figures.temp_written];
    loads.map(|l| if l.is_nan() { 0.0 } else { l })
}

/// A statement of this round.
pub struct Candidate {
    pub queryid: i64,
    /// Its totals.
    pub total: Figures,
    /// What it did since the round before; `None` if there was none to compare with.
    pub interval: Option<Figures>,
}

/// The rankings, with what they remember.
pub struct Ranking {
    tops: [TopN<i64>; KINDS],
    /// The recent load of every statement, sorted by query id; `f32`: there may be thousands.
    recent: Vec<(i64, [f32; KINDS])>,
}

impl Ranking {
    /// Rankings of `n` places.
    pub fn new(n: u32) -> Self {
        Self { tops: std::array::from_fn(|_| TopN::new(n)), recent: Vec::new() }
    }

    /// Takes a round's statements, sorted by query id, and tells which are shown.
    ///
    /// `since_last` is the time since the round before. Without one, the recent load is taken to be the
    /// average over `age`, the time in which the totals came about, if that is known.
    pub fn update(
        &mut self,
        candidates: impl Iterator<Item = Candidate>,
        since_last: Duration,
        age: Option<Duration>,
    ) -> BTreeSet<i64> {
        let fade = (-since_last.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        let steady = HALF_LIFE.as_secs_f64() / std::f64::consts::LN_2;
        let seed = age.map_or(0.0, |age| steady / age.as_secs_f64().max(steady));
        let mut recent = Vec::with_capacity(self.recent.len());
        let mut ranked: [Vec<Place>; KINDS] = Default::default();
        for c in candidates {
            let total = loads(&c.total);
            let old = self.recent.binary_search_by_key(&c.queryid, |(id, _)| *id).ok();
            let old = old.and_then(|at| self.recent.get(at)).map(|(_, loads)| loads.map(f64::from));
            let new = match (c.interval, old) {
                (Some(interval), old) => add(loads(&interval), old.unwrap_or_default(), fade),
                (None, Some(old)) => add(Loads::default(), old, fade),
                (None, None) => total.map(|t| t * seed),
            };
            for ((places, recent), total) in ranked.iter_mut().zip(new).zip(total) {
                // Who never wrote WAL has no place among those who wrote the most.
                if total > 0.0 {
                    places.push(Place { recent, total, queryid: c.queryid });
                }
            }
            #[allow(
                clippy::cast_possible_truncation,
                reason = "a ranking needs no more than single precision"
            )]
            recent.push((c.queryid, new.map(|l| l as f32)));
        }
        self.recent = recent;
        let mut shown = BTreeSet::new();
        for (top, mut places) in self.tops.iter_mut().zip(ranked) {
            let window = top.window();
            if window > 0 && places.len() > window {
                places.select_nth_unstable_by(window - 1, Place::order);
                places.truncate(window);
            }
            places.sort_unstable_by(Place::order);
            shown.append(&mut top.keep(places.into_iter().map(|p| p.queryid)));
        }
        shown
    }
}

fn add(interval: Loads, old: Loads, fade: f64) -> Loads {
    let mut sum = interval;
    for (sum, old) in sum.iter_mut().zip(old) {
        *sum += old * fade;
    }
    sum
}

struct Place {
    recent: f64,
    total: f64,
    queryid: i64,
}

impl Place {
    /// The greatest load first; where nothing happened lately, the greatest total.
    fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.recent.total_cmp(&a.recent).then(b.total.total_cmp(&a.total)).then(a.queryid.cmp(&b.queryid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn with(queryid: i64, total_ms: f64, interval_ms: Option<f64>) -> Candidate {
        let of = |exec_ms| Figures { exec_ms, wal_bytes: f64::NAN, ..Figures::default() };
        Candidate { queryid, total: of(total_ms), interval: interval_ms.map(of) }
    }

    #[test]
    fn at_first_totals_count_and_then_what_is_recent() {
        let mut r = Ranking::new(1);
        let round = |r: &mut Ranking, list: Vec<Candidate>| r.update(list.into_iter(), MINUTE, None);
        assert_eq!(round(&mut r, vec![with(1, 9e9, None), with(2, 5.0, None)]), BTreeSet::from([1]));
        // 2 became busy: it is shown at once, and 1 is no longer near.
        assert_eq!(
            round(&mut r, vec![with(1, 9e9, Some(0.0)), with(2, 6.0, Some(1.0)), with(3, 1.0, Some(0.5))]),
            BTreeSet::from([2])
        );
        // It is remembered for a while.
        for _ in 0..5 {
            assert_eq!(
                round(&mut r, vec![with(1, 9e9, Some(0.0)), with(2, 6.0, Some(0.0))]),
                BTreeSet::from([2])
            );
        }
        // Nothing happens at all: the order stays.
        for _ in 0..5000 {
            round(&mut r, vec![with(1, 9e9, Some(0.0)), with(2, 6.0, Some(0.0))]);
        }
        assert_eq!(
            round(&mut r, vec![with(2, 6.0, Some(0.0)), with(4, 7.0, Some(0.1))]),
            BTreeSet::from([4])
        );
    }

    #[test]
    fn a_known_age_makes_totals_comparable_with_what_is_recent() {
        let mut r = Ranking::new(1);
        let day = Duration::from_secs(86_400);
        let list = |a, b| vec![with(1, 864e6, a), with(2, 1000.0, b)].into_iter();
        // 10 ms a ms over a day.
        assert_eq!(r.update(list(None, None), Duration::ZERO, Some(day)), BTreeSet::from([1]));
        // One quiet minute of 1 does not let 2 pass; a minute of a load like that does.
        assert_eq!(r.update(list(Some(0.0), Some(100.0)), MINUTE, Some(day)), BTreeSet::from([1]));
        assert_eq!(r.update(list(Some(0.0), Some(2e7)), MINUTE, Some(day)), BTreeSet::from([2]));
    }

    #[test]
    fn each_kind_has_its_own_places_and_only_for_those_who_did_such_a_thing() {
        let mut r = Ranking::new(1);
        let of = |queryid, total| Candidate { queryid, total, interval: Some(total) };
        let zero = Figures { wal_bytes: f64::NAN, ..Figures::default() };
        let shown = r.update(
            [
                of(1, Figures { exec_ms: 9.0, calls: 1.0, ..zero }),
                of(2, Figures { exec_ms: 1.0, calls: 9.0, ..zero }),
                of(3, Figures { exec_ms: 1.0, calls: 1.0, blks_read: 1.0, ..zero }),
                of(4, Figures { exec_ms: 1.0, calls: 1.0, wal_bytes: 1.0, ..zero }),
                of(5, Figures { exec_ms: 1.0, calls: 1.0, temp_written: 1.0, ..zero }),
                of(6, Figures { exec_ms: 1.0, calls: 1.0, ..zero }),
            ]
            .into_iter(),
            MINUTE,
            None,
        );
        assert_eq!(shown, BTreeSet::from([1, 2, 3, 4, 5]));
    }

    #[test]
    fn thousands_give_a_bounded_list_that_does_not_churn() {
        let mut r = Ranking::new(50);
        let mut random = fastrand::Rng::with_seed(1);
        let mut before = BTreeSet::new();
        let mut changes = 0;
        for round in 0..60 {
            // Loads of a steady mixture, each interval 30 % more or less.
            let list: Vec<_> = (1..=2000)
                .map(|id| with(id, 1.0, Some(1e6 / id as f64 * (0.7 + 0.6 * random.f64()))))
                .collect();
            let shown = r.update(list.into_iter(), MINUTE, None);
            assert!(shown.len() <= 75);
            if round > 10 {
                changes += shown.symmetric_difference(&before).count();
            }
            before = shown;
        }
        assert!(changes <= 10, "{changes} changes in 49 rounds");
    }
}
