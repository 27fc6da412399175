//! Rules of `queries`.

use super::load;
use crate::{MetricShape, MetricType};

fn faults(queries: &str) -> Vec<String> {
    match load(&format!("dsn: postgres://a@localhost/b\nqueries:\n{queries}")) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("warning: {w}")).collect(),
        Err(errors) => errors.diagnostics().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn all_that_a_query_can_say() {
    let loaded = load(
        r#"
databases: [{name: orders, host: localhost, user: u}]
search_path: [app, $user]
queries:
- name: shop_orders
  help: Orders.
  query: SELECT status, count(*) AS n, sum(price) AS total FROM orders GROUP BY status
  labels: [status]
  databases: ["ord*", "!orders_test"]
  min_version: 13
  max_version: 17
  interval: 5m
  timeout: 2s
  cache: 20m
  scope: database
  max_series: 200
  search_path: [app]
  metrics:
  - {column: n, help: Number of orders.}
  - {valueField: total, type: counter, name: shop_turnover_total}
- name: shop_seconds
  help: Duration of requests.
  type: histogram
  query: SELECT route, within_100ms, within_1s, n, total FROM requests
  labels: [route]
  buckets: {"1": within_1s, "0.1": within_100ms, "+Inf": n}
  sum_field: total
- {name: shop_rows_seconds, help: X., type: histogram, query: SELECT 1, bucketField: b, valueField: c, cumulative: false}
- {name: shop_p, help: X., type: summary, query: SELECT 1, quantiles: {"0.99": p99, "0.5": p50}, countField: n}
- {name: shop_q, help: X., type: summary, query: SELECT 1}
"#,
    )
    .unwrap();
    assert_eq!(loaded.warnings, []);
    let q = &loaded.config.queries;
    let specs = q[0].specs();
    assert_eq!((specs[0].name.as_str(), specs[0].help.as_str()), ("shop_orders_n", "Number of orders."));
    assert_eq!((specs[1].name.as_str(), specs[1].kind), ("shop_turnover_total", MetricType::Counter));
    assert_eq!(specs[1].shape, MetricShape::Number(Some("total".into())));
    let buckets = [(0.1, "within_100ms"), (1.0, "within_1s"), (f64::INFINITY, "n")];
    assert_eq!(
        q[1].specs()[0].shape,
        MetricShape::BucketColumns(buckets.map(|(bound, column)| (bound, column.to_owned())).into())
    );
    assert_eq!(q[2].specs()[0].shape, MetricShape::BucketRows { bound: "b".into(), count: Some("c".into()) });
    assert!(!q[2].specs()[0].cumulative);
    assert_eq!(
        q[3].specs()[0].shape,
        MetricShape::QuantileColumns(vec![(0.5, "p50".into()), (0.99, "p99".into())])
    );
    assert_eq!(q[4].specs()[0].shape, MetricShape::QuantileRows { quantile: "quantile".into(), value: None });
    assert_eq!(loaded.config.search_path, ["app", "$user"]);
}

#[test]
fn names_and_labels() {
    insta::assert_snapshot!(
        faults(
            "- {name: a b, help: X., query: SELECT 1}\n\
             - {name: ok, help: X., query: SELECT 1, labels: [cluster, a-b, x, x, __y, 1z]}\n\
             - {name: h, help: X., type: histogram, query: SELECT 1, labels: [le]}\n\
             - {name: s, help: X., type: summary, query: SELECT 1, labels: [quantile, le]}\n\
             - {name: v, help: X., query: SELECT 1, labels: [x], value_field: x}\n\
             - {name: no_help, query: SELECT 1}\n"
        )
        .join("\n")
    );
    let discover = "databases: [{name: orders, host: localhost, user: u, discover: true}]\n";
    let query = |scope| {
        format!(
            "{discover}queries: [{{name: x, help: X., query: SELECT 1, labels: [datname], scope: {scope}}}]\n"
        )
    };
    assert!(load(&query("server")).is_ok());
    let error = load(&query("database")).unwrap_err().to_string();
    assert!(
        error.contains("labels[0]: pgmon adds this label where a database has `discover: true`"),
        "{error}"
    );
}

#[test]
fn types_and_their_keys() {
    insta::assert_snapshot!(faults(
            "- {name: a, help: X., query: SELECT 1, buckets: {'1': x}, quantile_field: q}\n\
             - {name: b, help: X., type: histogram, query: SELECT 1, buckets: {x: y, '1': z, '1.0': z}, value_field: v, bucket_field: le}\n\
             - {name: c, help: X., type: summary, query: SELECT 1, quantiles: {'1.5': y}, cumulative: true}\n\
             - {name: d, help: X., type: counter, query: SELECT 1, metrics: [{column: x}, {type: histogram, name: dd}, {type: summary}, {buckets: {}}]}\n\
             - {name: e, help: X., query: SELECT 1, metrics: [{column: a b}, {column: c, name: e_c}, {column: c}]}\n"
        ).join("\n"));
}

#[test]
fn one_name_is_one_thing() {
    insta::assert_snapshot!(
        faults(
            "- {name: a, help: X., query: SELECT 1}\n\
             - {name: a, help: X., query: SELECT 2}\n\
             - {name: a, help: X., query: SELECT 3, type: counter}\n\
             - {name: a, help: X., query: SELECT 3, databases: [x]}\n\
             - {name: h, help: X., query: SELECT 1, type: histogram}\n\
             - {name: h_count, help: X., query: SELECT 1}\n\
             - {name: n_total, help: X., query: SELECT 1, type: counter}\n\
             - {name: n, help: X., query: SELECT 1}\n"
        )
        .join("\n")
    );
    let third = "- {name: a, help: X., query: SELECT 1, max_version: 13}\n- {name: a, help: X., query: SELECT 2, min_version: 14}\n- {name: a, help: X., query: SELECT 3, min_version: 14}\n";
    assert!(
        faults(third)[0].contains("queries[2].name: a is a metric of pgmon.yaml:4 as well"),
        "{:?}",
        faults(third)
    );
    // Both patterns fit the one database.
    let overlap = "- {name: q, help: X., query: SELECT 1, databases: [b]}\n- {name: q, help: X., query: SELECT 2, databases: ['?']}\n";
    assert!(faults(overlap)[0].contains("for the same databases"), "{:?}", faults(overlap));
    let apart = overlap.replace("'?'", "'??'");
    assert!(!faults(&apart).iter().any(|fault| fault.contains("as well")), "{:?}", faults(&apart));
    let by_version = "- {name: a, help: X., query: SELECT 1, max_version: 13}\n- {name: a, help: X., query: SELECT 2, min_version: 14}\n";
    assert_eq!(faults(by_version), [""; 0]);
}

#[test]
fn times_and_places() {
    insta::assert_snapshot!(faults(
            "- {name: a, help: X., query: SELECT 1, interval: 500ms}\n- {name: b, help: X., query: SELECT 1, min_version: 15, max_version: 14, max_series: 0, timeout: 5}\n- {name: c, help: X., query: SELECT 1, min_version: 15, max_version: 14}\n- {name: d, help: X., query: SELECT 1, search_path: []}\n"
        ).join("\n"));
    insta::assert_snapshot!(
        faults(
            "- {name: a, help: X., query: SELECT 1, databases: [x], interval: 10s, timeout: 20s, cache: 5s}\n"
        )
        .join("\n")
    );
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    let page = include_str!("../../../../docs/custom-queries.md");
    let mut blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let texts = blocks.by_ref().filter(|text| !text.starts_with("databases:"));
    let mut metrics = 0;
    for text in texts {
        let list = if text.starts_with("queries:") { text.to_owned() } else { format!("queries:\n{text}") };
        let loaded =
            load(&format!("dsn: postgres://a@localhost/b\n{list}")).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(loaded.warnings, [], "{text}");
        metrics += loaded.config.queries.iter().map(|query| query.specs().len()).sum::<usize>();
    }
    assert!(metrics >= 9, "{metrics}");
}
