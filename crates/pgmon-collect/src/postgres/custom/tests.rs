//! What becomes of rows, without a server.

use super::columns::{Class, Column, Shape, probe};
use super::definition::{Definition, QuerySet};
use super::take::{Buckets, Cell, Rows, Taken};
use pgmon_config::{Config, LoadOptions};
use pgmon_core::metric::{Family, Value};
use pgmon_core::text::{Format, Writer};
use proptest::prelude::*;
use std::sync::Arc;

/// The queries of a configuration that has these.
pub(super) fn queries(yaml: &str) -> QuerySet {
    let text = format!("dsn: postgres://pgmon@localhost/shop\nqueries:\n{yaml}");
    let options = LoadOptions { default_paths: Vec::new(), ..LoadOptions::default() };
    let loaded = Config::load_text("pgmon.yaml".as_ref(), &text, &options).unwrap();
    QuerySet::new(&loaded.config, |name| name == "pg_up")
}

fn query(yaml: &str) -> Arc<Definition> {
    queries(yaml).definitions[0].clone()
}

fn column(name: &str, class: Class) -> Column {
    Column { name: name.into(), type_name: format!("{class:?}").to_lowercase(), class }
}

/// A page's lines of these families, without the heads.
pub(super) fn lines(families: &[Family]) -> Vec<String> {
    let mut writer = Writer::new(Format::Text, 1024);
    for family in families {
        writer.family(&family.desc, family.samples.iter().map(|sample| ([], sample)));
    }
    writer.finish().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn taken(definition: &Definition, shape: &Shape, rows: Vec<Vec<Cell>>) -> (Vec<String>, Option<String>) {
    match Rows::of(rows).finish(definition, shape).unwrap() {
        Taken::Families(families, note) => (lines(&families), note),
        Taken::Dropped(dropped) => panic!("{dropped}"),
    }
}

#[test]
fn refused_by_name_and_the_others_stay() {
    let set = queries(
        "- {name: a, help: A., query: 'SELECT 1;'}\n\
         - {name: b, help: B., query: 'DELETE FROM t'}\n\
         - {name: c, help: C., query: 'SELECT pg_terminate_backend(1)'}\n\
         - {name: pg_up, help: D., query: 'SELECT 1'}\n\
         - {name: e, help: E., query: 'SELECT 1; SELECT 2'}\n",
    );
    let refused: Vec<String> =
        set.refused.iter().map(|r| format!("{} ({}): {}", r.name, r.at, r.reason)).collect();
    assert_eq!(
        refused,
        [
            "b (pgmon.yaml:4): it must begin with SELECT, WITH, VALUES or TABLE, not DELETE",
            "c (pgmon.yaml:5): function pg_terminate_backend is not allowed here: it acts outside of a read-only transaction, or waits",
            "pg_up (pgmon.yaml:6): pg_up is a metric of pgmon's own: give it another name",
            "e (pgmon.yaml:7): it must be one statement",
        ]
    );
    assert_eq!(set.definitions.len(), 5);
    assert_eq!(&*set.definitions[0].sql, "SELECT 1");
    assert_eq!(&*set.definitions[0].search_path, r#""pg_catalog", "$user", "public""#);
}

#[test]
fn the_statement_names_casts_and_limits() {
    let definition = query(
        "- {name: a, help: A., query: SELECT 1 -- why, labels: [location], max_series: 10, metrics: [{column: n}, {column: at}, {column: ok}, {column: said}]}\n",
    );
    let columns = [
        column("Location", Class::Other),
        column("n", Class::Number),
        column("unused", Class::Other),
        column("at", Class::Epoch),
        column("ok", Class::Bool),
        column("said", Class::Text),
    ];
    let shape = Shape::new(&definition, &columns).unwrap();
    assert_eq!(
        shape.sql,
        "SELECT pg_catalog.left(q.c1::pg_catalog.text, 1024), q.c2::pg_catalog.float8, \
         pg_catalog.date_part('epoch', q.c4), q.c5::pg_catalog.int4::pg_catalog.float8, pg_catalog.left(q.c6::pg_catalog.text, 129)\n\
         FROM (\nSELECT 1 -- why\n) AS q (c1, c2, c3, c4, c5, c6)\nLIMIT 3"
    );
    assert!(
        probe(&definition.sql).contains("(\nSELECT 1 -- why\n)"),
        "a comment at the end ends with its line"
    );
}

#[test]
fn the_value_is_the_first_number_that_is_no_label() {
    let definition = query("- {name: a, help: A., query: SELECT 1, labels: [id]}\n");
    let sql = |columns: &[Column]| Shape::new(&definition, columns).map(|shape| (shape.sql, shape.note));
    let id = || column("id", Class::Number);
    let (text, note) =
        sql(&[id(), column("at", Class::Epoch), column("n", Class::Number), column("m", Class::Number)])
            .unwrap();
    assert!(text.contains("q.c3::pg_catalog.float8") && !text.contains("date_part"), "{text}");
    assert_eq!(
        note.as_deref(),
        Some("the value is column n, the first of n, m; value_field chooses another")
    );
    let (text, note) = sql(&[id(), column("t", Class::Text), column("at", Class::Epoch)]).unwrap();
    assert!(text.contains("date_part('epoch', q.c3)") && note.is_none());
    assert_eq!(
        sql(&[id(), column("t", Class::Text)]).unwrap_err(),
        "no column has a number besides the labels; the result has id (number), t (text); cast one, or name it in value_field"
    );
    assert_eq!(sql(&[]).unwrap_err(), "the result has no column id; it has none at all");
}

#[test]
fn null_is_absent_and_of_equal_labels_the_last_row_counts() {
    let definition = query("- {name: a, help: A., query: SELECT 1, labels: [x]}\n");
    let shape = Shape::new(&definition, &[column("x", Class::Text), column("n", Class::Number)]).unwrap();
    let rows = vec![
        vec![text("a"), Cell::Number(1.0)],
        vec![text("b"), Cell::Null],
        vec![Cell::Null, Cell::Number(f64::INFINITY)],
        vec![text("c"), Cell::Number(f64::NAN)],
        vec![text("a"), Cell::Number(2.0)],
    ];
    let (lines, note) = taken(&definition, &shape, rows);
    assert_eq!(lines, ["a{x=\"a\"} 2", "a +Inf"]);
    assert_eq!(
        note.as_deref(),
        Some("1 of 5 rows have the labels of a later row and are left out; add a label")
    );
}

#[test]
fn texts_are_numbers_if_they_say_one() {
    let definition = query("- {name: a, help: A., query: SELECT 1, value_field: v}\n");
    let shape = Shape::new(&definition, &[column("v", Class::Text)]).unwrap();
    let number = |said: &str| match Rows::of(vec![vec![text(said)]]).finish(&definition, &shape) {
        Ok(Taken::Families(families, _)) => lines(&families).pop(),
        Ok(Taken::Dropped(_)) => panic!(),
        Err(error) => Some(error),
    };
    assert_eq!(number(" 12.50 ").as_deref(), Some("a 12.5"));
    assert_eq!(number("-Infinity").as_deref(), Some("a -Inf"));
    assert_eq!(number("NaN"), None);
    assert_eq!(number("12 apples").as_deref(), Some("column v has a text that is no number"));
}

#[test]
fn a_histogram_by_rows_and_by_columns_is_the_same() {
    let rows = query("- {name: h, help: H., query: SELECT 1, type: histogram, labels: [x], sum_field: s}\n");
    let columns = ["x", "le", "n", "s"]
        .map(|name| column(name, if name == "x" || name == "le" { Class::Text } else { Class::Number }));
    let shape = Shape::new(&rows, &columns).unwrap();
    let row = |x: &str, le: &str, n: f64| vec![text(x), text(le), Cell::Number(n), Cell::Number(1.5)];
    let (by_rows, _) = taken(
        &rows,
        &shape,
        vec![row("a", "+Inf", 7.0), row("a", "0.1", 2.0), row("b", "1", 1.0), row("a", "1", 5.0)],
    );
    assert_eq!(
        by_rows,
        [
            "h_bucket{x=\"a\",le=\"0.1\"} 2",
            "h_bucket{x=\"a\",le=\"1\"} 5",
            "h_bucket{x=\"a\",le=\"+Inf\"} 7",
            "h_sum{x=\"a\"} 1.5",
            "h_count{x=\"a\"} 7",
            "h_bucket{x=\"b\",le=\"1\"} 1",
            "h_bucket{x=\"b\",le=\"+Inf\"} 1",
            "h_sum{x=\"b\"} 1.5",
            "h_count{x=\"b\"} 1",
        ]
    );
    let wide = query(
        "- {name: h, help: H., query: SELECT 1, type: histogram, labels: [x], sum_field: s, cumulative: false, buckets: {'1': b, '0.1': a, '+Inf': c}}\n",
    );
    let columns = ["x", "a", "b", "c", "s"]
        .map(|name| column(name, if name == "x" { Class::Text } else { Class::Number }));
    let shape = Shape::new(&wide, &columns).unwrap();
    let row = [2.0, 3.0, 2.0, 1.5].map(Cell::Number);
    let (by_columns, _) = taken(&wide, &shape, vec![[vec![text("a")], row.to_vec()].concat()]);
    assert_eq!(by_columns, by_rows[..5]);
}

#[test]
fn a_histogram_that_is_none_says_why() {
    let bad = |counts: &[(f64, u64)], cumulative| {
        Buckets { counts: counts.to_vec(), sum: None, total: None }.histogram(cumulative).unwrap_err()
    };
    assert!(bad(&[(1.0, 5), (2.0, 4)], true).contains("cumulative: false"));
    assert!(bad(&[(1.0, 5), (1.0, 5)], true).contains("twice"));
    assert!(bad(&[(1.0, u64::MAX), (2.0, 1)], false).contains("too large"));
    let total = Buckets { counts: vec![(1.0, 5)], sum: None, total: Some(9) }.histogram(true).unwrap();
    assert_eq!((total.count(), total.counts), (9, vec![5, 4]));
    let definition = query("- {name: h, help: H., query: SELECT 1, type: histogram}\n");
    let shape = Shape::new(&definition, &[column("le", Class::Number), column("n", Class::Number)]).unwrap();
    for count in [-1.0, 0.5, 1e300] {
        let rows = Rows::of(vec![vec![Cell::Number(1.0), Cell::Number(count)]]);
        let error = rows.finish(&definition, &shape).unwrap_err();
        assert_eq!(error, "column n has a count that is negative or not whole");
    }
}

#[test]
fn a_summary_by_rows_and_by_columns() {
    let rows =
        query("- {name: s, help: S., query: SELECT 1, type: summary, quantile_field: q, count_field: n}\n");
    let columns = ["q", "v", "n"].map(|name| column(name, Class::Number));
    let shape = Shape::new(&rows, &columns).unwrap();
    let row = |q: f64, v: f64| vec![Cell::Number(q), Cell::Number(v), Cell::Number(40.0)];
    let (lines, _) = taken(&rows, &shape, vec![row(0.99, 7.5), row(0.5, 0.25)]);
    assert_eq!(lines, ["s{quantile=\"0.5\"} 0.25", "s{quantile=\"0.99\"} 7.5", "s_count 40"]);
    for bad in [vec![row(1.5, 1.0)], vec![row(0.5, 1.0), row(0.5, 2.0)]] {
        assert!(Rows::of(bad).finish(&rows, &shape).is_err());
    }
    let wide = query(
        "- {name: s, help: S., query: SELECT 1, type: summary, quantiles: {'0.99': p99, '0.5': p50}}\n",
    );
    let shape = Shape::new(&wide, &["p99", "p50"].map(|name| column(name, Class::Number))).unwrap();
    let (lines, _) = taken(&wide, &shape, vec![vec![Cell::Number(0.25), Cell::Null]]);
    assert_eq!(lines, ["s{quantile=\"0.5\"} 0.25"], "columns are read in the order of the quantiles");
}

#[test]
fn what_is_too_large_is_left_out_and_the_label_named() {
    let definition = query("- {name: a, help: A., query: SELECT 1, labels: [few, many], max_series: 3}\n");
    let columns = [column("few", Class::Text), column("many", Class::Text), column("n", Class::Number)];
    let shape = Shape::new(&definition, &columns).unwrap();
    assert!(shape.sql.ends_with("LIMIT 4"));
    let row = |n: usize| {
        vec![text(if n.is_multiple_of(2) { "x" } else { "y" }), text(&n.to_string()), Cell::Number(1.0)]
    };
    let finish = |n: usize| Rows::of((0..n).map(row).collect()).finish(&definition, &shape).unwrap();
    assert!(matches!(finish(3), Taken::Families(..)));
    let Taken::Dropped(dropped) = finish(4) else { panic!() };
    assert_eq!(
        dropped.to_string(),
        "left out: the result has more than 3 series; label many has 4 values or more"
    );
}

proptest! {
    #[test]
    fn buckets_make_a_histogram_that_rises(
        counts in proptest::collection::btree_map(-1000..1000_i32, 0..1000_u64, 1..12),
        infinite in proptest::option::of(0..1000_u64),
        total in proptest::option::of(0..20_000_u64),
    ) {
        let mut rows: Vec<(f64, u64)> = counts.iter().map(|(b, n)| (f64::from(*b), *n)).collect();
        rows.extend(infinite.map(|n| (f64::INFINITY, n)));
        rows.reverse();
        let own = Buckets { counts: rows.clone(), sum: Some(1.0), total }.histogram(false).unwrap();
        prop_assert_eq!(own.counts.len(), own.bounds.len() + 1);
        prop_assert!(own.bounds.is_sorted());
        // The same told cumulatively is the same histogram.
        let mut below = 0;
        let mut told: Vec<(f64, u64)> = own.bounds.iter().copied().zip(&own.counts).map(|(b, n)| {
            below += n;
            (b, below)
        }).collect();
        told.push((f64::INFINITY, own.count()));
        let again = Buckets { counts: told, sum: Some(1.0), total: None }.histogram(true).unwrap();
        prop_assert_eq!(own, again);
    }

    #[test]
    fn no_rows_panic(
        numbers in proptest::collection::vec((any::<f64>(), any::<f64>(), ".{0,3}"), 0..8),
        kind in prop_oneof![Just("gauge"), Just("histogram"), Just("summary")],
    ) {
        let definition = query(&format!("- {{name: a, help: A., query: SELECT 1, labels: [x], type: {kind}}}\n"));
        let bound = if kind == "summary" { "quantile" } else { "le" };
        let columns = [column("x", Class::Text), column("n", Class::Number), column(bound, Class::Number)];
        let shape = Shape::new(&definition, &columns).unwrap();
        let order: Vec<usize> = shape.reads.iter().filter_map(|(_, name)| columns.iter().position(|c| c.name == *name)).collect();
        let rows = numbers.iter().map(|(a, b, x)| {
            let all = [text(x), Cell::Number(*a), Cell::Number(*b)];
            order.iter().map(|at| all[*at].clone()).collect()
        });
        if let Ok(Taken::Families(families, _)) = Rows::of(rows.collect()).finish(&definition, &shape) {
            for sample in families.iter().flat_map(|f| &f.samples) {
                if let Value::Number(n) = sample.value {
                    prop_assert!(!n.is_nan());
                }
            }
        }
    }
}
