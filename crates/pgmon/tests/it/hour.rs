//! An hour of injected time: is every loop on schedule, and is nothing written?

use crate::rig::Rig;
use anyhow::Result;
use pgmon_collect::history::Recorder;
use pgmon_core::clock::Clock as _;
use pgmon_core::history::{Id, Query};
use pgmon_core::snapshot::Loop;
use pgmon_http::health::{self, Status};
use pgmon_testkit::{Server, Tier, on_each_major};
use std::time::Duration;

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn health_stays_good_with_the_default_intervals(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        server.create_extension("postgres", "pgstattuple").await?;
        server.revoke_create_on_public("postgres").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "postgres")).await;
        for second in 0..3600 {
            let health = health::judge(&rig.fleet, rig.clock.mono(), "test");
            assert_eq!(health.status, Status::Ok, "after {second} s: {:?}", health.reasons);
            rig.advance(Duration::from_secs(1)).await;
        }
        let snapshot = rig.snapshot(0);
        let rounds = Loop::ALL.map(|l| snapshot.of(l).rounds);
        assert!((239..=243).contains(&rounds[0]) && (59..=63).contains(&rounds[1]), "{rounds:?}");
        assert!((6..=8).contains(&rounds[2]) && (1..=3).contains(&rounds[3]), "{rounds:?}");
        assert!(snapshot.loops.iter().all(|l| l.missed == 0 && l.errors == 0), "{:?}", snapshot.loops);
        assert_eq!(snapshot.connects, 1);
        Ok(())
    }
}

/// The times of a series' points in seconds of the injected clock, and how many gaps there were.
fn curve(rig: &Rig, name: &str) -> (Vec<i64>, usize) {
    let from = rig.clock.wall().as_millisecond() - 3_600_000;
    let query = Query { name, matchers: &[], from, to: i64::MAX / 2, points: usize::MAX, series: 1 };
    let snapshot = rig.snapshot(0);
    let id = Id { cluster: snapshot.cluster.clone(), db: snapshot.db.clone() };
    let answer = rig.fleet.history().range(&rig.fleet, &*rig.clock, &id, &query).unwrap();
    let points = || answer.curves.iter().flat_map(|c| &c.points);
    (points().map(|p| (p.at - from) / 1000).collect(), points().filter(|p| p.after_gap).count())
}

on_each_major! { [pg18 18]
    async fn the_last_hour_is_in_the_history_and_fits(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        server.exec("postgres", "SELECT 'x'").await?;
        for table in 0..60 {
            server.exec("postgres", &format!("CREATE TABLE t{table} AS SELECT generate_series(1, 100) AS id")).await?;
        }
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "postgres")).await;
        let mut recorder = Recorder::new(rig.fleet.clone(), rig.clock.clone(), pgmon_config::History::default());
        recorder.take();
        for _ in 0..3660 {
            rig.advance(Duration::from_secs(1)).await;
            recorder.take();
        }
        for (name, rounds) in [("pg_connections", 240), ("pg_tps", 60), ("pg_database_size_bytes", 6), ("pg_up", 240)] {
            let (times, gaps) = curve(&rig, name);
            assert!(times.len() >= rounds - 1 && gaps == 0, "{name}: {gaps} gaps, {times:?}");
        }
        let stats = rig.fleet.history().stats();
        let snapshot = rig.snapshot(0);
        let good = snapshot.collectors.iter().filter_map(|c| c.good.as_ref());
        let series: usize = good.flat_map(|g| &g.families).flat_map(|f| &f.samples).map(|s| s.value.series()).sum();
        assert!(stats.series >= series, "{stats:?}, {series} series");
        // Both budgets together are 8.3 MiB; a small database needs a small part of them.
        assert!(stats.dropped == 0 && stats.bytes < 1 << 20, "{stats:?}");
        println!("{stats:?}: {} bytes a series", stats.bytes / stats.series);
        Ok(())
    }
}

on_each_major! { [pg14 14]
    async fn a_loop_that_does_not_run_is_told(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "postgres")).await;
        // The clock moves on without the driver being let do its work.
        rig.clock.advance(Duration::from_secs(40));
        let health = health::judge(&rig.fleet, rig.clock.mono(), "test");
        assert_eq!(health.status, Status::Failing, "{health:?}");
        assert!(health.reasons.iter().any(|r| r.contains("hot_path is late")), "{:?}", health.reasons);
        Ok(())
    }
}

/// What would change if anything were written.
async fn traces(server: &Server) -> Result<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    for (what, sql) in [
        ("next XID", "SELECT txid_snapshot_xmax(txid_current_snapshot())::text"),
        ("next multixact", "SELECT mxid_age('1'::xid)::text"),
        ("WAL position", "SELECT pg_current_wal_insert_lsn()::text"),
        (
            "rows written, temp files, rollbacks",
            "SELECT concat_ws(' ', tup_inserted, tup_updated, tup_deleted, temp_files, deadlocks, xact_rollback)
               FROM pg_stat_database WHERE datname = 'shop'",
        ),
        ("settings of roles and databases", "SELECT count(*)::text FROM pg_db_role_setting"),
        ("relations", "SELECT count(*)::text || ' ' || max(oid)::text FROM pg_class"),
        ("large objects", "SELECT count(*)::text FROM pg_largeobject_metadata"),
    ] {
        all.push((what, server.query::<String>("postgres", sql).await?));
    }
    Ok(all)
}

on_each_major! {
    async fn nothing_is_written_and_no_setting_is_left_behind(major: Major) -> Result<()> {
        // Otherwise idle: no vacuum, no checkpoint, no snapshots of running transactions in the WAL.
        let server = Server::builder(major)
            .statements()
            .setting("autovacuum", "off")
            .setting("checkpoint_timeout", "1h")
            .setting("wal_level", "minimal")
            .setting("max_wal_senders", 0)
            .setting("pg_stat_statements.track", "all")
            .setting("pg_stat_statements.track_utility", "on")
            .start()
            .await?;
        server.create_database("shop").await?;
        server.exec("shop", "CREATE TABLE t (id int PRIMARY KEY, pad text); INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        server.create_extension("shop", "pgstattuple").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        // Hint bits and pruning are the first reader's work, not pgmon's.
        // ANALYZE leaves dead rows in the catalogs itself, so that VACUUM comes after it.
        for database in ["postgres", "shop"] {
            server.exec(database, "ANALYZE").await?;
            server.exec(database, "VACUUM (FREEZE)").await?;
        }
        server.exec("shop", "CHECKPOINT").await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "shop")).await;
        server.exec("shop", "SELECT pg_stat_statements_reset()").await?;
        // What the sessions before counted arrives when the server likes (up to 14, twice a second).
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let before = traces(&server).await?;
        for _ in 0..720 {
            rig.advance(Duration::from_secs(5)).await;
        }
        assert_eq!(traces(&server).await?, before);
        let snapshot = rig.snapshot(0);
        assert!(snapshot.of(Loop::HotPath).rounds >= 239 && snapshot.connects == 1, "{snapshot:?}");

        // A multixact would have been seen.
        let trace = |all: Vec<(&'static str, String)>| all.into_iter().find(|t| t.0 == "next multixact");
        server.exec("shop", "BEGIN; SELECT FROM t WHERE id = 1 FOR KEY SHARE; SAVEPOINT s; UPDATE t SET pad = '' WHERE id = 1; COMMIT").await?;
        assert_ne!(trace(traces(&server).await?), trace(before));

        // What it sent, as the server counted it.
        let ours = "FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'pgmon'";
        let kinds: Vec<String> = server
            .query("shop", &format!("SELECT array_agg(DISTINCT upper(substring(regexp_replace(query, '^(\\s*--[^\\n]*\\n)*\\s*', '') FROM '^\\w+(?: LOCAL)?'))) {ours}"))
            .await?;
        for kind in &kinds {
            assert!(["SELECT", "WITH", "BEGIN", "COMMIT", "SET LOCAL", "EXPLAIN"].contains(&kind.as_str()), "{kinds:?}");
        }
        if major.0 >= 13 {
            let wal: Option<Vec<String>> =
                server.query("shop", &format!("SELECT array_agg(query) {ours} AND wal_bytes > 0")).await?;
            assert_eq!(wal, None, "statements that wrote WAL");
        }
        Ok(())
    }
}
