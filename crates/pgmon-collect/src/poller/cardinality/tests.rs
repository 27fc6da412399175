use super::*;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Custom, Loop, Outcome, Output};
use std::time::Duration;

const A: Desc = Desc::gauge("a", "A.", &["kind", "relation"]);
const B: Desc = Desc::gauge("b", "B.", &["relation"]);
const C: Desc = Desc::gauge("c", "C.", &[]);

fn rows(desc: &'static Desc, series: usize) -> Vec<Family> {
    let mut out = Families::new();
    for n in 0..series {
        let n = format!("{n}");
        let labels: &[&str] = match desc.labels.len() {
            2 => &["same", &n],
            1 => &[&n],
            _ => &[],
        };
        out.push(desc, labels, 1.0);
    }
    out.into_vec()
}

/// Brings families, and says which are left out now and how many series that took from this round.
fn bring(c: &Cardinality, collector: &'static str, mut families: Vec<Family>) -> (Vec<String>, u64) {
    let before: usize = families.iter().map(series).sum();
    let dropped = c.admit(&collector.into(), None, &mut families);
    let left: usize = families.iter().map(series).sum();
    assert_eq!(before as u64, left as u64 + dropped);
    (c.left_out().iter().map(|o| o.family.to_string()).collect(), dropped)
}

fn limited(per_family: usize, per_database: usize) -> Cardinality {
    let c = Cardinality::new();
    c.set_limits(per_family, per_database);
    c
}

#[test]
fn a_family_with_too_many_series_goes_as_a_whole_and_its_label_is_named() {
    let c = limited(100, 1000);
    assert_eq!(bring(&c, "x", rows(&A, 100)), (vec![], 0));
    let both = rows(&A, 101).into_iter().chain(rows(&C, 1)).collect();
    assert_eq!(bring(&c, "x", both), (vec!["a".into()], 101));
    assert_eq!(
        c.left_out()[0].text(),
        "a is left out: it has 101 series, and limits.series_per_family is 100; its label relation has 101 values"
    );
    assert_eq!(bring(&c, "x", rows(&A, 95)), (vec!["a".into()], 95), "not yet a tenth of room");
    assert_eq!(bring(&c, "x", rows(&A, 90)), (vec![], 0));
}

#[test]
fn the_largest_family_of_a_database_goes_whichever_collector_came_last() {
    let c = limited(1000, 100);
    assert_eq!(bring(&c, "x", rows(&A, 70)), (vec![], 0));
    assert_eq!(bring(&c, "y", rows(&B, 20)), (vec![], 0));
    // Its own series fit; readers leave out those of a until x runs again.
    assert_eq!(bring(&c, "z", rows(&C, 1)), (vec![], 0));
    assert_eq!(bring(&c, "y", rows(&B, 40)), (vec!["a".into()], 0));
    assert_eq!((c.left_out()[0].limit, c.left_out()[0].series), ("series_per_database", 70));
    assert_eq!(bring(&c, "x", rows(&A, 70)), (vec!["a".into()], 70));
    assert_eq!(c.left_out()[0].label.as_deref(), Some("relation"));
    // Nothing flaps at the limit: it comes back when there is room for all, with a tenth to spare.
    assert_eq!(bring(&c, "y", rows(&B, 29)), (vec!["a".into()], 0));
    assert_eq!(bring(&c, "x", rows(&A, 62)), (vec!["a".into()], 62));
    assert_eq!(bring(&c, "x", rows(&A, 60)), (vec![], 0));
    // A collector that is gone takes nobody's room.
    assert_eq!(bring(&c, "y", rows(&B, 60)), (vec!["a".into()], 0));
    c.forget(&"y".into(), None);
    assert_eq!(bring(&c, "x", rows(&A, 80)), (vec![], 0));
}

#[test]
fn of_equals_the_first_by_name_goes_and_stays_away() {
    let c = limited(1000, 100);
    bring(&c, "y", rows(&B, 60));
    assert_eq!(bring(&c, "x", rows(&A, 60)), (vec!["a".into()], 60));
    assert_eq!(bring(&c, "y", rows(&B, 61)), (vec!["a".into()], 0), "that b is larger now changes nothing");
}

#[test]
fn each_database_that_is_visited_has_the_limits_for_itself() {
    let c = limited(50, 100);
    let visit = |database: &str, mut families: Vec<Family>| {
        c.admit(&"x".into(), Some(&database.into()), &mut families);
        let out = c.left_out();
        out.iter().map(|o| (o.datname.as_deref().unwrap().to_owned(), o.limit)).collect::<Vec<_>>()
    };
    assert_eq!(visit("one", rows(&A, 50)), []);
    assert_eq!(visit("two", rows(&A, 50)), []);
    assert_eq!(visit("two", rows(&A, 51)), [("two".into(), "series_per_family")]);
    assert!(c.left_out()[0].text().starts_with("a of database two is left out"));
    assert_eq!(bring(&c, "x", rows(&A, 50)).1, 0);
    c.forget(&"x".into(), Some(&"two".into()));
    assert!(c.left_out().is_empty());
}

#[test]
fn results_of_custom_queries_count_and_leave_with_their_query() {
    let c = limited(1000, 100);
    let state = |name: &'static str, custom: bool, families: Vec<Family>| CollectorState {
        collector: name.into(),
        in_loop: Loop::Workload,
        server_wide: false,
        datname: None,
        at: jiff::Timestamp::UNIX_EPOCH,
        duration: Duration::ZERO,
        outcome: Outcome::Ok,
        errors: 0,
        blind: Vec::new(),
        stride: 1,
        good: Some(Arc::new(Output {
            at: jiff::Timestamp::UNIX_EPOCH,
            at_mono: Duration::ZERO,
            families,
            data: None,
            executed: Vec::new(),
        })),
        custom: custom.then(|| Custom::new(Duration::from_secs(60), Duration::from_secs(180))),
    };
    assert_eq!(bring(&c, "x", rows(&A, 50)), (vec![], 0));
    let ours = state("x", false, rows(&A, 50));
    let theirs = state("theirs", true, rows(&B, 51));
    c.weigh([(None, &ours), (None, &theirs)].into_iter());
    assert_eq!(c.left_out()[0].family.as_ref(), "b");
    assert!(c.left_out()[0].label.is_some() && c.left_out()[0].values == 51);
    assert_eq!(c.dropped_of_queries(), 51);
    c.weigh([(None, &ours), (None, &theirs)].into_iter());
    assert_eq!(c.dropped_of_queries(), 51, "the same result");
    c.weigh([(None, &ours)].into_iter());
    assert!(c.left_out().is_empty());
}
