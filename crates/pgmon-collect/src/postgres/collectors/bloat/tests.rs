use super::estimate::{Column, Shape, index_bloat, index_pages, table_bloat, table_pages};
use super::{Bloat, Can, Candidate, Fate, REGISTERED};
use crate::postgres::collector::{BloatSettings, Settings, Steps as _};
use crate::postgres::session::QueryError;
use crate::postgres::testing::{Probe, Round, cx, on_all_majors};
use pgmon_testkit::{Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

const SHAPE: Shape =
    Shape { block_size: 8192.0, rows: 10_000.0, attributes: 2, fill: 1.0, deduplicates: false };

fn column(length: i32, alignment: &str, width: i32, null_fraction: f64) -> Column {
    Column {
        relid: 1,
        length,
        alignment: alignment.into(),
        dropped: false,
        equal_is_same: true,
        null_fraction: Some(null_fraction),
        width: Some(width),
        distinct_values: Some(-1.0),
    }
}

#[test]
fn a_table_is_built_anew_on_paper() {
    // 24 header + 4 + 101 = 129, aligned 136, and 4 for its pointer: 58 to a page.
    let columns = [column(4, "i", 4, 0.0), column(-1, "i", 101, 0.0)];
    assert_eq!(table_pages(SHAPE, &columns), Some(173.0));
    // Half of each page is kept free: 29 to a page.
    assert_eq!(table_pages(Shape { fill: 0.5, ..SHAPE }, &columns), Some(345.0));
    // A null bitmap makes the header longer only if there are more than eight columns.
    let wide = [column(8, "d", 8, 0.0), column(8, "d", 8, 0.5)];
    assert_eq!(table_pages(SHAPE, &wide), table_pages(SHAPE, &[column(8, "d", 12, 0.0)]));
    let many = table_pages(Shape { attributes: 9, ..SHAPE }, &wide);
    assert!(many > table_pages(SHAPE, &wide));
    assert_eq!(table_pages(Shape { rows: 0.0, ..SHAPE }, &columns), Some(0.0), "all of it is free");
}

#[test]
fn what_is_not_known_in_full_is_not_estimated() {
    let hidden = Column { width: None, null_fraction: None, ..column(4, "i", 4, 0.0) };
    let columns = [column(4, "i", 4, 0.0), hidden.clone()];
    assert_eq!(table_pages(SHAPE, &columns), None);
    assert_eq!(index_pages(SHAPE, &columns), None);
    assert_eq!(table_pages(Shape { rows: -1.0, ..SHAPE }, &columns[..1]), None, "never counted");
    let dropped = Column { dropped: true, ..hidden };
    assert!(table_pages(SHAPE, &[column(4, "i", 4, 0.0), dropped]).is_some(), "a dropped one is gone");
}

#[test]
fn equal_entries_are_kept_as_one_where_the_server_can() {
    let few = Column { distinct_values: Some(10.0), ..column(8, "d", 8, 0.0) };
    let shape = Shape { rows: 100_000.0, fill: 0.9, deduplicates: true, ..SHAPE };
    let with = index_pages(shape, std::slice::from_ref(&few)).unwrap();
    let without = index_pages(Shape { deduplicates: false, ..shape }, std::slice::from_ref(&few)).unwrap();
    assert!(with * 2.5 < without, "{with} {without}");
    // numeric: 1.0 equals 1.00 and is not the same.
    let numeric = Column { equal_is_same: false, ..few };
    assert_eq!(index_pages(shape, &[numeric]), Some(without));
    // No duplicates, nothing gained.
    let unique = column(8, "d", 8, 0.0);
    assert_eq!(index_pages(shape, std::slice::from_ref(&unique)), Some(without));
}

#[test]
fn space_that_is_free_on_purpose_is_not_bloat() {
    assert_eq!(table_bloat(1000.0, 100.0, 200.0, 1.0), 300.0);
    assert_eq!(table_bloat(1000.0, 0.0, 200.0, 0.7), 0.0);
    assert_eq!(table_bloat(1000.0, 100.0, 500.0, 0.5), 200.0);
    assert_eq!(table_bloat(0.0, 0.0, 0.0, 1.0), 0.0);
    let shape = Shape { fill: 0.9, ..SHAPE };
    let page = 8192.0;
    assert_eq!(index_bloat(101.0 * page, 0.0, 100.0, Some(0.9), shape), 0.0);
    assert_eq!(index_bloat(101.0 * page, 0.0, 100.0, Some(0.45), shape), 50.0 * page);
    // 60 deleted pages.
    assert_eq!(index_bloat(101.0 * page, 0.0, 40.0, Some(0.95), shape), 60.0 * page);
    assert_eq!(index_bloat(1.0 * page, 0.0, 0.0, None, shape), 0.0, "an empty index");
}

fn candidate(relid: i64, pages: i64) -> (Candidate, Fate) {
    let candidate = Candidate {
        kind: "table".into(),
        relid,
        schema_name: "public".into(),
        name: format!("t{relid}"),
        table_name: None,
        pages,
        unseen_pages: Some(0),
        rows: 1.0,
        attributes: 1,
        fillfactor: 100.0,
        deduplicates: false,
    };
    (candidate, Fate::Waiting)
}

/// The relations that a round would measure, given these.
fn measured(bloat: &mut Bloat, found: &[(i64, i64)]) -> Vec<i64> {
    bloat.abort();
    bloat.can = Can { approx: true, exact: true, index: true };
    bloat.found = found.iter().map(|(relid, pages)| candidate(*relid, *pages)).collect();
    let mut cx = cx(18, Duration::ZERO);
    Arc::make_mut(&mut cx.settings).bloat.max_bytes = 100 * 8192;
    bloat.choose(&cx);
    bloat.queue.iter().map(|(at, ..)| bloat.found[*at].0.relid).collect()
}

#[test]
fn the_budget_is_kept_and_the_largest_that_fit_are_measured() {
    let mut bloat = Bloat::new(&Settings::default());
    let found = [(1, 500), (2, 60), (3, 50), (4, 40), (5, 1)];
    assert_eq!(measured(&mut bloat, &found), [2, 4]);
    assert!(matches!(bloat.found[0].1, Fate::Not("it does not fit into bloat.max_bytes")));
    assert!(matches!(bloat.found[4].1, Fate::Not(_)), "60 + 40 is all");
}

#[test]
fn wal_has_a_budget_of_its_own_where_hints_are_logged() {
    let with = |change: &dyn Fn(&mut crate::postgres::facts::Facts)| {
        let mut bloat = Bloat::new(&Settings::default());
        bloat.can = Can { approx: true, exact: true, index: true };
        // 8, 24 and 8 MiB of pages that nobody has read.
        for (relid, unseen) in [(1, 1024), (2, 3072), (3, 1024), (4, 1)] {
            let (candidate, fate) = candidate(relid, 5000 - relid);
            bloat.found.push((Candidate { unseen_pages: Some(unseen), ..candidate }, fate));
        }
        let mut cx = cx(18, Duration::ZERO);
        change(Arc::make_mut(&mut cx.facts));
        bloat.choose(&cx);
        bloat.queue.iter().map(|(at, ..)| bloat.found[*at].0.relid).collect::<Vec<_>>()
    };
    let set = |name: &'static str, value: &'static str| (name.to_owned(), (value.to_owned(), None));
    assert_eq!(with(&|_| ()), [1, 3], "what is not known counts as logged");
    let off = [set("data_checksums", "off"), set("wal_log_hints", "off")];
    assert_eq!(with(&|f| f.settings = off.clone().into()), [1, 2, 3, 4]);
    let hints = [set("data_checksums", "off"), set("wal_log_hints", "on")];
    assert_eq!(with(&|f| f.settings = hints.clone().into()), [1, 3]);
    assert_eq!(with(&|f| f.in_recovery = true), [1, 2, 3, 4]);
}

#[test]
fn measuring_writes_next_to_no_wal() {
    on_all_majors(async |major| {
        let mut builder = Server::builder(major).setting("autovacuum", "off").setting("max_wal_size", "4GB");
        if major.0 < 18 {
            builder = builder.initdb_arg("--data-checksums");
        }
        let server = builder.start().await.unwrap();
        server.create_extension("postgres", "pgstattuple").await.unwrap();
        let t1 = server.create_monitor("reader", Tier::T1).await.unwrap();
        let dsn = server.dsn_as("reader", &t1, "postgres");
        let rows = "SELECT i, repeat('x', 1000) FROM generate_series(1, 40000) i";
        for sql in [
            // Counted in full, then written anew: every page is to be marked, and the catalog says that none is.
            "CREATE TABLE rewritten (id int, filler text)",
            &format!("INSERT INTO rewritten {rows}"),
            "VACUUM ANALYZE rewritten",
            "DELETE FROM rewritten",
            // Counted while small, then loaded.
            "CREATE TABLE loaded (id int, filler text)",
            "INSERT INTO loaded SELECT i, repeat('x', 1000) FROM generate_series(1, 400) i",
            "VACUUM ANALYZE loaded",
            &format!("INSERT INTO loaded {rows}"),
            "CREATE TABLE calm (id int, filler text)",
            &format!("INSERT INTO calm {rows}"),
            "VACUUM ANALYZE calm",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let counted =
            "SELECT bool_and(n_mod_since_analyze >= 40000) FROM pg_stat_user_tables WHERE relname <> 'calm'";
        server.wait_until("postgres", counted).await.unwrap();
        for exact in [false, true] {
            server.exec("postgres", "CHECKPOINT").await.unwrap();
            let lsn = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
            let before: f64 = server.query("postgres", lsn).await.unwrap();
            let with = settings(BloatSettings { exact, ..Settings::default().bloat });
            let round = Probe::with(&dsn, REGISTERED, with).await.round().await;
            let written = server.query::<f64>("postgres", lsn).await.unwrap() - before;
            assert!(written < f64::from(17 << 20), "{written} bytes of WAL on {major}, exact: {exact}");
            for name in ["rewritten", "loaded"] {
                let why = &find(&round, name).unwrap()["not_measured"];
                assert_eq!(why, "measuring would write WAL: VACUUM it first", "{name} on {major}");
            }
            let calm = find(&round, "calm").unwrap();
            assert!(calm["not_measured"].is_null(), "{calm} on {major}");
        }
    });
}

#[test]
fn what_took_too_long_rests_and_ends_the_round() {
    let mut bloat = Bloat::new(&Settings::default());
    let found = [(1, 50), (2, 40)];
    assert_eq!(measured(&mut bloat, &found), [1, 2]);
    let cancelled = || QueryError::Server { sqlstate: "57014".into(), message: "canceling".into() };
    bloat.running = super::Running::Relation(0);
    let next = bloat.end(Some(cancelled()), &cx(18, Duration::ZERO)).unwrap().unwrap();
    assert_eq!(next.sql, super::COLUMNS.sql, "the rest is estimated");
    let next = bloat.end(None, &cx(18, Duration::ZERO)).unwrap();
    assert!(next.is_none());
    for _ in 0..23 {
        assert_eq!(measured(&mut bloat, &found), [2]);
    }
    assert_eq!(measured(&mut bloat, &found), [1, 2], "a day later it is tried again");
}

#[test]
fn one_that_fails_misses_only_itself() {
    let mut bloat = Bloat::new(&Settings::default());
    measured(&mut bloat, &[(1, 50), (2, 40)]);
    bloat.running = super::Running::Relation(0);
    let locked = QueryError::Server { sqlstate: "55P03".into(), message: "lock timeout".into() };
    let next = bloat.end(Some(locked), &cx(18, Duration::ZERO)).unwrap().unwrap();
    assert_eq!(next.sql, super::APPROX.sql);
    assert!(matches!(bloat.running, super::Running::Relation(1)));
    assert!(matches!(bloat.found[0].1, Fate::Not("DDL holds it")));
}

/// All tables with more than 25 pages.
fn settings(bloat: BloatSettings) -> Settings {
    Settings { bloat: BloatSettings { top_n: 40, min_bytes: 200_000, ..bloat }, ..Settings::default() }
}

/// Tables in every state.
async fn fill(server: &Server) {
    workload::bloat(server, "postgres", "sparse").await.unwrap();
    for sql in [
        "CREATE TABLE public.half (id bigint, kind int, name text, dropped int) WITH (autovacuum_enabled = false, fillfactor = 90)",
        "ALTER TABLE public.half DROP COLUMN dropped",
        "INSERT INTO public.half SELECT i, i % 50, md5(i::text) || repeat('x', i % 100) FROM generate_series(1, 20000) i",
        "CREATE INDEX half_name ON public.half (name)",
        "DELETE FROM public.half WHERE id % 2 = 0",
        "CREATE TABLE public.never (id int, filler text) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.never SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i",
        // Pages are counted, columns are not known.
        "VACUUM public.never",
        "CREATE UNLOGGED TABLE public.unlogged AS SELECT i, repeat('x', 100) AS t FROM generate_series(1, 5000) i",
        "VACUUM ANALYZE public.unlogged",
        "VACUUM ANALYZE public.half",
    ] {
        server.exec("postgres", sql).await.unwrap();
    }
}

/// Indexes in every state.
async fn fill_indexes(server: &Server) {
    for sql in [
        "CREATE TABLE public.fresh (id int, at timestamptz, name text, note text, amount numeric) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.fresh SELECT i, now(), 'name ' || i, CASE WHEN i % 3 = 0 THEN repeat('n', i % 60) END, i / 7.0 FROM generate_series(1, 20000) i",
        "CREATE TABLE public.third (id bigint, kind int, name text) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.third SELECT i, i % 50, md5(i::text) FROM generate_series(1, 30000) i",
        "CREATE INDEX third_kind ON public.third (kind)",
        "CREATE INDEX third_two ON public.third (id, kind) WITH (fillfactor = 70)",
        "CREATE INDEX third_expression ON public.third (lower(name)) WHERE id > 0",
        "DELETE FROM public.third WHERE id % 3 = 0",
        // Filled in no order: pages split, and stay two thirds full.
        "CREATE TABLE public.random (name text PRIMARY KEY) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.random SELECT md5(i::text) FROM generate_series(1, 10000) i",
        "VACUUM ANALYZE public.fresh",
        "VACUUM ANALYZE public.third",
        "VACUUM ANALYZE public.random",
    ] {
        server.exec("postgres", sql).await.unwrap();
    }
}

const INDEXES: [&str; 6] =
    ["sparse_pkey", "half_name", "third_kind", "third_two", "third_expression", "random_pkey"];

/// What a rewrite of a table gives back, by doing it: a share of the size.
async fn by_rewriting(server: &Server, table: &str) -> f64 {
    let fill = if table == "half" { 90 } else { 100 };
    let rewrite =
        format!("CREATE TABLE rewritten WITH (fillfactor = {fill}) AS SELECT * FROM public.{table}");
    server.exec("postgres", &rewrite).await.unwrap();
    // From 16 on a table is extended by many pages at once: only this leaves none empty.
    server.exec("postgres", "VACUUM FULL rewritten").await.unwrap();
    given_back(server, table, "TABLE rewritten").await
}

/// The same of an index.
async fn by_rebuilding(server: &Server, index: &str) -> f64 {
    let sql = format!("SELECT replace(pg_get_indexdef('{index}'::regclass), ' {index} ', ' rewritten ')");
    let create: String = server.query("postgres", &sql).await.unwrap();
    server.exec("postgres", &create).await.unwrap();
    given_back(server, index, "INDEX rewritten").await
}

async fn given_back(server: &Server, relation: &str, rewritten: &str) -> f64 {
    let sql =
        format!("SELECT 1 - pg_relation_size('rewritten')::float8 / pg_relation_size('public.{relation}')");
    let share: f64 = server.query("postgres", &sql).await.unwrap();
    server.exec("postgres", &format!("DROP {rewritten}")).await.unwrap();
    share
}

fn near(round: &Round, family: &str, name: &str, method: &str, truth: f64, tolerance: f64, place: &str) {
    let shown = round.value(family, &[&format!("public.{name}"), method]);
    let shown = shown.unwrap_or_else(|| panic!("{name} by {method} on {place}: {:#}", round.data));
    assert!((shown - truth).abs() <= tolerance, "{name} by {method} on {place}: {shown}, truly {truth}");
}

fn find<'a>(round: &'a Round, name: &str) -> Option<&'a serde_json::Value> {
    round.data.as_array().unwrap().iter().find(|r| r["name"] == name)
}

#[test]
fn estimates_are_near_the_truth_or_absent() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        fill(&server).await;
        fill_indexes(&server).await;
        let t0 = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let t1 = server.create_monitor("reader", Tier::T1).await.unwrap();
        let t0 = server.dsn_as("pgmon", &t0, "postgres");
        let t1 = server.dsn_as("reader", &t1, "postgres");
        let place = format!("PostgreSQL {major}");
        let with = || settings(BloatSettings { ..Settings::default().bloat });

        // T1 without the extension.
        let statistics = Probe::with(&t1, REGISTERED, with()).await.round().await;
        assert_eq!(statistics.blind, []);
        assert!(find(&statistics, "never").unwrap()["bloat_ratio"].is_null(), "no statistics, no estimate");

        // T0 without the extension sees nothing, also not where it may read a part.
        server.exec("postgres", "GRANT SELECT (filler) ON public.sparse TO pgmon").await.unwrap();
        let round = Probe::with(&t0, REGISTERED, with()).await.round().await;
        assert_eq!(round.blind[0].needs, "extension pgstattuple or pg_read_all_data");
        assert!(round.blind[0].remedy.as_deref().unwrap().starts_with("CREATE EXTENSION"));
        for family in ["pg_table_bloat_ratio", "pg_index_bloat_ratio"] {
            for (labels, _) in round.samples(family) {
                assert!(labels[0].starts_with("pg_catalog."), "{labels:?} on {place}");
            }
        }

        // T0 with the extension, in whatever schema.
        server
            .exec("postgres", "CREATE SCHEMA \"Ext\"; GRANT USAGE ON SCHEMA \"Ext\" TO PUBLIC")
            .await
            .unwrap();
        server.exec("postgres", "CREATE EXTENSION pgstattuple SCHEMA \"Ext\"").await.unwrap();
        let unread = settings(BloatSettings { measure: false, ..Settings::default().bloat });
        let unread = Probe::with(&t1, REGISTERED, unread).await.round().await;
        let measures = [super::APPROX, super::EXACT, super::INDEX].map(|q| q.sql);
        assert!(unread.executed.iter().all(|e| !measures.contains(&&*e.sql)), "it reads no relation");
        let measured = Probe::with(&t0, REGISTERED, with()).await.round().await;
        assert_eq!(measured.blind, []);

        for table in ["sparse", "half", "third", "fresh"] {
            let truth = by_rewriting(&server, table).await;
            near(&measured, "pg_table_bloat_ratio", table, "pgstattuple_approx", truth, 0.05, &place);
            near(&statistics, "pg_table_bloat_ratio", table, "statistics", truth, 0.05, &place);
        }
        for table in ["sparse", "third", "fresh"] {
            let sql = format!(
                "SELECT ((dead_tuple_len + free_space) / table_len::float8)::float8 FROM \"Ext\".pgstattuple('public.{table}'::regclass)"
            );
            let truth: f64 = server.query("postgres", &sql).await.unwrap();
            near(&measured, "pg_table_bloat_ratio", table, "pgstattuple_approx", truth, 0.01, &place);
            near(&statistics, "pg_table_bloat_ratio", table, "statistics", truth, 0.05, &place);
        }
        for index in INDEXES {
            let truth = by_rebuilding(&server, index).await;
            near(&measured, "pg_index_bloat_ratio", index, "pgstatindex", truth, 0.05, &place);
            if index == "third_expression" && major.0 < 14 {
                // No grant on a table covers the statistics of its indexes' expressions.
                assert!(find(&statistics, index).unwrap()["bloat_ratio"].is_null());
                continue;
            }
            near(&statistics, "pg_index_bloat_ratio", index, "statistics", truth, 0.08, &place);
        }

        // An extension that the role may not use is none.
        let outsider = server.create_role("outsider").await.unwrap();
        let dsn = server.dsn_as("outsider", &outsider, "postgres");
        let round = Probe::with(&dsn, REGISTERED, with()).await.round().await;
        assert!(round.blind[0].remedy.as_deref().unwrap().starts_with("GRANT pg_monitor"));
    });
}

#[test]
fn exact_and_over_budget_and_locked() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        fill(&server).await;
        server.create_extension("postgres", "pgstattuple").await.unwrap();
        let t1 = server.create_monitor("reader", Tier::T1).await.unwrap();
        let dsn = server.dsn_as("reader", &t1, "postgres");
        let place = format!("PostgreSQL {major}");

        let exact = settings(BloatSettings { exact: true, ..Settings::default().bloat });
        let round = Probe::with(&dsn, REGISTERED, exact).await.round().await;
        let sql = "SELECT ((dead_tuple_len + free_space) / table_len::float8)::float8 FROM pgstattuple('public.sparse'::regclass)";
        let truth: f64 = server.query("postgres", sql).await.unwrap();
        near(&round, "pg_table_bloat_ratio", "sparse", "pgstattuple", truth, 1e-9, &place);
        assert!(find(&round, "never").unwrap()["bloat_ratio"].is_number(), "measuring needs no statistics");

        // The budget leaves out everything but the smallest: the rest is estimated and says so.
        let tight = settings(BloatSettings { max_bytes: 1_000_000, ..Settings::default().bloat });
        let round = Probe::with(&dsn, REGISTERED, tight).await.round().await;
        let row = find(&round, "sparse").unwrap();
        assert_eq!(
            (&row["method"], &row["not_measured"]),
            (&"statistics".into(), &"it does not fit into bloat.max_bytes".into())
        );
        near(&round, "pg_table_bloat_ratio", "sparse", "statistics", truth, 0.06, &place);

        // DDL on one of them: only that one is missing, and nobody waits.
        let lock = workload::access_exclusive(&server, "postgres", "half").await.unwrap();
        let mut probe = Probe::with(&dsn, REGISTERED, settings(Settings::default().bloat)).await;
        let round = probe.round().await;
        assert!(find(&round, "half").is_none() && find(&round, "half_name").is_none());
        near(&round, "pg_table_bloat_ratio", "sparse", "pgstattuple_approx", truth, 0.02, &place);
        // Whoever waits for a lock that is held all the time ends by lock_timeout.
        assert!(!server.log().contains("lock timeout"), "it waited on {place}: {}", server.log());
        // One statement to choose them, one for each, and none of those again.
        assert_eq!(round.executed.len(), 1 + round.data.as_array().unwrap().len(), "{place}");
        lock.stop().await.unwrap();
        assert!(find(&probe.round().await, "half").is_some());
    });
}

#[test]
fn a_standby_measures_as_well() {
    on_all_majors(async |major| {
        if ![12, 15, 18].contains(&major.0) {
            return;
        }
        let server = Server::start(major).await.unwrap();
        fill(&server).await;
        server.create_extension("postgres", "pgstattuple").await.unwrap();
        let t0 = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let replica = server.replica("standby").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        let with = || settings(Settings::default().bloat);
        let here =
            Probe::with(&server.dsn_as("pgmon", &t0, "postgres"), REGISTERED, with()).await.round().await;
        let there =
            Probe::with(&replica.dsn_as("pgmon", &t0, "postgres"), REGISTERED, with()).await.round().await;
        assert!(find(&here, "unlogged").is_some() && find(&there, "unlogged").is_none());
        let labels = ["public.sparse", "pgstattuple_approx"];
        let value = here.value("pg_table_bloat_ratio", &labels).unwrap();
        assert!((there.value("pg_table_bloat_ratio", &labels).unwrap() - value).abs() < 0.01);
    });
}
