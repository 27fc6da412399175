use super::*;
use crate::metric::{Desc, Families, Histogram, Value};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const SIZE: Desc = Desc::gauge("pg_relation_size_bytes", "Bytes.", &["relation"]);
const TPS: Desc = Desc::gauge("pg_tps", "Transactions.", &[]);
const STATES: Desc = Desc::gauge("pg_backends", "Backends.", &["state"]);
const LATENCY: Desc = Desc::histogram("pg_latency_seconds", "Seconds.", &[]);
const SOURCE: Source<'static> = Source { collector: "relations", datname: None, server_wide: false };

fn round(at: i64, families: &[Family]) -> Round<'_> {
    Round { source: SOURCE, at, interval: 15_000, families }
}

fn families(fill: impl FnOnce(&mut Families)) -> Vec<Family> {
    let mut out = Families::new();
    fill(&mut out);
    out.into_vec()
}

fn tps(value: f64) -> Vec<Family> {
    families(|f| f.push(&TPS, &[], value))
}

fn sizes(of: &[(&str, f64)]) -> Vec<Family> {
    families(|f| of.iter().for_each(|(relation, bytes)| f.push(&SIZE, &[relation], *bytes)))
}

fn all(name: &str) -> Query<'_> {
    Query {
        name,
        matchers: &[],
        from: i64::MIN / 4,
        to: i64::MAX / 4,
        points: usize::MAX,
        series: usize::MAX,
    }
}

fn roomy() -> (History, Id) {
    (History::new(64 << 20, HOUR), Id::new("c", "a"))
}

/// The values of a query's only series.
fn values(history: &History, id: &Id, query: &Query<'_>) -> Vec<(i64, f64, bool)> {
    let answer = history.range(id, &[], query);
    assert!(answer.curves.len() <= 1, "{answer:?}");
    answer.curves.iter().flat_map(|c| &c.points).map(|p| (p.at, p.mean, p.after_gap)).collect()
}

#[test]
fn what_was_recorded_can_be_read() {
    let (mut history, id) = roomy();
    for i in 0..100 {
        history.record(&id, round(i * 15_000, &tps(i as f64 / 3.0))).unwrap();
    }
    let want: Vec<_> = (0..100).map(|i| (i * 15_000, i as f64 / 3.0, false)).collect();
    assert_eq!(values(&history, &id, &all("pg_tps")), want);
    let some = Query { from: 30_000, to: 60_000, ..all("pg_tps") };
    assert_eq!(values(&history, &id, &some), want[2..=4]);
    assert!(history.range(&Id::new("c", "b"), &[], &all("pg_tps")).curves.is_empty());
    assert!(history.range(&id, &[], &all("pg_other")).curves.is_empty());
}

#[test]
fn a_round_that_is_not_after_the_last_one_is_refused() {
    let (mut history, id) = roomy();
    history.record(&id, round(2, &tps(1.0))).unwrap();
    assert_eq!(history.record(&id, round(2, &tps(2.0))), Err(OutOfOrder { at: 2, last: 2 }));
    assert_eq!(history.record(&id, round(1, &tps(2.0))), Err(OutOfOrder { at: 1, last: 2 }));
    assert_eq!(values(&history, &id, &all("pg_tps")), [(2, 1.0, false)]);
}

#[test]
fn gaps_are_known() {
    let (mut history, id) = roomy();
    let table = |at, history: &mut History, of: &[(&str, f64)]| {
        history.record(&id, round(at, &sizes(of))).unwrap();
    };
    table(1, &mut history, &[("s.a", 1.0), ("s.b", 5.0)]);
    table(2, &mut history, &[("s.a", 2.0)]);
    table(3, &mut history, &[("s.a", 3.0), ("s.b", 5.0)]);
    history.gap(&id, |source| source != SOURCE);
    history.gap(&id, |source| source != SOURCE);
    table(6, &mut history, &[("s.a", 4.0), ("s.b", 5.0)]);
    history.gap(&id, |source| source == SOURCE);
    assert!(!history.range(&id, &[], &all(SIZE.name)).curves[0].ends_in_gap);
    history.gap(&id, |_| false);
    assert_eq!(history.last(&id, SOURCE), Some(7));
    let a = [Matcher::Is("relation", "s.a")];
    let of_a = Query { matchers: &a, ..all(SIZE.name) };
    assert_eq!(
        values(&history, &id, &of_a),
        [(1, 1.0, false), (2, 2.0, false), (3, 3.0, false), (6, 4.0, true)]
    );
    let not_a = [Matcher::IsNot("relation", "s.a")];
    let of_b = Query { matchers: &not_a, ..all(SIZE.name) };
    assert_eq!(values(&history, &id, &of_b), [(1, 5.0, false), (3, 5.0, true), (6, 5.0, true)]);
    assert!(history.range(&id, &[], &of_b).curves[0].ends_in_gap);
}

#[test]
fn points_say_least_greatest_and_mean() {
    let (mut history, id) = roomy();
    for i in 0..240 {
        history.record(&id, round(i * 15_000, &tps((i % 4) as f64))).unwrap();
    }
    let query = Query { from: 0, to: HOUR - 1, points: 60, ..all("pg_tps") };
    let curves = history.range(&id, &[], &query).curves;
    assert_eq!(curves[0].points.len(), 60);
    for (i, p) in (0i64..).zip(&curves[0].points) {
        assert_eq!((p.at, p.count), (i * 60_000 + 45_000, 4));
        assert_eq!((p.min, p.max, p.mean, p.after_gap), (0.0, 3.0, 1.5, false));
    }
    let one = Query { points: 0, ..query };
    assert_eq!(history.range(&id, &[], &one).curves[0].points.len(), 1);
}

#[test]
fn a_histogram_is_kept_as_the_series_of_the_page() {
    let (mut history, id) = roomy();
    let mut h = Histogram::new(&[0.5, 1.0]);
    [0.1, 0.7, 0.8, 9.0].into_iter().for_each(|v| h.observe(v));
    let f = families(|f| f.push_value(&LATENCY, &[], Value::Histogram(Arc::new(h))));
    history.record(&id, round(1, &f)).unwrap();
    assert_eq!(values(&history, &id, &all("pg_latency_seconds_count")), [(1, 4.0, false)]);
    assert_eq!(values(&history, &id, &all("pg_latency_seconds_sum")), [(1, 10.6, false)]);
    let buckets = history.range(&id, &[], &all("pg_latency_seconds_bucket")).curves;
    let read: Vec<_> = buckets.iter().map(|c| (c.labels[0].1.as_str(), c.points[0].mean)).collect();
    assert_eq!(read, [("+Inf", 4.0), ("0.5", 1.0), ("1", 3.0)]);
}

#[test]
fn what_belongs_to_the_server_is_found_through_each_entry() {
    let (mut history, a) = roomy();
    let b = Id::new("c", "b");
    let server = |at, value| {
        let source = Source { server_wide: true, ..SOURCE };
        (Round { source, at, interval: 15_000, families: &[] }, tps(value))
    };
    // a leads until it goes down; then b does.
    for at in 1..4 {
        let (round, families) = server(at, at as f64);
        history.record(&a, Round { families: &families, ..round }).unwrap();
        history.record(&b, Round { source: SOURCE, ..round }).unwrap();
    }
    history.gap(&a, |_| false);
    for at in 6..8 {
        let (round, families) = server(at, at as f64);
        history.record(&b, Round { families: &families, ..round }).unwrap();
    }
    let want = [(1, 1.0, false), (2, 2.0, false), (3, 3.0, false), (6, 6.0, true), (7, 7.0, false)];
    for (of, peer) in [(&a, &b), (&b, &a)] {
        let answer = history.range(of, &[peer.clone(), of.clone()], &all("pg_tps"));
        let read: Vec<_> = answer.curves[0].points.iter().map(|p| (p.at, p.mean, p.after_gap)).collect();
        assert_eq!((answer.curves.len(), read.as_slice()), (1, &want[..]));
    }
    // Without the peers each has what it collected itself.
    assert_eq!(values(&history, &b, &all("pg_tps")).len(), 2);
}

#[test]
fn an_hour_is_kept_and_no_more_but_two_rounds_of_slow_loops() {
    let (mut history, id) = roomy();
    let slow = Source { collector: "hourly", ..SOURCE };
    for i in 0..1000 {
        let at = i * 15_000;
        history.record(&id, round(at, &tps(1.0))).unwrap();
        if at % HOUR == 0 {
            let f = sizes(&[("s.a", at as f64)]);
            history.record(&id, Round { source: slow, at, interval: HOUR, families: &f }).unwrap();
        }
    }
    let kept = values(&history, &id, &all("pg_tps"));
    let span = kept.last().unwrap().0 - kept[0].0;
    assert!((HOUR..=HOUR + HOUR / 4 + 15_000).contains(&span), "{span}");
    assert!(values(&history, &id, &all(SIZE.name)).len() >= 2);
    // A database that is no longer written ages out as well.
    history.expire(1000 * 15_000 + 3 * HOUR);
    assert_eq!((history.stats().series, history.symbols.len(), history.stats().dropped), (0, 0, 0));
}

#[test]
fn series_that_vanish_leave_nothing_behind() {
    let (mut history, id) = roomy();
    for i in 0..4000_i64 {
        // Each table lives for some rounds; a new one comes every round.
        let names: Vec<String> = (i..i + 10).map(|n| format!("s.t{n}")).collect();
        let of: Vec<_> = names.iter().map(|n| (n.as_str(), 1.0)).collect();
        history.record(&id, round(i * 15_000, &sizes(&of))).unwrap();
    }
    // 300 rounds are kept, and 10 tables in each.
    assert!(history.stats().series < 400, "{:?}", history.stats());
    history.retain(|_| false);
    assert_eq!((history.stats().series, history.symbols.len()), (0, 0));
}

/// Rounds of a database with many tables, none of which stands still.
fn busy(history: &mut History, id: &Id, rounds: std::ops::Range<i64>, tables: u32) {
    let names: Vec<String> = (0..tables).map(|n| format!("s.t{n}")).collect();
    for i in rounds {
        let f = families(|f| {
            f.push(&TPS, &[], 1.0 / (i + 1) as f64);
            f.push(&STATES, &["active"], (i % 9) as f64);
            for (n, name) in names.iter().enumerate() {
                f.push(&SIZE, &[name], (i + 1) as f64 / (n + 7) as f64);
            }
        });
        history.record(id, round(i * 15_000, &f)).unwrap();
    }
}

#[test]
fn objects_give_way_first_and_the_database_that_holds_most() {
    let limit = 200_000;
    let mut history = History::new(limit, HOUR);
    let (small, large) = (Id::new("c", "small"), Id::new("c", "large"));
    for i in 0..240 {
        busy(&mut history, &small, i..i + 1, 10);
        busy(&mut history, &large, i..i + 1, 300);
        assert!(history.stats().bytes <= limit, "round {i}: {:?}", history.stats());
    }
    let points = |id, name: &str| values(&history, id, &all(name)).len();
    assert_eq!((points(&small, "pg_tps"), points(&large, "pg_tps")), (240, 240), "figures of the whole stay");
    let of = |id, relation| {
        let matchers = [Matcher::Is("relation", relation)];
        values(&history, id, &Query { matchers: &matchers, ..all(SIZE.name) })
    };
    assert_eq!(of(&small, "s.t9").len(), 240, "the small database loses nothing");
    let left = of(&large, "s.t299");
    assert!(!left.is_empty() && left.len() < 240 && left[0].0 > 0, "the oldest went: {left:?}");
    // Each value is there or counted.
    let kept: usize = [&small, &large]
        .into_iter()
        .flat_map(|id| history.range(id, &[], &all(SIZE.name)).curves)
        .map(|c| c.points.len())
        .sum();
    assert_eq!(kept as u64 + history.stats().dropped, 240 * 310);
}

#[test]
fn what_does_not_fit_at_all_is_not_taken_until_it_halves() {
    let limit = 60_000;
    let mut history = History::new(limit, HOUR);
    let id = Id::new("c", "a");
    busy(&mut history, &id, 0..50, 2000);
    assert!(history.stats().bytes <= limit);
    assert!(history.range(&id, &[], &all(SIZE.name)).curves.is_empty());
    assert_eq!(values(&history, &id, &all("pg_tps")).len(), 50, "the rest is not touched");
    assert_eq!(history.stats().dropped, 50 * 2000);
    // Almost as many are no reason to try again, a few are.
    busy(&mut history, &id, 50..60, 1500);
    assert!(history.range(&id, &[], &all(SIZE.name)).curves.is_empty());
    busy(&mut history, &id, 60..70, 20);
    assert_eq!(history.range(&id, &[], &all(SIZE.name)).curves.len(), 20);
    busy(&mut history, &id, 70..80, 2000);
    assert!(history.range(&id, &[], &all(SIZE.name)).curves.is_empty());
    // More room is a reason, too; less room is made at once.
    history.set_max_bytes(8 << 20);
    busy(&mut history, &id, 80..90, 2000);
    assert_eq!(history.range(&id, &[], &Query { series: 5, ..all(SIZE.name) }).left_out, 1995);
    history.set_max_bytes(50_000);
    assert!(history.stats().bytes <= 50_000);
}

#[test]
fn an_hour_of_an_ordinary_database_is_small() {
    // 500 series, most of which stand still, some of which count, some of which are rates.
    let (mut history, id) = roomy();
    let names: Vec<String> = (0..500).map(|n| format!("schema.table_{n}")).collect();
    for i in 0..240 {
        let f = families(|f| {
            for (n, name) in (0_u32..).zip(&names) {
                let n = f64::from(n);
                let value = match n % 10.0 {
                    0.0 => (i as f64 + n).sin(),
                    1.0 | 2.0 => n * 1000.0 + (i * i % 17) as f64 + i as f64,
                    _ => n,
                };
                f.push(&SIZE, &[name], value);
            }
        });
        history.record(&id, round(i * 15_000, &f)).unwrap();
    }
    let stats = history.stats();
    let per_sample = stats.bytes as f64 / (500.0 * 240.0);
    assert!(per_sample < 2.0, "{per_sample} bytes a value: {stats:?}");
}

#[derive(Debug, Clone)]
enum Act {
    Record(i64, Vec<(u8, u64)>),
    Gap(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let value = prop_oneof![any::<u64>(), (0_u32..50).prop_map(|v| f64::from(v).to_bits())];
    prop_oneof![
        8 => (2_i64..400_000, prop::collection::vec((0_u8..12, value), 0..12))
            .prop_map(|(step, samples)| Act::Record(step, samples)),
        1 => (2_i64..400_000).prop_map(Act::Gap),
    ]
}

proptest! {
    #[test]
    fn a_history_is_what_a_plain_list_would_be(acts in prop::collection::vec(act(), 0..150)) {
        let (mut history, id) = roomy();
        let mut model: Vec<Vec<(i64, u64)>> = vec![Vec::new(); 12];
        let mut now = 0;
        for act in acts {
            match act {
                Act::Record(step, samples) => {
                    now += step;
                    let mut f = Vec::new();
                    let mut taken = [false; 12];
                    for (n, bits) in samples {
                        // A NaN is no sample of a page, but the history keeps what it is given.
                        f.push(crate::metric::Sample {
                            labels: [format!("s.t{n}").into()].into(),
                            value: Value::Number(f64::from_bits(bits)),
                        });
                        if !std::mem::replace(&mut taken[usize::from(n)], true) {
                            model[usize::from(n)].push((now, bits));
                        }
                    }
                    let f = [Family { desc: (&SIZE).into(), samples: f }];
                    history.record(&id, round(now, &f)).unwrap();
                }
                Act::Gap(step) => {
                    now += step;
                    history.gap(&id, |_| false);
                }
            }
            for kept in history.databases.values().flat_map(|d| d.groups()) {
                let (running, anew) = kept.group.counted_series_bytes();
                prop_assert_eq!(running, anew);
            }
        }
        for (n, want) in model.iter().enumerate() {
            let label = format!("s.t{n}");
            let matchers = [Matcher::Is("relation", &label)];
            // What is younger than an hour is there; what is older may be.
            let query = Query { matchers: &matchers, from: now - HOUR, to: now, ..all(SIZE.name) };
            let answer = history.range(&id, &[], &query);
            let read: Vec<_> =
                answer.curves.iter().flat_map(|c| &c.points).map(|p| (p.at, p.min.to_bits())).collect();
            let want: Vec<_> = want.iter().copied().filter(|(at, _)| *at >= now - HOUR).collect();
            prop_assert_eq!(read, want);
        }
        history.expire(now + 3 * HOUR);
        prop_assert_eq!((history.stats().series, history.symbols.len()), (0, 0));
    }

    #[test]
    fn the_limit_holds_whatever_comes(
        limit in 20_000_usize..400_000,
        rounds in prop::collection::vec((0_u8..4, 0_u32..400), 1..60),
    ) {
        let mut history = History::new(limit, HOUR);
        for (i, (db, tables)) in (0..).zip(rounds) {
            busy(&mut history, &Id::new("c", &format!("db{db}")), i..i + 1, tables);
            prop_assert!(history.stats().bytes <= limit);
        }
    }
}
