use super::{Database, Row};
use crate::postgres::collector::{Collector as _, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::Families;
use pgmon_testkit::{Major, Server, Tier};
use sqlx::{Connection as _, Executor as _};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn names_are_told_apart_and_unknown_is_absent() {
    let row =
        |datname: Option<&str>| Row { datname: datname.map(Into::into), xact_commit: 7, ..Row::default() };
    let rows = [
        row(None),
        row(Some("(shared)")),
        row(Some("a\nb\"c")),
        Row {
            checksum_failures: Some(0), sessions: Some(3), conflicts_lock: Some(2), ..row(Some("größe"))
        },
    ];
    let mut out = Families::new();
    Database.samples(&rows, &cx(18, Duration::ZERO), &mut out);
    let families = out.into_vec();
    let commits = families.iter().find(|f| f.desc.name() == "pg_stat_database_xact_commit_total").unwrap();
    let labels: Vec<&str> = commits.samples.iter().map(|s| &*s.labels[0]).collect();
    let [bracketed, hostile] = ["(shared)", "a\nb\"c"].map(pgmon_core::label::name);
    assert_eq!(labels, ["(shared)", &*bracketed, &*hostile, "größe"]);
    assert_ne!(bracketed, "(shared)", "no database can take the place of what all share");
    for (family, labels, value) in [
        ("pg_stat_database_checksum_failures_total", &["größe"][..], Some(0.0)),
        ("pg_stat_database_checksum_failures_total", &["(shared)"], None),
        ("pg_stat_database_sessions_total", &["größe"], Some(3.0)),
        ("pg_stat_database_sessions_total", &["(shared)"], None),
        ("pg_database_conflicts_total", &["größe", "lock"], Some(2.0)),
        ("pg_database_conflicts_total", &["größe", "snapshot"], None),
        ("pg_stats_reset_timestamp_seconds", &["größe"], None),
        ("pg_stat_database_blk_read_time_seconds_total", &["größe"], None),
    ] {
        assert_eq!(number(&families, family, labels), value, "{family}{labels:?}");
    }
}

#[test]
fn io_times_are_absent_unless_they_are_taken() {
    let name = "pg_stat_database_blk_read_time_seconds_total";
    let read = |setting: Option<&str>, seconds: f64| {
        let mut cx = cx(17, Duration::ZERO);
        if let Some(setting) = setting {
            Arc::make_mut(&mut cx.facts).settings.insert("track_io_timing".into(), (setting.into(), None));
        }
        let mut out = Families::new();
        let row = Row { datname: Some("d".into()), blk_read_time_seconds: seconds, ..Row::default() };
        Database.samples(&[row], &cx, &mut out);
        number(&out.into_vec(), name, &["d"])
    };
    assert_eq!(read(Some("off"), 0.0), None);
    assert_eq!(read(None, 0.0), None);
    assert_eq!(read(Some("off"), 1.5), Some(1.5), "some role has it on");
    assert_eq!(read(Some("on"), 0.0), Some(0.0));
}

const STRANGE: &str = "we\"ird\ndätabase";

/// One deadlock, from which one of the two is rolled back.
async fn deadlock(server: &Server, database: &str) {
    let lock = |key: u8| format!("SELECT pg_advisory_xact_lock({key})");
    let mut a = server.connect(database).await.unwrap();
    let mut b = server.connect(database).await.unwrap();
    for (conn, key) in [(&mut a, 1), (&mut b, 2)] {
        conn.execute("BEGIN").await.unwrap();
        conn.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(lock(key)))).await.unwrap();
    }
    let second = async |conn: &mut sqlx::PgConnection, key| {
        let result = conn.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(lock(key)))).await;
        conn.execute("ROLLBACK").await.unwrap();
        result.is_ok()
    };
    let (one, other) = tokio::join!(second(&mut a, 2), second(&mut b, 1));
    assert!(one != other, "exactly one of them is the victim");
    a.close().await.unwrap();
    b.close().await.unwrap();
}

#[test]
fn every_database_is_counted_as_the_server_counts_it() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("autovacuum", "off")
            .setting("deadlock_timeout", "50ms")
            .initdb_arg("--data-checksums")
            .start()
            .await
            .unwrap();
        server.create_database(STRANGE).await.unwrap();
        let work = "CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000); \
                    UPDATE t SET n = -n WHERE n <= 30; DELETE FROM t WHERE n > 900";
        server.exec(STRANGE, work).await.unwrap();
        let spill = "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT n FROM generate_series(1, 200000) n ORDER BY -n) s";
        server.exec(STRANGE, spill).await.unwrap();
        assert!(server.exec(STRANGE, "INSERT INTO t VALUES (500)").await.is_err());
        deadlock(&server, STRANGE).await;
        // Up to 14 the figures arrive a moment later.
        let here = "FROM pg_stat_database WHERE datname = E'we\"ird\\ndätabase'";
        let arrived = format!(
            "SELECT deadlocks = 1 AND tup_deleted >= 100 AND tup_inserted >= 1001 AND temp_files > 0 {here}"
        );
        server.wait_until("postgres", &arrived).await.unwrap();

        // Without any grant the same is seen.
        let nobody = server.create_role("nobody").await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        for (role, password) in [("pgmon", &monitor), ("nobody", &nobody)] {
            let dsn = server.dsn_as(role, password, "postgres");
            let mut probe = Probe::new(&dsn, single::<Database>()).await;
            let round = probe.round().await;
            assert_eq!(round.executed.len(), 1);
            let datname = &*pgmon_core::label::name(STRANGE);
            for (column, family) in [
                ("xact_commit", "pg_stat_database_xact_commit_total"),
                ("xact_rollback", "pg_stat_database_xact_rollback_total"),
                ("blks_read", "pg_stat_database_blks_read_total"),
                ("tup_returned", "pg_stat_database_tup_returned_total"),
                ("tup_inserted", "pg_stat_database_tup_inserted_total"),
                ("tup_updated", "pg_stat_database_tup_updated_total"),
                ("tup_deleted", "pg_stat_database_tup_deleted_total"),
                ("temp_files", "pg_stat_database_temp_files_total"),
                ("temp_bytes", "pg_stat_database_temp_bytes_total"),
                ("deadlocks", "pg_stat_database_deadlocks_total"),
                ("checksum_failures", "pg_stat_database_checksum_failures_total"),
            ] {
                let truth = format!("SELECT {column}::float8 {here}");
                let truth: f64 = server.query("postgres", &truth).await.unwrap();
                assert_eq!(round.value(family, &[datname]), Some(truth), "{family} on {major} as {role}");
            }
            assert!(round.value("pg_stat_database_temp_files_total", &[datname]) >= Some(1.0));
            assert!(round.value("pg_stat_database_temp_bytes_total", &[datname]) > Some(1e6));
            let rows = round.data.as_array().unwrap();
            let names: Vec<_> = rows.iter().filter_map(|r| r["datname"].as_str()).collect();
            let ours: Vec<_> = names.iter().filter(|n| n.is_ascii()).collect();
            assert_eq!(ours, [&"postgres", &"template0", &"template1"], "in the order of their names");
            // What is done to catalogs counts as well.
            assert!(round.value("pg_stat_database_tup_updated_total", &[datname]) >= Some(30.0));
            assert_eq!(round.value("pg_database_numbackends", &[datname]), Some(0.0));
            assert!(round.value("pg_database_numbackends", &["postgres"]).unwrap() >= 1.0);
            assert_eq!(round.value("pg_database_numbackends", &["(shared)"]), None);
            let count: f64 =
                server.query("postgres", "SELECT count(*)::float8 FROM pg_stat_database").await.unwrap();
            let shown = round.samples("pg_stat_database_xact_commit_total");
            assert_eq!(shown.len() as f64, count);
            let sessions = round.value("pg_stat_database_sessions_total", &[datname]);
            assert_eq!(sessions.is_some(), major >= Major(14));
            assert!(sessions.is_none_or(|n| n >= 4.0));
            let workers = round.samples("pg_stat_database_parallel_workers_launched_total");
            assert_eq!(workers.is_empty(), major < Major(18));
            // A primary has no conflicts with a replay.
            assert_eq!(round.samples("pg_database_conflicts_total"), []);
        }
    });
}

#[test]
fn a_query_cancelled_on_a_standby_is_counted_by_its_cause() {
    on_all_majors(async |major| {
        // The SQL differs on 12, 14, 16 and 18; a replica takes a while.
        if [13, 15, 17].contains(&major.0) {
            return;
        }
        let primary = Server::builder(major).start().await.unwrap();
        let password = primary.create_monitor("pgmon", Tier::T0).await.unwrap();
        let fill = "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n";
        primary.exec("postgres", fill).await.unwrap();
        let replica = primary.replica("r").setting("max_standby_streaming_delay", "10ms").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        let mut reader = replica.connect("postgres").await.unwrap();
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        reader.execute("SELECT count(*) FROM t").await.unwrap();
        primary.exec("postgres", "DELETE FROM t").await.unwrap();
        primary.exec("postgres", "VACUUM t").await.unwrap();
        let cancelled = "SELECT sum(confl_snapshot) > 0 FROM pg_stat_database_conflicts";
        replica.wait_until("postgres", cancelled).await.unwrap();

        let dsn = replica.dsn_as("pgmon", &password, "postgres");
        let round = Probe::new(&dsn, single::<Database>()).await.round().await;
        let family = "pg_database_conflicts_total";
        // What the test asks while it waits may be cancelled as well, and is counted then.
        let snapshot = round.value(family, &["postgres", "snapshot"]);
        assert!(snapshot.is_some_and(|n| n >= 1.0), "{snapshot:?} on {major}");
        assert_eq!(round.value(family, &["postgres", "lock"]), Some(0.0));
        assert_eq!(round.value(family, &["(shared)", "lock"]), None);
        assert_eq!(round.value(family, &["postgres", "logicalslot"]).is_some(), major >= Major(16));
    });
}
