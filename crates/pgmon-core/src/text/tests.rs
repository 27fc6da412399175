use super::*;
use crate::metric::{Desc, Families, Histogram, OwnDesc};
use proptest::prelude::*;
use std::sync::Arc;

const GAUGE: Desc = Desc::gauge("pg_backends", "Backends by state.\nSecond \"line\" \\.", &["state"]);
const COUNTER: Desc = Desc::counter("pg_xact_commit_total", "Commits.", &[]);
const ODD: Desc = Desc::counter("calls", "A counter without the suffix.", &[]);
const HIST: Desc = Desc::histogram("pgmon_scrape_duration_seconds", "Rounds.", &["loop"]);

fn page(format: Format) -> String {
    let mut f = Families::new();
    f.push(&GAUGE, &["a\"b\\c\nd"], 1.5);
    f.push(&GAUGE, &[""], 1e300);
    f.push(&COUNTER, &[], 12_345_678_901.0);
    f.push(&ODD, &[], 0.1 + 0.2);
    let mut h = Histogram::new(&[0.1, 1.0]);
    h.observe(0.05);
    h.observe(7.0);
    f.push_value(&HIST, &["hot_path"], crate::Value::Histogram(Arc::new(h)));
    let own = |name: &str, kind| {
        let labels = Box::from([Box::from("route")]);
        Arc::new(OwnDesc { name: name.into(), kind, help: "Of the configuration.".into(), labels })
    };
    let summary =
        Summary { quantiles: Box::from([(0.5, 0.25), (1.0, 7.5)]), sum: Some(9.5), count: Some(12) };
    f.push_value(own("shop_seconds", Kind::Summary), &["/"], Value::Summary(Arc::new(summary)));
    let bare = Summary { quantiles: Box::from([(0.99, -1.0)]), ..Summary::default() };
    f.push_value(own("shop_seconds", Kind::Summary), &["/a"], Value::Summary(Arc::new(bare)));
    let below_zero = Histogram { bounds: vec![-1.0, 2.0].into(), counts: vec![1, 0, 3], sum: Some(4.0) };
    f.push_value(own("shop_delta", Kind::Histogram), &["/"], Value::Histogram(Arc::new(below_zero)));
    let no_sum = Histogram { bounds: vec![2.5].into(), counts: vec![1, 0], sum: None };
    f.push_value(own("shop_delta", Kind::Histogram), &[""], Value::Histogram(Arc::new(no_sum)));
    let mut w = Writer::new(format, 1024);
    for family in &f.into_vec() {
        w.family(&family.desc, family.samples.iter().map(|s| ([("cluster", "c"), ("db", "d")], s)));
    }
    assert_eq!(w.counts(), (6, 9));
    w.finish()
}

#[test]
fn the_classic_format() {
    insta::assert_snapshot!(page(Format::Text));
}

#[test]
fn openmetrics() {
    insta::assert_snapshot!(page(Format::OpenMetrics));
}

#[test]
fn accept_headers_of_real_clients() {
    let prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, want) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
        (prometheus3, Format::OpenMetrics),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Text),
        ("application/openmetrics-text; version=2.0.0", Format::Text),
        ("application/openmetrics-text;q=x", Format::Text),
    ] {
        assert_eq!(Format::from_accept(accept), want, "{accept}");
    }
}

#[test]
fn a_page_that_is_given_away_piece_by_piece_is_the_same() {
    let names: Vec<String> = (0..100).map(|n| format!("table {n}")).collect();
    let mut f = Families::new();
    (0_u32..).zip(&names).for_each(|(n, name)| f.push(&GAUGE, &[name], f64::from(n)));
    let f = f.into_vec();
    let write = |mut w: Writer<'_>| {
        w.family(&f[0].desc, f[0].samples.iter().map(|s| ([("db", "d")], s)));
        (w.counts(), w.finish())
    };
    let (counts, whole) = write(Writer::new(Format::OpenMetrics, 0));
    let mut pieces = Vec::new();
    let mut drain = |text: &str| pieces.push(text.to_owned());
    let (same, rest) = write(Writer::draining(Format::OpenMetrics, 500, &mut drain));
    assert_eq!((same, rest.as_str(), pieces.concat()), (counts, "", whole));
    assert!(pieces.len() > 5 && pieces.iter().all(|p| p.len() < 700));
}

proptest! {
    #[test]
    fn numbers_read_back_as_they_were(v in proptest::num::f64::ANY) {
        let mut out = String::new();
        push_number(&mut out, v);
        let back: f64 = out.parse().unwrap();
        prop_assert!(back == v || (back.is_nan() && v.is_nan()));
    }

    #[test]
    fn a_label_value_never_breaks_its_line(value in any::<String>()) {
        let mut f = Families::new();
        f.push(&GAUGE, &[&value], 1.0);
        let f = f.into_vec();
        let mut w = Writer::new(Format::Text, 64);
        w.family(&f[0].desc, f[0].samples.iter().map(|s| ([("db", "d")], s)));
        let page = w.finish();
        // HELP, TYPE and one sample: three lines, whatever the value holds.
        prop_assert_eq!(page.matches('\n').count(), 3);
        let ends = page.ends_with("\"} 1\n");
        prop_assert!(ends);
    }
}
