use super::{Row, Tables};
use crate::postgres::collector::{Collector as _, Cx, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_core::snapshot::Blind;
use pgmon_testkit::{Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

fn at(major: u16) -> Cx {
    let mut cx = cx(major, Duration::ZERO);
    let settings = [
        ("autovacuum", "on"),
        ("track_counts", "on"),
        ("autovacuum_vacuum_threshold", "50"),
        ("autovacuum_vacuum_scale_factor", "0.2"),
        ("autovacuum_vacuum_insert_threshold", "1000"),
        ("autovacuum_vacuum_insert_scale_factor", "0.2"),
        ("autovacuum_analyze_threshold", "50"),
        ("autovacuum_analyze_scale_factor", "0.1"),
    ];
    let facts = Arc::make_mut(&mut cx.facts);
    facts.settings = settings.into_iter().map(|(n, v)| (n.to_owned(), (v.to_owned(), None))).collect();
    cx
}

fn row(live: i64, dead: i64) -> Row {
    Row {
        oid: 1,
        schema: "public".into(),
        name: "t".into(),
        live_tuples: Some(live),
        dead_tuples: Some(dead),
        estimated_rows: Some(live as f64),
        autovacuums: Some(1),
        ..Row::default()
    }
}

fn round(row: Row, cx: &Cx) -> (Row, Vec<Family>, Vec<Blind>) {
    let mut collector = Tables::new(&Settings::default());
    let mut out = Families::new();
    let mut rows = [row];
    collector.complete(&mut rows, cx);
    let blind = collector.samples(&rows, cx, &mut out);
    let [row] = rows;
    (row, out.into_vec(), blind)
}

const T: &[&str] = &["public.t"];

#[test]
fn percent_is_of_all_tuples() {
    let (_, families, _) = round(row(75, 25), &at(17));
    assert_eq!(number(&families, "pg_table_pct_dead", T), Some(25.0));
    let (_, families, _) = round(row(0, 0), &at(17));
    assert_eq!(number(&families, "pg_table_pct_dead", T), None, "of nothing");
    assert_eq!(number(&families, "pg_table_dead_tuples", T), Some(0.0));
    assert_eq!(
        number(&families, "pg_table_autovacuum_pressure", T),
        Some(0.0),
        "an empty table is not starved"
    );
}

#[test]
fn pressure_is_against_the_tables_own_trigger() {
    let (row_, families, _) = round(
        Row { modified_since_analyze: Some(525), inserted_since_vacuum: Some(600), ..row(10_000, 1025) },
        &at(17),
    );
    assert_eq!(number(&families, "pg_table_autovacuum_pressure", T), Some(0.5));
    assert_eq!(number(&families, "pg_table_analyze_pressure", T), Some(0.5));
    assert_eq!(number(&families, "pg_table_autovacuum_insert_pressure", T), Some(0.2));
    assert_eq!((row_.vacuum_trigger, row_.autovacuum_enabled), (Some(2050.0), Some(true)));
    let own = vec!["autovacuum_vacuum_scale_factor=0".to_owned(), "autovacuum_enabled=false".to_owned()];
    let (row_, families, _) = round(Row { options: Some(own), ..row(10_000, 1025) }, &at(17));
    assert_eq!(number(&families, "pg_table_autovacuum_pressure", T), Some(20.5));
    assert_eq!(row_.autovacuum_enabled, Some(false));
    // 18: half of the pages are frozen, so half of the rows count.
    let half = Row { pages: 10, frozen_pages: Some(5), inserted_since_vacuum: Some(600), ..row(10_000, 0) };
    let (_, families, _) = round(half, &at(18));
    assert_eq!(number(&families, "pg_table_autovacuum_insert_pressure", T), Some(0.3));
}

#[test]
fn how_long_a_table_waits_for_its_vacuum() {
    let mut collector = Tables::new(&Settings::default());
    let mut waits = |dead: i64, vacuums: i64, at_second: u64| {
        let cx = Cx { mono: Duration::from_secs(at_second), interval: Duration::from_secs(60), ..at(17) };
        let mut rows = [Row { autovacuums: Some(vacuums), ..row(1000, dead) }];
        collector.complete(&mut rows, &cx);
        rows[0].vacuum_due_seconds
    };
    assert_eq!(waits(249, 1, 0), None, "one below its trigger");
    assert_eq!(waits(250, 1, 60), Some(0.0));
    assert_eq!(waits(400, 1, 120), Some(60.0));
    assert_eq!(waits(400, 2, 180), Some(0.0), "one came, and the rows are there still");
    assert_eq!(waits(0, 3, 240), None);
}

#[test]
fn after_a_crash_nothing_is_made_up() {
    // A million rows, the statistics gone, then a thousand updates.
    let lost =
        Row { autovacuums: Some(0), estimated_rows: Some(1e6), tuples_updated: Some(1000), ..row(0, 1000) };
    let (row_, families, _) = round(lost.clone(), &at(17));
    assert!(!row_.counts_known);
    for family in ["pg_table_pct_dead", "pg_table_dead_tuples", "pg_table_live_tuples"] {
        assert_eq!(number(&families, family, T), None, "{family}");
    }
    // What autovacuum itself goes by.
    assert_eq!(number(&families, "pg_table_autovacuum_pressure", T), Some(1000.0 / 200_050.0));
    // An upgrade forgets the estimate as well.
    let (row_, _, _) = round(Row { estimated_rows: None, ..lost.clone() }, &at(17));
    assert!(!row_.counts_known);
    // An analyze counts the table anew.
    let (row_, _, _) = round(Row { autoanalyzes: Some(1), ..lost.clone() }, &at(17));
    assert!(row_.counts_known);
    // A few rows came since: they are not all.
    let (row_, _, _) = round(Row { tuples_inserted: Some(10), live_tuples: Some(10), ..lost }, &at(17));
    assert!(!row_.counts_known);
    // A table that was loaded and indexed, then emptied, and never vacuumed: counted from its first row on.
    let young = Row {
        autovacuums: Some(0),
        estimated_rows: Some(1e5),
        tuples_inserted: Some(100_000),
        tuples_deleted: Some(99_000),
        ..row(1000, 99_000)
    };
    let (_, families, _) = round(young, &at(17));
    assert_eq!(number(&families, "pg_table_pct_dead", T), Some(99.0));
}

#[test]
fn a_server_that_does_not_count_is_blind() {
    let mut cx = at(17);
    Arc::make_mut(&mut cx.facts).settings.insert("track_counts".into(), ("off".into(), None));
    let (_, families, blind) = round(row(0, 0), &cx);
    assert_eq!(families, []);
    assert_eq!(blind[0].needs, "track_counts");
}

#[test]
fn a_dropped_index_takes_no_scans_with_it() {
    let mut collector = Tables::new(&Settings::default());
    let mut shown = |idx: Option<i64>, seq: i64, cx: &Cx| {
        let mut rows = [Row { idx_scans: idx, idx_tuples_fetched: idx, seq_scans: seq, ..row(9, 0) }];
        collector.complete(&mut rows, cx);
        assert_eq!(rows[0].idx_scans, rows[0].idx_tuples_fetched);
        rows[0].idx_scans
    };
    let mut cx = at(17);
    assert_eq!(shown(Some(100), 5, &cx), Some(100));
    assert_eq!(shown(Some(10), 5, &cx), Some(100), "one was dropped");
    assert_eq!(shown(Some(15), 6, &cx), Some(105));
    assert_eq!(shown(None, 6, &cx), None, "the last one was dropped");
    assert_eq!(shown(Some(0), 6, &cx), Some(105), "and another made");
    assert_eq!(shown(Some(2), 0, &cx), Some(2), "the statistics were reset");
    assert_eq!(shown(Some(9), 0, &cx), Some(9));
    Arc::make_mut(&mut cx.facts).started_at += jiff::SignedDuration::from_secs(60);
    assert_eq!(shown(Some(3), 0, &cx), Some(3), "another server, or its statistics lost");
}

#[test]
fn a_standby_shows_its_own_scans_only() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        for sql in [
            "CREATE TABLE busy (id int PRIMARY KEY)",
            "INSERT INTO busy SELECT generate_series(1, 2000)",
            "DELETE FROM busy WHERE id > 1000",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let replica = server.replica("standby").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        replica.exec("postgres", "SELECT count(*) FROM busy").await.unwrap();
        let seen = "SELECT seq_scan = 1 FROM pg_stat_user_tables WHERE relname = 'busy'";
        replica.wait_until("postgres", seen).await.unwrap();
        let dsn = replica.dsn_as("pgmon", &monitor, "postgres");
        let round = Probe::new(&dsn, single::<Tables>()).await.round().await;
        assert_eq!(round.blind[0].needs, "primary");
        let mut names: Vec<&str> = round.families.iter().map(|f| f.desc.name()).collect();
        names.sort_unstable();
        let scans = [
            "pg_table_idx_scans_total",
            "pg_table_idx_tuples_fetched_total",
            "pg_table_seq_scans_total",
            "pg_table_seq_tuples_read_total",
        ];
        assert_eq!(names, scans, "{major}");
        assert_eq!(round.value("pg_table_seq_scans_total", &["public.busy"]), Some(1.0));
        let row = round.data.as_array().unwrap().iter().find(|r| r["name"] == "busy").unwrap();
        for unknown in
            ["tuples_inserted", "modified_since_analyze", "vacuums", "vacuum_trigger", "dead_tuples"]
        {
            assert!(row[unknown].is_null(), "{unknown} on {major}");
        }
    });
}

#[test]
fn hot_ratio() {
    let (row_, _, _) =
        round(Row { tuples_updated: Some(8), tuples_hot_updated: Some(6), ..row(9, 0) }, &at(17));
    assert_eq!(row_.hot_ratio, Some(0.75));
    assert_eq!(round(row(9, 0), &at(17)).0.hot_ratio, None);
}

#[test]
fn tuples_are_the_servers_until_a_crash_loses_them() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        workload::many_tables(&server, "postgres", 80, 80).await.unwrap();
        workload::hostile_names(&server, "postgres").await.unwrap();
        // One transaction each, as the statistics are counted.
        for sql in [
            "CREATE TABLE busy (id int PRIMARY KEY, n int) WITH (autovacuum_vacuum_scale_factor = 0.5)",
            "INSERT INTO busy SELECT i, 0 FROM generate_series(1, 2000) i",
            "ANALYZE busy",
            "UPDATE busy SET n = 1 WHERE id <= 500",
            "DELETE FROM busy WHERE id > 1900",
            "SET enable_seqscan = off; SELECT n FROM busy WHERE id = 7",
        ] {
            server.exec("postgres", sql).await.unwrap();
            // A session's counts arrive when it has ended: after ANALYZE they would be added to its estimate.
            if sql.starts_with("INSERT") {
                let arrived = "SELECT n_tup_ins = 2000 FROM pg_stat_user_tables WHERE relname = 'busy'";
                server.wait_until("postgres", arrived).await.unwrap();
            }
        }
        let truth = "SELECT n_dead_tup > 100 AND n_tup_del = 100 AND idx_scan > 0 FROM pg_stat_user_tables WHERE relname = 'busy'";
        server.wait_until("postgres", truth).await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &monitor, "postgres");
        let mut probe = Probe::new(&dsn, single::<Tables>()).await;
        let round = probe.round().await;
        assert!(round.executed[0].rows <= 75);
        let value = |family: &str| round.value(family, &["public.busy"]);
        // A scan on the way may have pruned some.
        let dead = "SELECT n_dead_tup::float8 FROM pg_stat_user_tables WHERE relname = 'busy'";
        let dead: f64 = server.query("postgres", dead).await.unwrap();
        assert_eq!(value("pg_table_dead_tuples"), Some(dead), "{major}");
        assert_eq!(value("pg_table_live_tuples"), Some(1900.0));
        assert_eq!(value("pg_table_pct_dead"), Some(dead / (dead + 1900.0) * 100.0));
        assert_eq!(value("pg_table_autovacuum_pressure"), Some(dead / 1050.0));
        assert_eq!(value("pg_table_analyze_pressure"), Some(600.0 / 250.0));
        let inserts = (major.0 >= 13).then_some(2000.0 / 1400.0);
        assert_eq!(value("pg_table_autovacuum_insert_pressure"), inserts);
        assert_eq!(value("pg_table_tuples_updated_total"), Some(500.0));
        let row = round.data.as_array().unwrap().iter().find(|r| r["name"] == "busy").unwrap();
        assert_eq!(row["autovacuum_enabled"], false);
        assert!(
            row["analyzed_seconds_ago"].as_f64().unwrap() < 60.0 && row["vacuumed_seconds_ago"].is_null()
        );
        // Everything that pg_stat_user_tables says, by the names that we use.
        let sql = "SELECT json_build_array(seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd)::text \
                   FROM pg_stat_user_tables WHERE relname = 'busy'";
        let theirs: Vec<f64> =
            serde_json::from_str(&server.query::<String>("postgres", sql).await.unwrap()).unwrap();
        let families = [
            "seq_scans",
            "seq_tuples_read",
            "idx_scans",
            "idx_tuples_fetched",
            "tuples_inserted",
            "tuples_updated",
            "tuples_deleted",
            "tuples_hot_updated",
        ];
        let ours: Vec<f64> =
            families.iter().map(|f| value(&format!("pg_table_{f}_total")).unwrap()).collect();
        assert_eq!(ours, theirs, "{major}");
        // An untouched table is not starved.
        let calm =
            round.samples("pg_table_autovacuum_pressure").into_iter().filter(|(l, _)| l[0] != "public.busy");
        assert!(calm.into_iter().all(|(_, v)| v < 1.0));

        server.kill().await.unwrap();
        server.start_again().await.unwrap();
        server.exec("postgres", "UPDATE busy SET n = 2 WHERE id <= 300").await.unwrap();
        let lost =
            "SELECT n_tup_upd = 300 AND n_live_tup < 500 FROM pg_stat_user_tables WHERE relname = 'busy'";
        server.wait_until("postgres", lost).await.unwrap();
        let mut probe = Probe::new(&dsn, single::<Tables>()).await;
        let round = probe.round().await;
        assert_eq!(
            round.value("pg_table_pct_dead", &["public.busy"]),
            None,
            "{major}: the statistics are gone"
        );
        assert_eq!(round.value("pg_table_live_tuples", &["public.busy"]), None);
        server.exec("postgres", "ANALYZE busy").await.unwrap();
        let counted = "SELECT n_live_tup = 1900 FROM pg_stat_user_tables WHERE relname = 'busy'";
        server.wait_until("postgres", counted).await.unwrap();
        assert!(probe.round().await.value("pg_table_pct_dead", &["public.busy"]).is_some());
    });
}

#[test]
fn no_lock_is_waited_for() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let held = workload::access_exclusive(&server, "postgres", "held").await.unwrap();
        let round = Probe::new(&server.dsn("postgres"), single::<Tables>()).await.round().await;
        assert!(round.data.as_array().unwrap().iter().any(|r| r["name"] == "held"));
        held.stop().await.unwrap();
    });
}
