use super::{Row, StaleStatistics};
use crate::postgres::collector::{Collector as _, Cx, Settings, single};
use crate::postgres::testing::{Probe, Round, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_core::snapshot::Blind;
use pgmon_testkit::{Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

fn row(table_name: &str, mods: i64) -> Row {
    Row {
        schema_name: "public".into(),
        table_name: table_name.into(),
        never_analyzed: Some(false),
        analyzed_seconds: Some(60.0),
        mods_since_analyze: Some(mods),
        live_rows: Some(1000),
        analyze_trigger_rows: Some(150),
        ratio: Some(mods as f64 / 150.0),
        autovacuum_enabled: Some(true),
        never_analyzed_tables: Some(4),
        stale_tables: Some(70),
        ..Row::default()
    }
}

fn round(collector: &mut StaleStatistics, rows: &mut [Row], cx: &Cx) -> (Vec<Family>, Vec<Blind>) {
    let mut out = Families::new();
    collector.complete(rows, cx);
    let blind = collector.samples(rows, cx, &mut out);
    (out.into_vec(), blind)
}

fn on(major: u16) -> Cx {
    cx(major, Duration::ZERO)
}

#[test]
fn totals_count_what_is_not_listed_and_parents_are_only_in_the_rows() {
    let mut collector = StaleStatistics::new(&Settings::default());
    let never = Row { never_analyzed: Some(true), analyzed_seconds: None, ..row("never", 300) };
    let parent = Row { partition_parent: true, never_analyzed: Some(true), ..Row::default() };
    let mut rows = [row("busy", 400), never, parent.clone()];
    let (families, blind) = round(&mut collector, &mut rows, &on(18));
    assert_eq!(blind, []);
    assert_eq!(number(&families, "pg_table_mods_since_analyze", &["public.busy"]), Some(400.0));
    assert_eq!(number(&families, "pg_table_stats_age_seconds", &["public.busy"]), Some(60.0));
    assert_eq!(number(&families, "pg_table_stats_age_seconds", &["public.never"]), None, "no age, not 0");
    assert_eq!(number(&families, "pg_tables_stats_stale", &[]), Some(70.0));
    assert_eq!(number(&families, "pg_tables_never_analyzed", &[]), Some(4.0));
    assert_eq!(number(&families, "pg_partitioned_tables_never_analyzed", &[]), Some(1.0));
    let listed = families.iter().find(|f| f.desc.name() == "pg_table_mods_since_analyze").unwrap();
    assert_eq!(listed.samples.len(), 2);
    // Up to 13 nobody knows.
    let mut rows = [Row { never_analyzed: None, ..parent }];
    let (families, _) = round(&mut collector, &mut rows, &on(13));
    assert_eq!(number(&families, "pg_partitioned_tables_never_analyzed", &[]), None);
    assert_eq!(number(&families, "pg_tables_never_analyzed", &[]), Some(0.0));
}

#[test]
fn changes_between_two_rounds_are_told_unless_it_was_analyzed() {
    let mut collector = StaleStatistics::new(&Settings::default());
    let mut changes = |mods: i64| {
        let mut rows = [row("busy", mods)];
        round(&mut collector, &mut rows, &on(18));
        rows[0].mods_since_last_round
    };
    assert_eq!(changes(100), None);
    assert_eq!(changes(130), Some(30));
    assert_eq!(changes(130), Some(0));
    assert_eq!(changes(60), None, "analyzed, or the statistics were reset");
    assert_eq!(changes(70), Some(10));
}

#[test]
fn what_is_not_counted_is_unknown() {
    let mut standby = on(18);
    Arc::make_mut(&mut standby.facts).in_recovery = true;
    let mut off = on(18);
    Arc::make_mut(&mut off.facts).settings.insert("track_counts".into(), ("off".into(), None));
    for (cx, needs) in [(standby, "primary"), (off, "track_counts")] {
        let mut collector = StaleStatistics::new(&Settings::default());
        let (families, blind) = round(&mut collector, &mut [row("busy", 1)], &cx);
        assert_eq!(families, []);
        assert_eq!(blind[0].needs, needs);
    }
}

fn find<'a>(round: &'a Round, table: &str) -> Option<&'a serde_json::Value> {
    round.data.as_array().unwrap().iter().find(|r| r["table_name"] == table)
}

#[test]
fn the_tables_that_need_it_are_found_and_no_others() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        // One session each: a session's statistics are complete once it has ended.
        for sql in [
            "CREATE TABLE public.stale (n int); INSERT INTO public.stale SELECT generate_series(1, 5000)",
            "CREATE TABLE public.fresh (n int); INSERT INTO public.fresh SELECT generate_series(1, 5000)",
            "CREATE TABLE public.tiny (n int); INSERT INTO public.tiny SELECT generate_series(1, 40)",
            "CREATE TABLE public.empty (n int)",
            "CREATE TABLE public.never (n int); INSERT INTO public.never SELECT generate_series(1, 3000)",
            "CREATE TABLE public.restored (n int); INSERT INTO public.restored SELECT generate_series(1, 3000); CREATE INDEX ON public.restored (n)",
            "CREATE TABLE public.own (n int) WITH (autovacuum_analyze_threshold = 100000, autovacuum_enabled = false); INSERT INTO public.own SELECT generate_series(1, 2000)",
            "CREATE TABLE public.parent (n int) PARTITION BY RANGE (n); CREATE TABLE public.child PARTITION OF public.parent FOR VALUES FROM (0) TO (10000); INSERT INTO public.parent SELECT generate_series(1, 3000)",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        // What a session has done is counted some time after its end: not after the ANALYZE, please.
        let counted =
            "SELECT sum(n_tup_ins) = 5000 + 5000 + 40 + 3000 + 3000 + 2000 + 3000 FROM pg_stat_user_tables";
        server.wait_until("postgres", counted).await.unwrap();
        for sql in [
            "ANALYZE public.stale, public.fresh, public.tiny, public.own, public.child",
            "UPDATE public.stale SET n = n + 1 WHERE n <= 1200",
            "UPDATE public.fresh SET n = n + 1 WHERE n <= 10",
            "UPDATE public.own SET n = n + 1",
            "DO $$ BEGIN FOR i IN 1..20 LOOP UPDATE public.tiny SET n = n; END LOOP; END $$",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let counted = "SELECT (SELECT n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'tiny') = 800 \
                          AND (SELECT n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'stale') = 1200 \
                          AND (SELECT n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'restored') = 3000";
        server.wait_until("postgres", counted).await.unwrap();
        let role = server.create_role("nobody").await.unwrap();
        let dsn = server.dsn_as("nobody", &role, "postgres");
        let mut probe = Probe::new(&dsn, single::<StaleStatistics>()).await;
        // DDL in the way of everybody else is not in ours.
        let lock = workload::access_exclusive(&server, "postgres", "stale").await.unwrap();
        let round = probe.round().await;
        lock.stop().await.unwrap();

        assert_eq!(round.value("pg_table_mods_since_analyze", &["public.stale"]), Some(1200.0), "{major}");
        let truth = "SELECT EXTRACT(epoch FROM now() - last_analyze)::float8 FROM pg_stat_user_tables WHERE relname = 'stale'";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        let age = round.value("pg_table_stats_age_seconds", &["public.stale"]).unwrap();
        assert!(age > 0.0 && age <= truth, "{age} {truth}");
        assert_eq!(find(&round, "stale").unwrap()["analyze_trigger_rows"], 550);
        for quiet in ["fresh", "tiny", "empty", "own", "child"] {
            assert!(find(&round, quiet).is_none(), "{quiet} on {major}: {:#}", round.data);
        }
        assert_eq!(find(&round, "restored").unwrap()["never_analyzed"], true);
        assert_eq!(round.value("pg_tables_never_analyzed", &[]), Some(2.0), "{major}: {:#}", round.data);
        assert_eq!(round.value("pg_tables_stats_stale", &[]), Some(3.0), "{major}: {:#}", round.data);
        let parent = find(&round, "parent").unwrap();
        assert_eq!(parent["partition_parent"], true);
        let never = round.value("pg_partitioned_tables_never_analyzed", &[]);
        assert_eq!(never, (major.0 >= 14).then_some(1.0), "{major}");

        // Analyzed: nothing is left to say.
        server.exec("postgres", "ANALYZE").await.unwrap();
        server.exec("postgres", "ANALYZE public.parent").await.unwrap();
        let counted = "SELECT max(n_mod_since_analyze) = 0 FROM pg_stat_user_tables";
        server.wait_until("postgres", counted).await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.samples("pg_table_mods_since_analyze"), []);
        assert_eq!(round.value("pg_tables_never_analyzed", &[]), Some(0.0));
        assert_eq!(round.value("pg_tables_stats_stale", &[]), Some(0.0));
        assert_eq!(never.map(|_| 0.0), round.value("pg_partitioned_tables_never_analyzed", &[]));
    });
}

#[test]
fn lost_statistics_do_not_make_tables_never_analyzed() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        for sql in [
            "CREATE TABLE public.known (n int); INSERT INTO public.known SELECT generate_series(1, 5000)",
            "ANALYZE public.known",
            "CREATE TABLE public.upgraded (n int); INSERT INTO public.upgraded SELECT generate_series(1, 50000)",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let counted = "SELECT sum(n_tup_ins) = 55000 FROM pg_stat_user_tables";
        server.wait_until("postgres", counted).await.unwrap();
        // As after a crash, and as after pg_upgrade.
        let mut admin = server.connect("postgres").await.unwrap();
        sqlx::raw_sql("SELECT pg_stat_reset()").execute(&mut admin).await.unwrap();
        server.exec("postgres", "UPDATE public.known SET n = n WHERE n <= 600").await.unwrap();
        let counted = "SELECT sum(n_mod_since_analyze) = 600 FROM pg_stat_user_tables";
        server.wait_until("postgres", counted).await.unwrap();
        let mut probe = Probe::new(&server.dsn("postgres"), single::<StaleStatistics>()).await;
        let round = probe.round().await;
        let known = find(&round, "known").unwrap();
        assert_eq!(
            (&known["never_analyzed"], &known["analyzed_seconds"]),
            (&false.into(), &serde_json::Value::Null)
        );
        assert_eq!(round.value("pg_table_mods_since_analyze", &["public.known"]), Some(600.0));
        assert_eq!(find(&round, "upgraded").unwrap()["never_analyzed"], true, "{major}: {:#}", round.data);
        assert_eq!(round.value("pg_tables_never_analyzed", &[]), Some(1.0), "{major}");
        // Its size cannot be had while DDL holds it: it is left out, and nobody waits.
        let lock = workload::access_exclusive(&server, "postgres", "upgraded").await.unwrap();
        let round = probe.round().await;
        assert!(find(&round, "upgraded").is_none());
        assert!(!server.log().contains("lock timeout"), "{}", server.log());
        lock.stop().await.unwrap();
    });
}

#[test]
fn a_standby_knows_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(pgmon_testkit::Major::NEWEST).await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let setup = "CREATE TABLE public.t (n int); INSERT INTO public.t SELECT generate_series(1, 3000)";
        server.exec("postgres", setup).await.unwrap();
        let replica = server.replica("standby").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        let dsn = replica.dsn_as("pgmon", &monitor, "postgres");
        let mut probe = Probe::new(&dsn, single::<StaleStatistics>()).await;
        let round = probe.round().await;
        assert_eq!(round.families, []);
        assert_eq!(round.blind[0].needs, "primary");
        replica.promote().await.unwrap();
        probe.refresh().await;
        assert_eq!(probe.round().await.blind, []);
    });
}
