//! Queries that fail, wait or explode cost only themselves.

use super::{Bench, COURSES, failure, shown};
use crate::postgres::custom::tests::queries;
use crate::postgres::testing::on_all_majors;
use pgmon_core::clock::Clock as _;
use pgmon_core::snapshot::Outcome;
use pgmon_testkit::{Major, Server};
use std::time::Duration;

#[test]
fn one_that_fails_does_not_spoil_the_rest() {
    on_all_majors(|major| async move {
        let server = Server::start(major).await.unwrap();
        let setup = "CREATE TABLE t (n int); CREATE FUNCTION w() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING n'; \
             CREATE FUNCTION tells() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''customer hunter owes %'', repeat(''y'', 1000000); END'";
        server.exec("postgres", setup).await.unwrap();
        let set = queries(
            "- {name: good, help: G., query: SELECT 1}\n\
             - {name: gone, help: G., query: SELECT * FROM no_such_table}\n\
             - {name: wrong, help: G., query: SELECT FROM WHERE}\n\
             - {name: writes, help: G., query: SELECT w()}\n\
             - {name: with, help: G., query: 'WITH x AS (INSERT INTO t VALUES (1) RETURNING n) SELECT n FROM x'}\n\
             - {name: slow, help: G., timeout: 200ms, query: 'SELECT count(*) FROM generate_series(1, 1000000000)'}\n\
             - {name: unlabelled, help: G., labels: [nothing], query: SELECT 1 AS one}\n\
             - {name: wordy, help: G., value_field: x, query: \"SELECT 'abc' AS x\"}\n\
             - {name: leaky, help: G., query: \"SELECT ('hunter' || n)::int AS n FROM generate_series(1, 2) AS n\"}\n\
             - {name: tells, help: G., query: SELECT tells()}\n\
             - {name: endless, help: G., query: \"SELECT * FROM \\\"n\\\".nowhere\"}\n\
             - {name: vast, help: G., query: \"SELECT '1e400'::numeric AS n\"}\n\
             - {name: longer, help: G., value_field: n, query: \"SELECT repeat('1', 200) AS n\"}\n\
             - {name: nothing, help: G., query: SELECT 1 AS n WHERE false}\n\
             - {name: also_good, help: G., query: SELECT 2}\n",
        );
        let mut bench = Bench::new(&server, "postgres", &set).await;
        let states = bench.run().await;
        assert_eq!(shown(&states["good"]), ["good 1"]);
        assert_eq!(shown(&states["also_good"]), ["also_good 2"]);
        assert_eq!((shown(&states["nothing"]), &states["nothing"].outcome), (vec![], &Outcome::Ok));
        for (name, wanted) in [
            ("gone", "no_such_table"),
            ("wrong", "syntax error"),
            ("writes", "read-only transaction"),
            ("with", "INSERT INTO is not read-only"),
            ("slow", "statement timeout"),
            ("unlabelled", "the result has no column nothing; it has one (int4)"),
            ("wordy", "column x has a text that is no number"),
            (
                "leaky",
                "invalid input syntax for type integer (SQLSTATE 22P02; the value is not repeated here)",
            ),
            ("tells", "a function raised an error (SQLSTATE P0001; its text may hold data"),
            ("endless", "relation \"n.nowhere\" does not exist"),
            ("vast", "out of range for type double precision (SQLSTATE 22003"),
            ("longer", "column n has a text that is no number"),
        ] {
            let message = failure(&states[name]);
            assert!(message.contains(wanted), "{major} {name}: {message}");
            assert!(!message.contains("hunter") && message.len() < 1000, "{name}: {message}");
            assert_eq!((states[name].errors, states[name].good.is_some()), (1, false), "{name}");
        }
        assert!(states["slow"].stride > 1, "what does not fit its limit is run less often");
        assert_eq!(server.query::<i64>("postgres", "SELECT count(*) FROM t").await.unwrap(), 0);

        // What is mended is seen the next time.
        server.exec("postgres", "CREATE TABLE no_such_table AS SELECT 5 AS n").await.unwrap();
        let states = bench.run().await;
        assert_eq!(shown(&states["gone"]), ["gone 5"]);
        assert_eq!((states["gone"].errors, states["wrong"].errors), (1, 2));
        // Columns that change their types or go are seen as well.
        server
            .exec(
                "postgres",
                "DROP TABLE no_such_table; CREATE TABLE no_such_table AS SELECT true AS a, 'x'::text AS n",
            )
            .await
            .unwrap();
        bench.run().await;
        let states = bench.run().await;
        assert_eq!(shown(&states["gone"]), ["gone 1"]);
    });
}

#[tokio::test]
async fn a_locked_table_costs_its_own_query_the_lock_timeout() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    server.exec("postgres", COURSES).await.unwrap();
    let set = queries(
        "- {name: locked, help: L., query: SELECT count(*) FROM courses}\n- {name: free, help: F., query: SELECT 1}\n",
    );
    let mut bench = Bench::new(&server, "postgres", &set).await;
    let mut holder = server.connect("postgres").await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE courses IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.unwrap();
    let started = bench.clock.mono();
    let states = bench.run().await;
    let took = bench.clock.mono() - started;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(failure(&states["locked"]).contains("lock timeout"), "{}", failure(&states["locked"]));
    assert_eq!((shown(&states["free"]), states["locked"].stride), (vec!["free 1".to_owned()], 1));
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(shown(&bench.run().await["locked"]), ["locked 3"]);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_result_of_a_million_rows_is_left_out_without_memory() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let set = queries(
        "- {name: small, help: S., labels: [n], query: 'SELECT n, 1 AS v FROM generate_series(1, 1000) AS n'}\n\
         - {name: wide, help: W., labels: [n], value_field: t, query: \"SELECT n, t FROM generate_series(1, 200) AS n, (SELECT repeat('7', 100000) AS t OFFSET 0) AS x\"}\n\
         - {name: huge, help: H., labels: [even, n], query: \"SELECT n % 2 = 0 AS even, n, repeat('x', 100), 1 AS v FROM generate_series(1, 1000000) AS n\"}\n",
    );
    let mut bench = Bench::new(&server, "postgres", &set).await;
    bench.run().await;
    let before = resident_kib();
    let started = bench.clock.mono();
    for _ in 0..5 {
        let states = bench.run().await;
        assert_eq!(shown(&states["small"]).len(), 1000);
        assert_eq!(
            failure(&states["huge"]),
            "left out: the result has more than 1000 series; label n has 1001 values or more"
        );
        assert!(states["huge"].good.is_none() && states["huge"].errors == 0);
        assert_eq!(failure(&states["wide"]), "column t has a text that is no number");
    }
    let (grown, took) = (resident_kib().saturating_sub(before), bench.clock.mono() - started);
    assert!(grown < 4096, "{grown} KiB more");
    let states = bench.run().await;
    assert_eq!(states["huge"].custom.as_ref().unwrap().results_dropped, 7);
    // The server does not make the rows that nobody takes.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
