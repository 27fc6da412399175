//! Statements on real servers.

use super::{EXTENSION, REGISTERED};
use crate::postgres::collector::{Need, Settings};
use crate::postgres::facts::Choice;
use crate::postgres::testing::{Probe, Round, on_all_majors};
use pgmon_testkit::{Major, Server, Tier};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::sync::Arc;

/// A server with the library, and with the extension in `shop`.
async fn server(major: Major) -> Server {
    let server = Server::builder(major).statements().setting("autovacuum", "off").start().await.unwrap();
    server.create_database("shop").await.unwrap();
    server.create_extension("shop", EXTENSION).await.unwrap();
    server
}

async fn probe(server: &Server, settings: Settings) -> Probe {
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    Probe::with(&server.dsn_as("pgmon", &password, "shop"), REGISTERED, settings).await
}

/// Runs a statement so many times, each time as a client's own.
async fn run(conn: &mut PgConnection, sql: &str, times: usize) {
    for _ in 0..times {
        conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
    }
}

/// The query id of the one statement whose text is like this, by the superuser.
async fn queryid(server: &Server, like: &str) -> String {
    let sql = format!(
        "SELECT max(queryid::text) FROM pg_stat_statements WHERE query LIKE '{like}' AND query NOT LIKE '%pg_stat_statements%'"
    );
    server.query::<Option<String>>("shop", &sql).await.unwrap().unwrap_or_else(|| panic!("no {like}"))
}

fn row<'a>(round: &'a Round, queryid: &str) -> &'a serde_json::Value {
    let rows = round.data.as_array().unwrap();
    rows.iter().find(|r| r["queryid"] == queryid).unwrap_or_else(|| panic!("no {queryid} in {rows:#?}"))
}

fn all_text(round: &Round) -> String {
    round.data.to_string()
}

#[test]
fn calls_are_counted_exactly_and_only_those_of_this_database() {
    on_all_majors(async |major| {
        let server = server(major).await;
        let mut conn = server.connect("shop").await.unwrap();
        run(&mut conn, "CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) AS n", 1).await;
        let sql = "SELECT count(*) FROM orders WHERE n < 500";
        run(&mut conn, sql, 3).await;
        let mut probe = probe(&server, Settings::default()).await;
        let first = probe.round().await;
        assert_eq!(first.value("pg_qps", &[]), None, "{major}: nothing to compare with");
        let id = queryid(&server, "%FROM orders WHERE%").await;
        assert_eq!(first.value("pg_stmt_calls_total", &[&id]), Some(3.0), "{major}");

        #[allow(clippy::disallowed_methods, reason = "the test checks a rate on a real server")]
        let start = std::time::Instant::now();
        run(&mut conn, sql, 137).await;
        // The same text elsewhere has another id at most, and must not be added.
        let mut other = server.connect("postgres").await.unwrap();
        run(&mut other, "CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) AS n", 1).await;
        run(&mut other, sql, 500).await;
        let between = start.elapsed().as_secs_f64();
        let second = probe.round().await;
        assert_eq!(second.value("pg_stmt_calls_total", &[&id]), Some(140.0), "{major}");
        assert_eq!(second.value("pg_stmt_rows_total", &[&id]), Some(140.0));
        let qps = second.value("pg_qps", &[]).unwrap();
        assert!(qps * between <= 180.0 && qps > 0.0, "{qps} over {between} s on {major}");
        let of = |column: &str| {
            format!("SELECT sum({column})::float8 FROM pg_stat_statements WHERE queryid = {id}")
        };
        let time = if major >= Major(13) { "total_exec_time" } else { "total_time" };
        for (column, family, scale) in [
            (time, "pg_stmt_time_seconds_total", 1e3),
            ("shared_blks_hit", "pg_stmt_shared_blks_hit_total", 1.0),
            ("shared_blks_read", "pg_stmt_shared_blks_read_total", 1.0),
        ] {
            let sql = of(column) + " AND dbid = (SELECT oid FROM pg_database WHERE datname = 'shop')";
            let truth: f64 = server.query("shop", &sql).await.unwrap();
            let shown = second.value(family, &[&id]).unwrap();
            assert!((shown - truth / scale).abs() < 1e-9, "{family} on {major}: {shown}, {truth}");
        }
        let row = row(&second, &id);
        assert!(row["text"].as_str().unwrap().contains("FROM orders WHERE n <"), "{row}");
        assert_eq!(row["hit_ratio"], 1.0);
        let (mean, p95) = (row["mean_ms"].as_f64().unwrap(), row["p95_ms"].as_f64().unwrap());
        assert!(mean > 0.0 && p95 >= mean, "{row}");
        // WAL is known from 13 on (extension 1.8).
        assert_eq!(second.samples("pg_stmt_wal_bytes_total").is_empty(), major < Major(13));
        assert_eq!(second.value("pg_stmt_dealloc_total", &[]), (major >= Major(14)).then_some(0.0));
        assert_eq!(second.value("pg_stmt_entries_max", &[]), Some(5000.0));
        let entries: f64 =
            server.query("shop", "SELECT count(*)::float8 FROM pg_stat_statements").await.unwrap();
        let shown = second.value("pg_stmt_entries", &[]).unwrap();
        assert!(shown > 5.0 && shown <= entries, "{shown} of {entries}");
        // Texts are asked for once: nothing new, no third statement.
        run(&mut conn, sql, 5).await;
        probe.round().await;
        assert_eq!(probe.round().await.executed.len(), 2, "{major}");
    });
}

#[test]
fn a_reset_gives_no_rate_and_nothing_negative() {
    on_all_majors(async |major| {
        let server = server(major).await;
        let mut conn = server.connect("shop").await.unwrap();
        run(&mut conn, "SELECT 1 AS one", 100).await;
        let mut probe = probe(&server, Settings::default()).await;
        probe.round().await;
        run(&mut conn, "SELECT 1 AS one", 100).await;
        server.exec("shop", "SELECT pg_stat_statements_reset()").await.unwrap();
        run(&mut conn, "SELECT 1 AS one", 7).await;
        let round = probe.round().await;
        let id = queryid(&server, "%AS one%").await;
        let counted = if major >= Major(14) { 7.0 } else { 107.0 };
        assert_eq!(round.value("pg_stmt_calls_total", &[&id]), Some(counted), "{major}");
        // Up to 13 the server does not tell; what ran since then is the least there was.
        if major >= Major(14) {
            assert_eq!(round.value("pg_qps", &[]), None, "{major}");
            let reset = "SELECT EXTRACT(epoch FROM stats_reset)::float8 FROM pg_stat_statements_info";
            let reset: f64 = server.query("shop", reset).await.unwrap();
            let shown = round.value("pg_stmt_stats_reset_timestamp_seconds", &[]).unwrap();
            assert!((shown - reset).abs() < 1e-3);
        } else {
            assert!(round.value("pg_qps", &[]).unwrap() > 0.0);
        }
        // One statement's entry alone is reset.
        let reset = format!("SELECT pg_stat_statements_reset(0, 0, {id})");
        server.exec("shop", &reset).await.unwrap();
        run(&mut conn, "SELECT 1 AS one", 4).await;
        let round = probe.round().await;
        let row = row(&round, &id);
        assert_eq!(row["calls"], 4.0);
        assert!(row["calls_per_second"].as_f64().unwrap() > 0.0);
        assert!(round.value("pg_qps", &[]).unwrap() > 0.0);
        // A restart keeps the entries; what they count is compared with nothing from before it.
        server.restart().await.unwrap();
        let mut probe = Probe::new(&server.dsn("shop"), REGISTERED).await;
        assert!(probe.round().await.value("pg_stmt_calls_total", &[&id]).is_some(), "{major}");
    });
}

#[test]
fn a_database_that_only_we_use_is_idle() {
    on_all_majors(async |major| {
        let server = server(major).await;
        let mut probe = probe(&server, Settings::default()).await;
        for _ in 0..3 {
            probe.round().await;
        }
        let round = probe.round().await;
        assert_eq!(round.value("pg_qps", &[]), Some(0.0), "{major}");
        assert_eq!(round.value("pg_query_latency_seconds_mean", &[]), None, "{major}");
        assert!(!all_text(&round).contains("FROM pg_stat_statements(false)"), "{major}");
    });
}

#[test]
fn without_query_ids_nothing_is_known() {
    on_all_majors(async |major| {
        // Before 14 the library makes its own.
        if major < Major(14) {
            return;
        }
        let builder = Server::builder(major).statements().setting("compute_query_id", "off");
        let server = builder.start().await.unwrap();
        server.create_database("shop").await.unwrap();
        server.create_extension("shop", EXTENSION).await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        let mut probe = probe(&server, Settings::default()).await;
        probe.round().await;
        run(&mut conn, "SELECT 1 AS one", 20).await;
        let round = probe.round().await;
        assert_eq!(round.value("pg_qps", &[]), None, "{major}");
        let blind = round.blind.iter().find(|b| b.needs == "compute_query_id").unwrap();
        // What it advises helps.
        for sql in blind.remedy.as_deref().unwrap().split_inclusive(';') {
            server.exec("shop", sql).await.unwrap();
        }
        server.wait_until("shop", "SELECT current_setting('compute_query_id') = 'on'").await.unwrap();
        probe.refresh().await;
        probe.round().await;
        let mut conn = server.connect("shop").await.unwrap();
        run(&mut conn, "SELECT 1 AS one", 20).await;
        let round = probe.round().await;
        assert!(round.value("pg_qps", &[]).unwrap() > 0.0, "{major}");
        assert_eq!(round.blind, [], "{major}");
    });
}

#[test]
fn secrets_in_utility_statements_do_not_show() {
    on_all_majors(async |major| {
        let server = server(major).await;
        let mut conn = server.connect("shop").await.unwrap();
        let sql = "CREATE ROLE app LOGIN PASSWORD 'hunter2' -- hunter2";
        run(&mut conn, sql, 1).await;
        run(&mut conn, "DO $body$ BEGIN PERFORM 'hunter2'; END $body$", 1).await;
        run(&mut conn, "ALTER ROLE app SET search_path = 'hunter2'", 1).await;
        let mut probe = probe(&server, Settings::default()).await;
        let round = probe.round().await;
        let text = all_text(&round);
        assert!(text.contains("CREATE ROLE app LOGIN PASSWORD ?"), "{major}: {text}");
        assert!(!text.contains("hunter2"), "{major}: {text}");
        // As the administrator wishes.
        let settings = Settings { redact_sql_text: false, ..Settings::default() };
        let mut open = Probe::with(&server.dsn("shop"), REGISTERED, settings).await;
        assert!(
            all_text(&open.round().await).contains("CREATE ROLE app LOGIN PASSWORD 'hunter2'"),
            "{major}"
        );
    });
}

/// Runs a statement with each of these parameters.
async fn run_with(conn: &mut PgConnection, seconds: impl Iterator<Item = f64>, sql: &str) {
    for s in seconds {
        sqlx::query(AssertSqlSafe(sql.to_owned())).bind(s).execute(&mut *conn).await.unwrap();
    }
}

/// The execution times of a statement, ms, sorted, as the server has logged them.
fn logged(server: &Server, sql: &str) -> Vec<f64> {
    let log = server.log();
    let lines = log.lines().filter(|l| l.contains("execute") && l.ends_with(sql));
    let time = |l: &str| l.split_once("duration: ")?.1.split_once(" ms")?.0.parse().ok();
    let mut times: Vec<f64> = lines.filter_map(time).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn p95_of(times: &[f64]) -> f64 {
    times[(times.len() * 95).div_ceil(100) - 1]
}

#[track_caller]
fn near(estimate: f64, truth: f64, tolerance: f64) {
    assert!((estimate / truth - 1.0).abs() <= tolerance, "{estimate}, but it was {truth}");
}

#[test]
fn the_95th_percentile_is_near_that_of_known_distributions() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .statements()
            .setting("log_min_duration_statement", 0)
            .start()
            .await
            .unwrap();
        server.create_database("shop").await.unwrap();
        server.create_extension("shop", EXTENSION).await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        let mut probe = probe(&server, Settings::default()).await;
        // Long ago: other times, that must not count any more.
        run_with(&mut conn, std::iter::repeat_n(0.3, 3), "SELECT pg_sleep($1) AS uniform").await;
        probe.round().await;
        probe.round().await;

        // One statement, uniform from 5 to 55 ms, in a mixed order.
        let uniform = (0..60_u32).map(|i| 0.005 + 0.05 / 60.0 * f64::from(i * 37 % 60));
        run_with(&mut conn, uniform, "SELECT pg_sleep($1) AS uniform").await;
        let round = probe.round().await;
        let id = queryid(&server, "%AS uniform%").await;
        let mut uniform = logged(&server, "AS uniform");
        assert_eq!(uniform.len(), 63);
        uniform.truncate(60);
        near(row(&round, &id)["p95_ms"].as_f64().unwrap(), p95_of(&uniform), 0.25);
        let mean = uniform.iter().sum::<f64>() / uniform.len() as f64;
        near(row(&round, &id)["mean_ms"].as_f64().unwrap(), mean, 0.05);

        // Two statements: 10 % of the calls take 40 ms, the others next to nothing. Mean and deviation
        // of all together would give half of that.
        run_with(&mut conn, std::iter::repeat_n(0.0, 270), "SELECT $1::float8 AS fast").await;
        run_with(&mut conn, std::iter::repeat_n(0.04, 30), "SELECT pg_sleep($1) AS slow").await;
        let round = probe.round().await;
        let mut all = [logged(&server, "AS fast"), logged(&server, "AS slow")].concat();
        assert_eq!(all.len(), 300);
        all.sort_by(f64::total_cmp);
        near(round.value("pg_query_latency_seconds_p95", &[]).unwrap() * 1e3, p95_of(&all), 0.25);
        let mean = round.value("pg_query_latency_seconds_mean", &[]).unwrap() * 1e3;
        assert!((2.5..8.0).contains(&mean), "{mean} on {major}");
    });
}

#[test]
fn without_what_it_needs_it_is_blind_and_says_so() {
    on_all_majors(async |major| {
        let server = server(major).await;
        let nobody = server.create_role("nobody").await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        run(&mut conn, "SELECT 1", 5).await;
        // Other roles' statements would have no query id.
        let mut probe = Probe::new(&server.dsn_as("nobody", &nobody, "shop"), REGISTERED).await;
        assert!(matches!(probe.choice(), Choice::Blind(needs) if needs.contains(&Need::Monitor)), "{major}");
        // If the grant goes while we are connected: what is hidden is said, and nothing breaks.
        Arc::make_mut(&mut probe.facts).monitor = true;
        let round = probe.round().await;
        assert!(round.blind.iter().any(|b| b.needs == "pg_monitor"), "{major}");
        assert!(!all_text(&round).contains("insufficient privilege"), "{major}");

        let dsn = server.dsn("postgres");
        let absent = Probe::new(&dsn, REGISTERED).await;
        assert_eq!(absent.choice(), Choice::Blind(vec![Need::Extension(EXTENSION)]), "{major}");

        let bare = Server::start(major).await.unwrap();
        bare.create_extension("postgres", EXTENSION).await.unwrap();
        let mut probe = Probe::new(&bare.dsn("postgres"), REGISTERED).await;
        assert_eq!(probe.choice(), Choice::Blind(vec![Need::Preloaded(EXTENSION)]), "{major}");
        // Where the list of libraries is hidden, the server's refusal tells.
        Arc::make_mut(&mut probe.facts).settings.remove("shared_preload_libraries");
        let round = probe.round().await;
        assert_eq!(round.families, [], "{major}");
        assert_eq!(round.blind[0].needs, "shared_preload_libraries pg_stat_statements");

        // Dropped since we looked.
        let mut probe = Probe::new(&server.dsn("shop"), REGISTERED).await;
        probe.round().await;
        server.exec("shop", "DROP EXTENSION pg_stat_statements").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.blind[0].needs, "extension pg_stat_statements", "{major}");
    });
}

#[test]
fn an_old_extension_in_a_schema_of_its_own_serves_on_a_new_server() {
    on_all_majors(async |major| {
        let server = Server::builder(major).statements().start().await.unwrap();
        for version in ["1.4", "1.7", "1.8", "1.9", "1.10", "1.11", "1.12"] {
            let known = format!(
                "SELECT count(*) > 0 FROM pg_available_extension_versions WHERE name = '{EXTENSION}' AND version = '{version}'"
            );
            if !server.query::<bool>("postgres", &known).await.unwrap() {
                continue;
            }
            server.exec("postgres", "CREATE SCHEMA \"My \"\"Stats\"\"\"").await.unwrap();
            let create =
                format!("CREATE EXTENSION {EXTENSION} SCHEMA \"My \"\"Stats\"\"\" VERSION '{version}'");
            server.exec("postgres", &create).await.unwrap();
            let mut conn = server.connect("postgres").await.unwrap();
            run(&mut conn, "SELECT 2 AS two", 11).await;
            let mut probe = Probe::new(&server.dsn("postgres"), REGISTERED).await;
            probe.round().await;
            run(&mut conn, "SELECT 2 AS two", 11).await;
            let round = probe.round().await;
            let rows = round.data.as_array().unwrap();
            let two = rows.iter().find(|r| r["text"].as_str().is_some_and(|t| t.contains("AS two")));
            assert!(two.unwrap()["calls"].as_f64().unwrap() >= 22.0, "{version} on {major}");
            assert!(round.value("pg_qps", &[]).unwrap() > 0.0, "{version} on {major}");
            conn.close().await.unwrap();
            server.exec("postgres", "DROP SCHEMA \"My \"\"Stats\"\"\" CASCADE").await.unwrap();
        }
    });
}

#[test]
fn entries_that_are_dropped_for_lack_of_room_disturb_nothing() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .statements()
            .setting("pg_stat_statements.max", 100)
            .setting("pg_stat_statements.track", "all")
            .start()
            .await
            .unwrap();
        server.create_database("shop").await.unwrap();
        server.create_extension("shop", EXTENSION).await.unwrap();
        let mut probe = probe(&server, Settings { top_queries: 4, ..Settings::default() }).await;
        let mut conn = server.connect("shop").await.unwrap();
        run(&mut conn, "CREATE TABLE orders AS SELECT 1 AS n", 1).await;
        for round in 0..4 {
            // A hundred statements that differ in their number of columns.
            let distinct = format!(
                "DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE 'SELECT n' || repeat(', n', i + 100 * {round}) || ' FROM orders'; END LOOP; END $$"
            );
            run(&mut conn, &distinct, 1).await;
            run(&mut conn, "SELECT n AS busy FROM orders", 60).await;
            let result = probe.round().await;
            for family in ["pg_stmt_calls_total", "pg_stmt_time_seconds_total"] {
                let samples = result.samples(family);
                assert!((1..=5 * 6).contains(&samples.len()), "{} on {major}", samples.len());
                assert!(samples.iter().all(|(_, value)| *value >= 0.0));
            }
            if round > 0 {
                let qps = result.value("pg_qps", &[]).unwrap();
                assert!(qps > 0.0 && qps.is_finite(), "{major}");
            }
            for row in result.data.as_array().unwrap() {
                for field in ["calls_per_second", "mean_ms", "p95_ms", "hit_ratio", "time_share"] {
                    assert!(row[field].as_f64().is_none_or(|v| v >= 0.0), "{row}");
                }
            }
            if major >= Major(14) && round > 0 {
                assert!(result.value("pg_stmt_dealloc_total", &[]).unwrap() > 0.0, "{major}");
            }
        }
        assert_eq!(probe.round().await.value("pg_stmt_entries_max", &[]), Some(100.0));
    });
}

#[test]
fn what_statements_run_in_turn_is_not_counted_twice() {
    on_all_majors(async |major| {
        // Before 14 the two cannot be told apart.
        if major < Major(14) {
            return;
        }
        let server = Server::builder(major)
            .statements()
            .setting("pg_stat_statements.track", "all")
            .start()
            .await
            .unwrap();
        server.create_database("shop").await.unwrap();
        server.create_extension("shop", EXTENSION).await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        let make = "CREATE FUNCTION many() RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..1000 LOOP PERFORM i + 1 AS nested; END LOOP; END $$";
        run(&mut conn, make, 1).await;
        let mut probe = probe(&server, Settings::default()).await;
        probe.round().await;
        #[allow(clippy::disallowed_methods, reason = "the test checks a rate on a real server")]
        let start = std::time::Instant::now();
        run(&mut conn, "SELECT many()", 5).await;
        let between = start.elapsed().as_secs_f64();
        let round = probe.round().await;
        assert!(round.value("pg_qps", &[]).unwrap() * between < 100.0, "{major}");
        let id = queryid(&server, "%AS nested%").await;
        assert_eq!(round.value("pg_stmt_calls_total", &[&id]), Some(5000.0), "{major}");
    });
}

#[test]
fn a_round_with_a_thousand_entries_costs_the_server_little() {
    on_all_majors(async |major| {
        if ![Major::OLDEST, Major(14), Major::NEWEST].contains(&major) {
            return;
        }
        let server = Server::builder(major)
            .statements()
            .setting("pg_stat_statements.track", "all")
            .start()
            .await
            .unwrap();
        server.create_database("shop").await.unwrap();
        server.create_extension("shop", EXTENSION).await.unwrap();
        let mut conn = server.connect("shop").await.unwrap();
        let distinct =
            "DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE 'SELECT 1' || repeat(', 1', i); END LOOP; END $$";
        run(&mut conn, distinct, 1).await;
        let mut probe = probe(&server, Settings::default()).await;
        probe.round().await;
        probe.round().await;
        let pid = probe.facts.backend_pid;
        let before = server.backend_cpu(pid).unwrap();
        let rounds = 20;
        let mut rows = 0;
        for _ in 0..rounds {
            rows = probe.round().await.executed[0].rows;
        }
        let each = (server.backend_cpu(pid).unwrap() - before) as f64 / f64::from(rounds) / 1e6;
        assert!(rows >= 1000, "{rows}");
        println!("PostgreSQL {major}: {each:.2} ms a round with {rows} entries");
        assert!(each < 6.0, "{each} ms on {major}");
    });
}
