//! Queries on real servers.

mod trouble;

use super::tests::{lines, queries};
use super::{Custom, Defaults, Place, QuerySet};
use crate::postgres::facts::Facts;
use crate::postgres::session::{Guard, Session};
use crate::postgres::testing::on_all_majors;
use pgmon_core::clock::SystemClock;
use pgmon_core::snapshot::{CollectorState, Outcome};
use pgmon_testkit::{Major, Server};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

const LIMITS: Defaults = Defaults { longest: PATIENCE, rhythm: None };

/// A database with queries.
struct Bench {
    session: Session,
    custom: Custom,
    clock: SystemClock,
}

impl Bench {
    async fn new(server: &Server, database: &str, queries: &QuerySet) -> Self {
        Self::as_role(&server.dsn(database), queries).await
    }

    async fn as_role(dsn: &str, queries: &QuerySet) -> Self {
        let guard = Guard { lock_timeout: Duration::from_millis(500), pooled: false };
        let mut session = Session::connect(&dsn.parse().unwrap(), guard, PATIENCE).await.unwrap();
        let facts = Facts::read(&mut session, PATIENCE).await.unwrap();
        let place = Place { cluster: "c".into(), db: "d".into(), discover: false, visited: false };
        let mut custom = Custom::new(place, queries, LIMITS);
        custom.set_facts(Arc::new(facts), true, Duration::ZERO);
        Self { session, custom, clock: SystemClock::new() }
    }

    /// Runs each query once.
    async fn run(&mut self) -> BTreeMap<String, CollectorState> {
        let mut states = BTreeMap::new();
        let done = |definition: &super::Definition, state: &CollectorState| {
            states.insert(definition.name.to_string(), state.clone());
        };
        self.custom.run_all(&mut self.session, &self.clock, done).await.unwrap();
        states
    }
}

fn shown(state: &CollectorState) -> Vec<String> {
    state.good.as_ref().map_or_else(Vec::new, |good| lines(&good.families))
}

fn failure(state: &CollectorState) -> &str {
    match &state.outcome {
        Outcome::Failed { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// Types of values, each with an expression and what it comes to.
const VALUES: &[(&str, &str, &str)] = &[
    ("int2", "7::int2", "7"),
    ("int4", "-7::int4", "-7"),
    ("int8", "9007199254740991::int8", "9007199254740991.0"),
    ("numeric", "12345678901234567890.125::numeric", "1.2345678901234567e+19"),
    ("numeric_nan", "'NaN'::numeric", ""),
    ("float4", "1.5::float4", "1.5"),
    ("float8", "1e-300::float8", "1e-300"),
    ("float8_inf", "'-Infinity'::float8", "-Inf"),
    ("bool", "true", "1"),
    ("bool_false", "false", "0"),
    ("interval", "interval '1 day 2 hours 0.5 seconds'", "93600.5"),
    ("timestamptz", "'2001-09-09 01:46:40.25+00'::timestamptz", "1000000000.25"),
    ("timestamp", "'2001-09-09 01:46:40'::timestamp", "1000000000"),
    ("date", "'1970-01-02'::date", "86400"),
    ("time", "'00:01:30'::time", "90"),
    ("oid", "4294967295::oid", "4294967295"),
    ("xid", "'4294967295'::xid", "4294967295"),
    ("lsn", "'1/0'::pg_lsn", "4294967296"),
    ("domain", "5::positive", "5"),
    ("spelled", "' 12.5 '::text", "12.5"),
    ("varchar", "'1e3'::varchar(10)", "1000"),
    ("money", "12.5::numeric::money", "12.5"),
    ("null", "NULL::int8", ""),
    ("null_unknown", "NULL", ""),
];

/// Types of labels, each with an expression and its text.
const LABELS: &[(&str, &str)] = &[
    ("'a \"b\" \\ c'", r#"a \"b\" \\ c"#),
    ("42::int8", "42"),
    ("1.50::numeric", "1.50"),
    ("true", "true"),
    ("'happy'::mood", "happy"),
    ("5::positive", "5"),
    ("'pg_class'::regclass", "pg_class"),
    ("ARRAY['a b', NULL, 'c']", r#"{\"a b\",NULL,c}"#),
    ("'{\"a\": 1}'::jsonb", r#"{\"a\": 1}"#),
    ("'10.0.0.0/8'::inet", "10.0.0.0/8"),
    ("'6b09f0e4-0000-4000-8000-000000000001'::uuid", "6b09f0e4-0000-4000-8000-000000000001"),
    ("'2001-09-09'::date", "2001-09-09"),
    ("interval '90 minutes'", "01:30:00"),
    ("int4range(1, 5)", "[1,5)"),
    ("ROW(1, 'x')", "(1,x)"),
    ("'\\x00ff'::bytea", "\\\\x00ff"),
    ("point(1,2)", "(1,2)"),
    ("'char'::\"char\"", "c"),
];

#[test]
fn values_and_labels_of_every_type() {
    on_all_majors(|major| async move {
        let server = Server::start(major).await.unwrap();
        let types = "CREATE TYPE mood AS ENUM ('happy'); CREATE DOMAIN positive AS int CHECK (value > 0)";
        server.exec("postgres", types).await.unwrap();
        let mut yaml = String::new();
        for (name, expression, _) in VALUES {
            yaml += &format!(
                "- {{name: v_{name}, help: V., value_field: v, query: \"SELECT {} AS v\"}}\n",
                expression.replace('\\', "\\\\").replace('"', "\\\"")
            );
        }
        for (n, (expression, _)) in LABELS.iter().enumerate() {
            yaml += &format!(
                "- {{name: l_{n}, help: L., labels: [l], query: \"SELECT {} AS l, 1 AS v\"}}\n",
                expression.replace('\\', "\\\\").replace('"', "\\\"")
            );
        }
        let states = Bench::new(&server, "postgres", &queries(&yaml)).await.run().await;
        for (name, _, wanted) in VALUES {
            let state = &states[&format!("v_{name}")];
            let line = if wanted.is_empty() { vec![] } else { vec![format!("v_{name} {wanted}")] };
            assert_eq!((shown(state), &state.outcome), (line, &Outcome::Ok), "{major} {name}");
        }
        for (n, (expression, wanted)) in LABELS.iter().enumerate() {
            let state = &states[&format!("l_{n}")];
            assert_eq!(
                (shown(state), &state.outcome),
                (vec![format!("l_{n}{{l=\"{wanted}\"}} 1")], &Outcome::Ok),
                "{major} {expression}"
            );
        }
    });
}

const COURSES: &str = "CREATE TABLE courses (name text, location text, hole_count int); \
    INSERT INTO courses VALUES ('a', 'Portland, OR', 18), ('b', 'Estacada, OR', 27), ('c', 'Fairview, OR', 18)";

#[test]
fn sitreps_queries_work_as_they_are() {
    on_all_majors(|major| async move {
        let server = Server::start(major).await.unwrap();
        server.exec("postgres", COURSES).await.unwrap();
        let set = queries(
            "- {name: disc_golf_course_count_by_location, help: Number, type: gauge, labels: [location], query: 'SELECT location, COUNT(*)::int FROM courses GROUP BY location'}\n\
             - {name: disc_golf_total_holes, help: Total, type: gauge, labels: [], query: 'SELECT SUM(hole_count)::int AS total_holes FROM courses'}\n\
             - {name: disc_golf_holes_by_location, help: Holes, labels: [location], valueField: holes, query: 'SELECT location, SUM(hole_count) AS holes FROM courses GROUP BY location;'}\n\
             - {name: counted, help: What SitRep dropped, query: 'SELECT COUNT(*) FROM courses'}\n\
             - {name: counted_total, help: A counter, type: counter, query: SELECT 5}\n",
        );
        let mut bench = Bench::new(&server, "postgres", &set).await;
        let states = bench.run().await;
        let mut by_location = shown(&states["disc_golf_course_count_by_location"]);
        by_location.sort();
        let of = |location: &str| format!("disc_golf_course_count_by_location{{location=\"{location}\"}} 1");
        assert_eq!(by_location, ["Estacada, OR", "Fairview, OR", "Portland, OR"].map(of), "{major}");
        assert_eq!(shown(&states["disc_golf_total_holes"]), ["disc_golf_total_holes 63"]);
        assert_eq!(shown(&states["counted"]), ["counted 3"]);
        assert_eq!(shown(&states["disc_golf_holes_by_location"]).len(), 3);

        // A counter is what the query returns; labels that are gone are gone.
        server.exec("postgres", "DELETE FROM courses WHERE location LIKE 'F%'").await.unwrap();
        let states = bench.run().await;
        assert_eq!(shown(&states["counted_total"]), ["counted_total 5"]);
        let by_location = shown(&states["disc_golf_course_count_by_location"]);
        assert_eq!(by_location.len(), 2);
        assert!(!by_location.concat().contains("Fairview"), "{by_location:?}");

        // The statement that is shown is the one that ran, and it has the query in it.
        let executed = &states["counted"].good.as_ref().unwrap().executed;
        assert_eq!(executed.len(), 1, "the columns are asked for once");
        assert!(executed[0].sql.contains("SELECT COUNT(*) FROM courses\n) AS q (c1)"), "{}", executed[0].sql);
        assert_eq!((executed[0].rows, &*executed[0].collector), (1, "query:counted"));
    });
}

#[test]
fn histograms_and_summaries_from_a_table() {
    on_all_majors(|major| async move {
        let server = Server::start(major).await.unwrap();
        server
            .exec("postgres", "CREATE TABLE requests AS SELECT CASE WHEN n % 2 = 0 THEN '/' ELSE '/a' END AS route, n / 100.0 AS seconds FROM generate_series(1, 100) AS n")
            .await
            .unwrap();
        let set = queries(
            r#"
- name: wide
  help: W.
  type: histogram
  labels: [route]
  buckets: {"0.25": a, "0.5": b, "+Inf": n}
  sum_field: total
  query: SELECT route, count(*) FILTER (WHERE seconds <= 0.25) AS a, count(*) FILTER (WHERE seconds <= 0.5) AS b, count(*) AS n, sum(seconds) AS total FROM requests GROUP BY route
- name: long
  help: L.
  type: histogram
  labels: [route]
  sum_field: total
  query: |
    SELECT route, le, count(*) FILTER (WHERE seconds <= le), sum(seconds) AS total
    FROM requests CROSS JOIN (VALUES (0.25::float8), (0.5), ('Infinity')) AS bounds (le) GROUP BY route, le
- name: quantiles_long
  help: Q.
  type: summary
  query: SELECT q AS quantile, percentile_disc(q) WITHIN GROUP (ORDER BY seconds) AS v FROM requests, unnest(ARRAY[0.5, 0.9]) AS q GROUP BY q
- name: quantiles_wide
  help: Q.
  type: summary
  quantiles: {"0.5": p50, "0.9": p90}
  sum_field: total
  count_field: n
  query: SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS p50, percentile_disc(0.9) WITHIN GROUP (ORDER BY seconds) AS p90, sum(seconds) AS total, count(*) AS n FROM requests
- name: shop
  help: Several.
  labels: [route]
  metrics: [{column: n}, {column: total, name: shop_seconds_total, type: counter}]
  query: SELECT route, count(*) AS n, sum(seconds) AS total FROM requests GROUP BY 1 ORDER BY 1
"#,
        );
        let states = Bench::new(&server, "postgres", &set).await.run().await;
        let wide = shown(&states["wide"]);
        assert!(wide.contains(&r#"wide_bucket{route="/",le="0.25"} 12"#.to_owned()), "{major}: {wide:?}");
        assert!(wide.contains(&r#"wide_bucket{route="/",le="+Inf"} 50"#.to_owned()));
        assert!(wide.contains(&r#"wide_sum{route="/"} 25.5"#.to_owned()));
        let mut renamed: Vec<String> =
            shown(&states["long"]).iter().map(|l| l.replace("long_", "wide_")).collect();
        let mut wide = wide;
        renamed.sort();
        wide.sort();
        assert_eq!(renamed, wide);
        let quantiles = ["{quantile=\"0.5\"} 0.5", "{quantile=\"0.9\"} 0.9"];
        assert_eq!(shown(&states["quantiles_long"]), quantiles.map(|q| format!("quantiles_long{q}")));
        let wide = shown(&states["quantiles_wide"]);
        assert_eq!(wide[..2], quantiles.map(|q| format!("quantiles_wide{q}")));
        assert_eq!(wide[2..], ["quantiles_wide_sum 50.5", "quantiles_wide_count 100"]);
        assert_eq!(
            shown(&states["shop"]),
            [
                "shop_n{route=\"/\"} 50",
                "shop_n{route=\"/a\"} 50",
                "shop_seconds_total{route=\"/\"} 25.5",
                "shop_seconds_total{route=\"/a\"} 25"
            ]
        );
    });
}

#[tokio::test]
async fn versions_and_databases_choose() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let set = queries(
        "- {name: a, help: A., query: SELECT 1, max_version: 16}\n\
         - {name: a, help: A., query: SELECT 2, min_version: 17}\n\
         - {name: b, help: A., query: SELECT 1, databases: ['d*']}\n\
         - {name: c, help: A., query: SELECT 1, databases: [x, c/d]}\n\
         - {name: d, help: A., query: SELECT 1, databases: ['!d']}\n\
         - {name: e, help: A., query: SELECT 1, databases: [postgres]}\n",
    );
    let mut bench = Bench::new(&server, "postgres", &set).await;
    let states = bench.run().await;
    assert_eq!(states.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(shown(&states["a"]), ["a 2"]);
    assert_eq!(bench.custom.left_out().count(), 3);
}

#[tokio::test]
async fn a_set_can_be_replaced_and_what_stays_keeps_its_state() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let before = queries("- {name: a, help: A., query: SELECT 1}\n- {name: b, help: B., query: SELECT 2}\n");
    let mut bench = Bench::new(&server, "postgres", &before).await;
    bench.run().await;
    let after = queries(
        "- {name: b, help: B., query: SELECT 2}\n- {name: a, help: A., query: SELECT 3}\n- {name: c, help: C., query: SELECT 4}\n",
    );
    bench.custom.set(&after, LIMITS, Duration::from_secs(5));
    let states: Vec<_> = bench.custom.states(true).collect();
    let known: Vec<_> = states.iter().map(|s| (s.collector.as_str(), s.good.is_some())).collect();
    assert_eq!(known, [("query:b", true), ("query:a", false), ("query:c", false)]);
    bench.custom.set(&QuerySet::default(), LIMITS, Duration::from_secs(6));
    assert_eq!(bench.custom.states(true).count(), 0);
}

#[tokio::test]
async fn names_are_looked_up_where_the_query_says() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    server
        .exec("postgres", "CREATE SCHEMA app; CREATE SCHEMA \"O'dd\"; CREATE TABLE app.t AS SELECT 1 AS n; CREATE TABLE \"O'dd\".t AS SELECT 2 AS n; CREATE TABLE public.t AS SELECT 3 AS n; CREATE SCHEMA postgres; CREATE TABLE postgres.u AS SELECT 4 AS n")
        .await
        .unwrap();
    let set = queries(
        "- {name: usual, help: U., query: SELECT n FROM t}\n\
         - {name: app, help: A., query: SELECT n FROM t, search_path: [app]}\n\
         - {name: odd, help: O., query: SELECT n FROM t, search_path: [\"O'dd\", public]}\n\
         - {name: own, help: O., query: SELECT n FROM u}\n",
    );
    let mut bench = Bench::new(&server, "postgres", &set).await;
    let states = bench.run().await;
    for (name, wanted) in [("usual", 3), ("app", 1), ("odd", 2), ("own", 4)] {
        assert_eq!(shown(&states[name]), [format!("{name} {wanted}")]);
    }
}
