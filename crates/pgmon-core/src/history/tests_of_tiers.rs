//! What is older than an hour, and what is kept over a restart.

use super::*;
use crate::metric::{Desc, Families};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const TIERS: [Tier; 2] = [Tier { step: MINUTE, keep: DAY }, Tier { step: 10 * MINUTE, keep: 7 * DAY }];
const GAUGE: Desc = Desc::gauge("pg_backends", "Backends.", &[]);
const COUNTER: Desc = Desc::counter("pg_commits_total", "Commits.", &[]);
const SIZE: Desc = Desc::gauge("pg_relation_size_bytes", "Bytes.", &["relation"]);
const SOURCE: Source<'static> = Source { collector: "activity", datname: None, server_wide: false };

fn all(name: &str) -> Query<'_> {
    let (from, to) = (i64::MIN / 4, i64::MAX / 4);
    Query { name, matchers: &[], from, to, points: usize::MAX, series: usize::MAX }
}

fn roomy() -> (History, Id) {
    (History::new(64 << 20, HOUR).with_tiers(TIERS), Id::new("c", "a"))
}

fn record(history: &mut History, id: &Id, at: i64, tables: u32, value: impl Fn(u32) -> f64) {
    let mut f = Families::new();
    f.push(&GAUGE, &[], value(0));
    f.push(&COUNTER, &[], (at / 1000) as f64 * 2.0);
    for table in 0..tables {
        f.push(&SIZE, &[&format!("s.t{table}")], value(table));
    }
    let families = f.into_vec();
    history.record(id, Round { source: SOURCE, at, interval: 15_000, families: &families }).unwrap();
}

/// Points of a query's only series.
fn points(history: &History, id: &Id, name: &str) -> Vec<Point> {
    let mut curves = history.range(id, &[], &all(name)).curves;
    assert!(curves.len() <= 1, "{name}: {} series", curves.len());
    curves.pop().map(|c| c.points).unwrap_or_default()
}

/// Something that neither stands still nor repeats.
fn noise(at: i64) -> f64 {
    ((at / 1000).wrapping_mul(2_654_435_761) % 1009) as f64
}

#[test]
fn a_week_is_kept_in_steps_that_grow() {
    let (mut history, id) = roomy();
    let last = 8 * DAY;
    for at in (0..=last).step_by(20_000) {
        record(&mut history, &id, at, 1, |_| noise(at));
    }
    let kept = points(&history, &id, GAUGE.name);
    let span = last - kept[0].at;
    assert!((7 * DAY..7 * DAY + DAY + 4 * HOUR).contains(&span), "{span}");
    for pair in kept.windows(2) {
        let (before, p) = (pair[0].at, pair[1]);
        let step = p.at - before;
        // Half an hour's grace: blocks leave a tier as a whole.
        let most = match last - p.at {
            age if age <= HOUR => 20_000,
            age if age <= DAY => MINUTE,
            _ => 10 * MINUTE,
        };
        assert!(step <= most, "{step} ms, {} ms ago", last - p.at);
        if last - p.at > DAY + 3 * HOUR {
            assert!(!(MINUTE..=5 * MINUTE).contains(&step), "{step} ms, {} ms ago", last - p.at);
        }
        let values = (before + 20_000..=p.at).step_by(20_000).map(noise);
        let (min, max) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        assert_eq!((p.min, p.max, p.after_gap), (min, max, false), "at {}", p.at);
        assert!(p.min <= p.mean && p.mean <= p.max);
    }
    assert!(kept.len() < 1008 + 200 + 1440 + 300 + 200, "{} points", kept.len());
    // Of a counter the last value is kept exactly, and rates are what they were.
    for p in points(&history, &id, COUNTER.name).iter().skip(1) {
        assert_eq!((p.mean, p.min, p.rate), ((p.at / 1000) as f64 * 2.0, p.mean, Some(2.0)));
    }
    // Single objects have the coarsest steps alone.
    let sizes = points(&history, &id, SIZE.name);
    let day = sizes.iter().filter(|p| last - p.at < DAY && last - p.at > 2 * HOUR).count();
    assert!((132..200).contains(&day), "{day}");
    // When nobody writes it any more, it goes a tier at a time, and then altogether.
    history.expire(last + 2 * DAY);
    assert!(points(&history, &id, GAUGE.name).windows(2).all(|p| p[1].at - p[0].at <= 10 * MINUTE));
    assert!(!points(&history, &id, GAUGE.name).is_empty());
    history.expire(last + 9 * DAY);
    assert_eq!((history.stats().series, history.symbols.len(), history.stats().dropped), (0, 0, 0));
}

#[test]
fn a_gap_stays_a_gap_in_every_tier() {
    let (mut history, id) = roomy();
    let is_down = |at: i64| at % (5 * HOUR) == HOUR;
    for at in (0..3 * DAY).step_by(15_000) {
        if is_down(at) {
            history.gap(&id, |_| false);
        } else {
            record(&mut history, &id, at, 0, |_| 1.0);
        }
    }
    let kept = points(&history, &id, GAUGE.name);
    let gaps: Vec<i64> = kept.iter().filter(|p| p.after_gap).map(|p| p.at).collect();
    let downs: Vec<i64> = (0..3 * DAY).step_by(15_000).filter(|at| is_down(*at)).collect();
    assert_eq!(gaps.len(), downs.len(), "{gaps:?}");
    for (gap, down) in gaps.iter().zip(downs) {
        assert!((down..down + 10 * MINUTE).contains(gap), "{gap} for {down}");
    }
    // No rate is made over a gap.
    let rates = points(&history, &id, COUNTER.name);
    assert!(rates.iter().all(|p| p.rate.is_none_or(|r| (r - 2.0).abs() < 1e-9)));
    assert!(rates.iter().filter(|p| p.rate.is_none()).count() <= gaps.len() + 1);
}

#[test]
fn a_counter_that_was_set_to_zero_has_no_rate_there() {
    let (mut history, id) = roomy();
    for (n, value) in (0..).zip([10.0, 25.0, 40.0, 5.0, 20.0]) {
        let mut f = Families::new();
        f.push(&COUNTER, &[], value);
        f.push(&GAUGE, &[], value);
        let families = f.into_vec();
        let round = Round { source: SOURCE, at: n * 15_000, interval: 15_000, families: &families };
        history.record(&id, round).unwrap();
    }
    let rates: Vec<_> = points(&history, &id, COUNTER.name).iter().map(|p| p.rate).collect();
    assert_eq!(rates, [None, Some(1.0), Some(1.0), None, Some(1.0)]);
    assert!(points(&history, &id, GAUGE.name).iter().all(|p| p.rate.is_none()));
    // Two points: what grew within each is in it, the reset is in neither.
    let query = Query { from: 0, to: 60_000, points: 2, ..all(COUNTER.name) };
    let two = history.range(&id, &[], &query).curves.remove(0).points;
    assert_eq!(two.iter().map(|p| p.rate).collect::<Vec<_>>(), [Some(1.0), Some(1.0)]);
}

#[test]
fn folded_figures_of_single_objects_have_a_share_and_the_whole_stays() {
    let limit = 800_000;
    let mut history = History::new(limit, HOUR).with_tiers(TIERS);
    let id = Id::new("c", "a");
    for at in (0..4 * DAY).step_by(60_000) {
        record(&mut history, &id, at, 60, |table| noise(at + i64::from(table) * 7_000));
        assert!(history.stats().bytes <= limit);
    }
    let stats = history.stats();
    assert_eq!(stats.dropped, 0, "an hour of all of them fits");
    let database = history.databases.values().next().unwrap();
    let folded = |object: bool| -> usize {
        let of = database.groups().iter().filter(|k| (k.key().rank == Rank::Object) == object);
        of.map(|k| k.group.folded_bytes()).sum()
    };
    assert!(folded(true) <= limit / 4 && folded(true) > limit / 16, "{}", folded(true));
    assert_eq!(stats.folded, folded(true) + folded(false));
    assert!(points(&history, &id, GAUGE.name)[0].at < DAY, "figures of the whole reach back further");
}

#[test]
fn an_ordinary_week_of_figures_of_the_whole_is_small() {
    let (mut history, id) = roomy();
    for at in (0..9 * DAY).step_by(60_000) {
        record(&mut history, &id, at, 0, |_| noise(at) / 7.0);
    }
    let per_series = history.stats().folded / 2;
    assert!(per_series < 14_000, "{per_series} bytes");
}

fn export(history: &History, offset: i64) -> Vec<Vec<u8>> {
    let (mut pieces, mut cursor) = (Vec::new(), None);
    loop {
        let mut piece = Vec::new();
        cursor = history.export(cursor, offset, &mut piece);
        if cursor.is_none() {
            assert!(piece.is_empty());
            return pieces;
        }
        pieces.push(piece);
    }
}

#[test]
fn what_was_written_is_read_back_and_the_time_between_is_a_gap() {
    let (mut history, a) = roomy();
    let b = Id::new("c", "b");
    let end = 2 * DAY;
    for at in (0..=end).step_by(30_000) {
        record(&mut history, &a, at, 3, |table| noise(at + i64::from(table)) / 3.0);
        if at > DAY {
            record(&mut history, &b, at, 1, |_| noise(at));
        }
    }
    let pieces = export(&history, 1_000_000_000);
    assert_eq!(pieces.len(), 4);
    // The clock of the next process began a minute after the end.
    let offset = 1_000_000_000 + end + MINUTE;
    let (mut next, _) = roomy();
    for piece in &pieces {
        next.import(piece, offset, 0, |_| true).unwrap();
    }
    assert_eq!(next.stats().series, history.stats().series);
    for (id, name) in [(&a, GAUGE.name), (&a, COUNTER.name), (&a, SIZE.name), (&b, GAUGE.name)] {
        let (was, is) = (history.range(id, &[], &all(name)), next.range(id, &[], &all(name)));
        assert_eq!(was.curves.len(), is.curves.len());
        for (mut was, is) in was.curves.into_iter().zip(is.curves) {
            was.points.iter_mut().for_each(|p| p.at -= end + MINUTE);
            assert_eq!((was.points, was.labels, true), (is.points, is.labels, is.ends_in_gap));
        }
    }
    record(&mut next, &a, 1, 3, |_| 1.0);
    let kept = points(&next, &a, GAUGE.name);
    let last = kept.last().unwrap();
    assert!(last.after_gap && last.at == 1 && kept[kept.len() - 2].at == -MINUTE, "{last:?}");
    // What is not wanted is not taken; what is there already is not replaced.
    let (mut none, _) = roomy();
    pieces.iter().for_each(|piece| none.import(piece, offset, 0, |id| *id != a && *id != b).unwrap());
    assert_eq!(none.stats().series, 0);
    next.import(&pieces[0], offset, 10, |_| true).unwrap();
    assert_eq!(points(&next, &a, GAUGE.name).len(), kept.len());
    // A calendar that was put back by an hour: what would be in the future is left out, and no round refused.
    let (mut earlier, _) = roomy();
    for piece in &pieces {
        earlier.import(piece, offset - HOUR, 0, |_| true).unwrap();
    }
    assert!(points(&earlier, &a, GAUGE.name).iter().all(|p| p.at < 0));
    record(&mut earlier, &a, 1, 3, |_| 1.0);
    assert!(points(&earlier, &a, GAUGE.name).last().unwrap().after_gap);
    // It ages as if nothing had been, and leaves nothing behind.
    next.expire(9 * DAY);
    assert_eq!((next.stats().series, next.symbols.len()), (0, 0));
}

#[test]
fn what_does_not_fit_is_not_taken() {
    let (mut history, id) = roomy();
    (0..100).for_each(|n| record(&mut history, &id, n * 15_000, 2000, |t| noise(n * 15_000 + i64::from(t))));
    let pieces = export(&history, 0);
    let mut small = History::new(100_000, HOUR).with_tiers(TIERS);
    let results: Vec<_> = pieces.iter().map(|piece| small.import(piece, HOUR, 0, |_| true)).collect();
    assert_eq!(results, [Ok(()), Err(ImportError::TooLarge)], "those of single objects");
    assert!(small.stats().bytes <= 100_000 && small.stats().series == 2);
}

proptest! {
    #[test]
    fn damaged_pieces_are_refused_or_harmless(
        at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(), keep: bool,
    ) {
        let (mut history, id) = roomy();
        (0..50).for_each(|n| record(&mut history, &id, n * 10 * MINUTE, 4, |t| noise(n + i64::from(t))));
        for mut piece in export(&history, 0) {
            let (at, cut) = (at.index(piece.len()), cut.index(piece.len()));
            if keep {
                piece[at] = byte;
            } else {
                piece.truncate(cut);
            }
            let mut next = History::new(300_000, HOUR).with_tiers(TIERS);
            let result = next.import(&piece, 30 * DAY, 0, |_| true);
            prop_assert!(keep || result.is_err());
            prop_assert!(next.stats().bytes <= 300_000);
            // Whatever was taken can be read, goes on, ages, and leaves nothing behind.
            next.range(&id, &[], &all(GAUGE.name));
            record(&mut next, &id, 5, 4, |_| 1.0);
            next.expire(DAY);
            next.retain(|_| false);
            prop_assert_eq!((next.stats().series, next.symbols.len()), (0, 0));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_harmless(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut next = History::new(300_000, HOUR).with_tiers(TIERS);
        let _ = next.import(&bytes, 0, 0, |_| true);
        next.retain(|_| false);
        prop_assert_eq!((next.stats().series, next.symbols.len()), (0, 0));
    }

    #[test]
    fn the_limit_holds_with_tiers(
        limit in 20_000_usize..300_000,
        rounds in prop::collection::vec((0_u8..3, 0_u32..60, 1_i64..4 * HOUR), 1..120),
    ) {
        let mut history = History::new(limit, HOUR).with_tiers(TIERS);
        let mut at = 0;
        for (db, tables, step) in rounds {
            at += step;
            let id = Id::new("c", &format!("db{db}"));
            record(&mut history, &id, at, tables, |table| noise(at + i64::from(table)) / 3.0);
            prop_assert!(history.stats().bytes <= limit);
            for kept in history.databases.values().flat_map(|d| d.groups()) {
                let (running, anew) = kept.group.counted_series_bytes();
                prop_assert_eq!(running, anew);
            }
        }
    }
}
