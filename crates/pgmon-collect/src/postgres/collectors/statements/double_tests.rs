//! Histograms of `pg_stat_monitor` on real servers. No package of it can be had in this repository's tests: most
//! of them use a double of it, a view and functions of the same shape that hold what the test put there. One
//! runs against the extension itself, on the server that `PGMON_TEST_PG_STAT_MONITOR_DSN` names.

use super::monitor::Trouble;
use super::{EXTENSION, REGISTERED};
use crate::postgres::collector::Settings;
use crate::postgres::facts::Extension;
use crate::postgres::testing::{Probe, Round, on_all_majors};
use pgmon_core::version::ExtVersion;
use pgmon_testkit::{Major, Server, Tier};
use sqlx::{Connection as _, PgConnection};
use std::sync::Arc;

const P95: &str = "pg_query_latency_seconds_p95";

/// What the double's view and functions look like: the columns and grants of version 2.1 and later that are
/// used, in a schema of their own.
const DOUBLE: &str = r#"
CREATE SCHEMA "My Monitor";
CREATE TABLE "My Monitor".entries (window_start timestamptz, userid oid, dbid oid, queryid int8, toplevel bool,
                                   elevel int, resp_calls text);
CREATE FUNCTION "My Monitor".pg_stat_monitor_internal(showtext boolean) RETURNS SETOF "My Monitor".entries
 LANGUAGE sql SECURITY DEFINER AS $$ SELECT * FROM "My Monitor".entries $$;
CREATE FUNCTION "My Monitor".get_histogram_timings() RETURNS text LANGUAGE sql
 AS $$ SELECT '{{0.000 - 1.000}, (1.000 - 10.000}, (10.000 - 50.000}, (50.000 - 60.000}, (60.000 - ...}}'::text $$;
CREATE VIEW "My Monitor".pg_stat_monitor AS
SELECT window_start AS bucket_start_time, userid, dbid, queryid, toplevel, elevel,
       string_to_array(resp_calls, ',') AS resp_calls
  FROM "My Monitor".pg_stat_monitor_internal(true) ORDER BY window_start;
GRANT USAGE ON SCHEMA "My Monitor" TO PUBLIC;
GRANT SELECT ON "My Monitor".pg_stat_monitor TO PUBLIC;
"#;

/// A server with the double in `shop`, and a probe that takes it for the extension.
async fn with_double(major: Major) -> (Server, Probe) {
    let server = Server::builder(major).statements().setting("autovacuum", "off").start().await.unwrap();
    server.create_database("shop").await.unwrap();
    server.create_extension("shop", EXTENSION).await.unwrap();
    server.exec("shop", DOUBLE).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    let dsn = server.dsn_as("pgmon", &password, "shop");
    let mut probe = Probe::with(&dsn, REGISTERED, Settings::default()).await;
    take_for_the_extension(&mut probe);
    (server, probe)
}

/// What would be read of the extension if it could be installed.
fn take_for_the_extension(probe: &mut Probe) {
    let facts = Arc::make_mut(&mut probe.facts);
    let extension = Extension { version: ExtVersion(2, 3), schema: "My Monitor".into() };
    facts.extensions.insert("pg_stat_monitor".into(), extension);
    for (name, value) in [("histogram_min", "1"), ("histogram_max", "60"), ("bucket_time", "60")] {
        facts.settings.insert(format!("pg_stat_monitor.pgsm_{name}"), (value.into(), None));
    }
    facts
        .settings
        .insert("shared_preload_libraries".into(), ("pg_stat_statements,pg_stat_monitor".into(), None));
    let path = facts.search_path();
    probe.session.set_search_path(path);
}

/// An entry of the double.
struct Counted<'a> {
    window: &'a str,
    role: &'a str,
    database: &'a str,
    queryid: &'a str,
    toplevel: bool,
    elevel: i32,
    counts: &'a str,
}

impl<'a> Counted<'a> {
    /// Of a client's calls, in the window that is open now.
    fn of(queryid: &'a str, counts: &'a str) -> Self {
        let window = "date_trunc('minute', now())";
        Self { window, role: "postgres", database: "shop", queryid, toplevel: true, elevel: 0, counts }
    }

    async fn put(&self, server: &Server) {
        let Self { window, role, database, queryid, toplevel, elevel, counts } = self;
        let sql = format!(
            r#"INSERT INTO "My Monitor".entries
               SELECT {window}, '{role}'::regrole, d.oid, {queryid}, {toplevel}, {elevel}, '{counts}'
                 FROM pg_database AS d WHERE d.datname = '{database}'"#
        );
        server.exec("shop", &sql).await.unwrap();
    }
}

/// Runs a statement for each of these times.
async fn sleep(conn: &mut PgConnection, seconds: impl IntoIterator<Item = f64>) {
    for s in seconds {
        sqlx::query("SELECT pg_sleep($1) AS nap").bind(s).execute(&mut *conn).await.unwrap();
    }
}

fn row(round: &Round) -> serde_json::Value {
    let rows = round.data.as_array().unwrap();
    let nap = |r: &&serde_json::Value| r["text"].as_str().is_some_and(|t| t.contains("AS nap"));
    rows.iter().find(nap).unwrap_or_else(|| panic!("{rows:#?}")).clone()
}

fn method(round: &Round) -> String {
    let samples = round.samples("pg_query_latency_p95_info");
    assert_eq!((samples.len(), samples[0].1), (1, 1.0), "{samples:?}");
    samples[0].0[0].clone()
}

#[test]
fn with_a_double_of_the_extension_the_percentile_lies_in_the_bucket() {
    on_all_majors(async |major| {
        let (server, mut probe) = with_double(major).await;
        let mut conn = server.connect("shop").await.unwrap();
        sleep(&mut conn, [0.0]).await;
        let first = probe.round().await;
        assert_eq!(first.samples("pg_query_latency_p95_info"), [], "{major}: nothing to compare with");
        let id = row(&first)["queryid"].as_str().unwrap().to_owned();

        // Two peaks: 90 % of next to nothing, 10 % of 55 ms.
        let naps = std::iter::repeat_n(0.0, 54).chain(std::iter::repeat_n(0.055, 6));
        sleep(&mut conn, naps).await;
        Counted::of(&id, "54,0,0,6,0").put(&server).await;
        // What is not to count: our own, what failed, what ran elsewhere or in turn, what ended long ago.
        let of = || Counted::of("4711", "0,0,0,0,99999");
        Counted { role: "pgmon", ..of() }.put(&server).await;
        Counted { elevel: 21, ..of() }.put(&server).await;
        Counted { database: "postgres", ..of() }.put(&server).await;
        Counted { toplevel: false, ..of() }.put(&server).await;
        Counted { window: "now() - interval '5 min'", ..of() }.put(&server).await;
        let round = probe.round().await;
        let p95 = round.value(P95, &[]).unwrap();
        if major < Major(13) {
            assert_eq!((method(&round).as_str(), round.blind.len()), ("estimate", 0), "{major}");
            return;
        }
        assert_eq!((method(&round).as_str(), &round.blind), ("histogram", &vec![]), "{major}");
        assert!((0.050..=0.060).contains(&p95), "{p95} on {major}");
        let nap = row(&round);
        assert_eq!(nap["p95_method"], "histogram", "{major}");
        assert!((50.0..=60.0).contains(&nap["p95_ms"].as_f64().unwrap()), "{nap}");

        // A further window and growth in the one before; all that is new is fast.
        sleep(&mut conn, std::iter::repeat_n(0.0, 40)).await;
        server.exec("shop", r#"UPDATE "My Monitor".entries SET resp_calls = '64,0,0,6,0' WHERE elevel = 0 AND resp_calls LIKE '54%'"#).await.unwrap();
        Counted {
            window: "date_trunc('minute', now()) + interval '1 min'",
            ..Counted::of(&id, "30,0,0,0,0")
        }
        .put(&server)
        .await;
        let round = probe.round().await;
        assert_eq!(method(&round), "histogram", "{major}");
        assert!(round.value(P95, &[]).unwrap() <= 0.001, "{major}");

        // It saw nothing of what ran.
        sleep(&mut conn, std::iter::repeat_n(0.0, 40)).await;
        let round = probe.round().await;
        assert_eq!(
            (method(&round).as_str(), row(&round)["p95_method"].as_str()),
            ("estimate", Some("estimate"))
        );
    });
}

#[test]
fn what_a_double_of_the_extension_refuses_is_said_and_estimated() {
    on_all_majors(async |major| {
        if major < Major(13) {
            return;
        }
        let (server, mut probe) = with_double(major).await;
        let refuse = r#"REVOKE ALL ON "My Monitor".pg_stat_monitor FROM PUBLIC;
            REVOKE ALL ON SCHEMA "My Monitor" FROM PUBLIC;
            REVOKE ALL ON FUNCTION "My Monitor".pg_stat_monitor_internal, "My Monitor".get_histogram_timings FROM PUBLIC"#;
        server.exec("shop", refuse).await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        sleep(&mut conn, [0.0]).await;
        probe.round().await;
        sleep(&mut conn, [0.0, 0.002]).await;
        let round = probe.round().await;
        assert_eq!(method(&round), "estimate", "{major}");
        let [blind] = round.blind.as_slice() else { panic!("{:?}", round.blind) };
        assert_eq!(blind.needs, Trouble::Denied.needs());
        // What it advises helps, after a while.
        server.exec("shop", blind.remedy.as_deref().unwrap()).await.unwrap();
        for _ in 0..10 {
            probe.round().await;
        }
        sleep(&mut conn, [0.0]).await;
        let id = row(&probe.round().await)["queryid"].as_str().unwrap().to_owned();
        sleep(&mut conn, std::iter::repeat_n(0.0, 20)).await;
        Counted::of(&id, "20,0,0,0,0").put(&server).await;
        let round = probe.round().await;
        assert_eq!((method(&round).as_str(), &round.blind), ("histogram", &vec![]), "{major}");

        // Another number of buckets than there are bounds.
        sleep(&mut conn, [0.0]).await;
        Counted::of(&id, "20,0,0,0").put(&server).await;
        let round = probe.round().await;
        assert_eq!(
            (method(&round).as_str(), round.blind[0].needs.clone()),
            ("estimate", Trouble::Unknown.needs())
        );
        assert_eq!(round.blind[0].remedy, None);
    });
}

#[tokio::test]
async fn the_extension_itself_gives_the_bucket_of_the_true_percentile() {
    let Ok(dsn) = std::env::var("PGMON_TEST_PG_STAT_MONITOR_DSN") else {
        println!("not run: PGMON_TEST_PG_STAT_MONITOR_DSN names no server with pg_stat_monitor");
        return;
    };
    let mut probe = Probe::with(&dsn, REGISTERED, Settings::default()).await;
    let mut conn = PgConnection::connect(&dsn).await.unwrap();
    sleep(&mut conn, [0.0]).await;
    probe.round().await;
    let mut times = Vec::new();
    for i in 0..200 {
        // Two peaks in one statement, in a mixed order: 2 ms and, for a tenth of the calls, 80 ms.
        let seconds = if i % 10 == 7 { 0.08 } else { 0.002 };
        #[allow(clippy::disallowed_methods, reason = "the test checks times on a real server")]
        let start = std::time::Instant::now();
        sleep(&mut conn, [seconds]).await;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        // What failed takes no time, and must not be counted.
        if i % 20 == 0 {
            assert!(sqlx::query("SELECT 1 / $1::int4").bind(0).execute(&mut conn).await.is_err());
        }
    }
    let round = probe.round().await;
    times.sort_by(f64::total_cmp);
    let truth = times[times.len() * 95 / 100 - 1];
    let nap = row(&round);
    println!(
        "true: {truth:.1} ms; of the statement: {} ms; overall: {:?} s",
        nap["p95_ms"],
        round.value(P95, &[])
    );
    assert_eq!((method(&round).as_str(), nap["p95_method"].as_str()), ("histogram", Some("histogram")));
    assert_eq!(round.blind, []);
    // A bucket is 1.8 times as wide as the one before with the default settings.
    let p95 = nap["p95_ms"].as_f64().unwrap();
    assert!(p95 > truth / 1.8 && p95 < truth * 1.8, "{p95}, but it was {truth}");
}
