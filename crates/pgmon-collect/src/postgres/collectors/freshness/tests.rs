use super::{Freshness, Row};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::label;
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Major, Server, workload};
use std::time::Duration;

const AUTOVACUUM: &str = "pg_table_last_autovacuum_seconds";

fn row(oid: i64, name: &str, pages: i64) -> Row {
    Row {
        oid,
        schema: "public".into(),
        name: name.into(),
        pages,
        last_autovacuum_age_seconds: Some(60.0),
        last_vacuum_age_seconds: None,
        last_autoanalyze_age_seconds: Some(-0.1),
        last_analyze_age_seconds: None,
    }
}

fn round(collector: &mut Freshness, rows: &[Row]) -> Vec<Family> {
    let mut out = Families::new();
    assert_eq!(collector.samples(rows, &cx(18, Duration::ZERO), &mut out), []);
    out.into_vec()
}

#[test]
fn never_is_absent_and_a_clock_set_back_is_now() {
    let mut collector = Freshness::new(&Settings::default());
    let families = round(&mut collector, &[row(16_384, "orders", 10)]);
    assert_eq!(number(&families, AUTOVACUUM, &["public.orders"]), Some(60.0));
    assert_eq!(number(&families, "pg_table_last_autoanalyze_seconds", &["public.orders"]), Some(0.0));
    assert!(!families.iter().any(|f| f.desc.name() == "pg_table_last_vacuum_seconds"));
    assert!(!families.iter().any(|f| f.desc.name() == "pg_table_last_analyze_seconds"));
}

#[test]
fn a_series_at_the_edge_stays() {
    let mut collector = Freshness::new(&Settings { top_relations: 2, ..Settings::default() });
    round(&mut collector, &[row(1, "a", 9), row(2, "b", 8), row(3, "c", 7)]);
    let families = round(&mut collector, &[row(1, "a", 9), row(3, "c", 9), row(2, "b", 8)]);
    for relation in ["public.a", "public.b", "public.c"] {
        assert_eq!(number(&families, AUTOVACUUM, &[relation]), Some(60.0), "{relation}");
    }
}

#[test]
fn ages_are_those_of_the_server() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum_naptime", "1s").start().await.unwrap();
        let names = workload::hostile_names(&server, "postgres").await.unwrap();
        let setup = "CREATE TABLE never (i int) WITH (autovacuum_enabled = false); \
                     CREATE TABLE manual (i int) WITH (autovacuum_enabled = false); \
                     CREATE TABLE auto (i int) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, \
                                                     autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0); \
                     CREATE TABLE parted (i int) PARTITION BY LIST (i); \
                     INSERT INTO auto SELECT generate_series(1, 1000); DELETE FROM auto WHERE i % 2 = 0";
        server.exec("postgres", setup).await.unwrap();
        for sql in ["VACUUM manual", "ANALYZE manual"] {
            server.exec("postgres", sql).await.unwrap();
        }
        let done = "SELECT last_autovacuum IS NOT NULL AND last_autoanalyze IS NOT NULL AND \
                    (SELECT last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'manual') \
                    FROM pg_stat_user_tables WHERE relname = 'auto'";
        server.wait_until("postgres", done).await.unwrap();

        let password = server.create_role("stranger").await.unwrap();
        let dsn = server.dsn_as("stranger", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<Freshness>()).await;
        let round = probe.round().await;
        for (family, column, table) in [
            (AUTOVACUUM, "last_autovacuum", "auto"),
            ("pg_table_last_autoanalyze_seconds", "last_autoanalyze", "auto"),
            ("pg_table_last_vacuum_seconds", "last_vacuum", "manual"),
            ("pg_table_last_analyze_seconds", "last_analyze", "manual"),
        ] {
            let truth = format!(
                "SELECT extract(epoch FROM clock_timestamp() - {column})::float8 FROM pg_stat_user_tables WHERE relname = '{table}'"
            );
            let truth: f64 = server.query("postgres", &truth).await.unwrap();
            let relation = format!("public.{table}");
            let age = round.value(family, &[&relation]).unwrap();
            assert!((0.0..=truth).contains(&age) && truth - age < 10.0, "{family}: {age} instead of {truth}");
            for absent in ["public.never", "public.parted"] {
                assert_eq!(round.value(family, &[absent]), None);
            }
            let other = if table == "auto" { "public.manual" } else { "public.auto" };
            assert_eq!(round.value(family, &[other]), None);
        }
        assert_eq!(round.data.as_array().unwrap().len(), names.len() + 3);

        // Ranked on the server, cut there.
        server.exec("postgres", "ANALYZE").await.unwrap();
        // Before 15 it is counted when its message arrives.
        let counted = "SELECT count(*) >= 3 FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL AND relname <> 'manual'";
        server.wait_until("postgres", counted).await.unwrap();
        let settings = Settings { top_relations: 2, ..Settings::default() };
        let mut top = Probe::with(&dsn, single::<Freshness>(), settings).await;
        let round = top.round().await;
        assert_eq!(round.data.as_array().unwrap().len(), 3);
        assert_eq!(round.samples("pg_table_last_analyze_seconds").len(), 2);
        // The largest come first, the rest by age.
        assert!(round.value(AUTOVACUUM, &["public.auto"]).is_some());
        let first = label::relation(&names[0], &names[0]);
        assert!(round.value("pg_table_last_analyze_seconds", &[&first]).is_some());
    });
}

#[test]
fn a_table_that_was_only_loaded_ranks_by_its_rows() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        for sql in [
            "CREATE TABLE small AS SELECT 1 AS i",
            "VACUUM ANALYZE small",
            "CREATE TABLE loaded AS SELECT generate_series(1, 20000) AS i",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let counted = "SELECT n_live_tup = 20000 FROM pg_stat_user_tables WHERE relname = 'loaded'";
        server.wait_until("postgres", counted).await.unwrap();
        let round = Probe::new(&server.dsn("postgres"), single::<Freshness>()).await.round().await;
        assert_eq!(round.data[0]["name"], "loaded", "{major}");
    });
}

#[test]
fn a_standby_cannot_tell() {
    let mut cx = cx(18, Duration::ZERO);
    std::sync::Arc::make_mut(&mut cx.facts).in_recovery = true;
    let mut collector = Freshness::new(&Settings::default());
    let (mut rows, mut out) = ([row(16_384, "orders", 10)], Families::new());
    collector.complete(&mut rows, &cx);
    let blind = collector.samples(&rows, &cx, &mut out);
    assert_eq!((blind[0].needs.as_str(), out.into_vec()), ("primary", vec![]));
    assert_eq!(rows[0].last_autovacuum_age_seconds, None);
}

#[tokio::test]
async fn two_thousand_tables_cost_little() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    workload::many_tables(&server, "postgres", 2000, 2000).await.unwrap();
    let password = server.create_role("stranger").await.unwrap();
    let mut probe =
        Probe::new(&server.dsn_as("stranger", &password, "postgres"), single::<Freshness>()).await;
    let mut least = u64::MAX;
    for _ in 0..12 {
        let before = server.backend_cpu(probe.facts.backend_pid).unwrap();
        let round = probe.round().await;
        least = least.min(server.backend_cpu(probe.facts.backend_pid).unwrap() - before);
        assert_eq!(round.executed.len(), 1);
        assert_eq!(round.executed[0].rows, 75);
    }
    assert!(least < 3_000_000, "{least} ns of the backend's CPU a round");
}
