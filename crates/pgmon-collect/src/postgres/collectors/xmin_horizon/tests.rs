use super::{Row, XminHorizon};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::collectors::wraparound::tests::burn;
use crate::postgres::testing::{Probe, Round, cx, number, on_all_majors};
use pgmon_core::metric::Families;
use pgmon_testkit::{Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

fn row(holder: &str, xid_age: i64) -> Row {
    Row { holder: holder.into(), name: None, pid: None, database: None, state: None, xid_age, seconds: None }
}

#[test]
fn the_oldest_of_each_kind_is_exported_and_none_is_zero() {
    let rows = [row("slot", 70), row("backend", 50), row("slot", 60)];
    let mut out = Families::new();
    assert_eq!(XminHorizon.samples(&rows, &cx(18, Duration::ZERO), &mut out), []);
    let families = out.into_vec();
    let ages = ["backend", "standby", "slot", "slot_catalog", "prepared"]
        .map(|holder| number(&families, "pg_xmin_age", &[holder]));
    assert_eq!(ages, [Some(50.0), Some(0.0), Some(70.0), Some(0.0), Some(0.0)]);
}

#[test]
fn what_is_younger_than_our_look_holds_nothing() {
    let mut rows = [row("backend", -3)];
    let mut collector = XminHorizon::new(&Settings::default());
    let cx = cx(17, Duration::ZERO);
    let mut out = Families::new();
    collector.complete(&mut rows, &cx);
    collector.samples(&rows, &cx, &mut out);
    assert_eq!(number(&out.into_vec(), "pg_xmin_age", &["backend"]), Some(0.0));
    assert_eq!(rows[0].xid_age, 0);
}

#[test]
fn sessions_that_are_hidden_are_unknown_and_not_zero() {
    let mut cx = cx(18, Duration::ZERO);
    Arc::make_mut(&mut cx.facts).monitor = false;
    let mut out = Families::new();
    // Our own role's sessions would be visible: half the truth.
    let blind = XminHorizon::new(&Settings::default()).samples(&[row("backend", 3)], &cx, &mut out);
    assert_eq!(blind[0].needs, "pg_monitor");
    assert_eq!(blind[0].remedy.as_deref(), Some("GRANT pg_monitor TO \"pgmon\";"));
    let families = out.into_vec();
    assert_eq!(number(&families, "pg_xmin_age", &["backend"]), None);
    assert_eq!(number(&families, "pg_xmin_age", &["standby"]), None);
    assert_eq!(number(&families, "pg_xmin_age", &["slot"]), Some(0.0));
}

fn oldest<'a>(round: &'a Round, holder: &str) -> &'a serde_json::Value {
    let rows = round.data.as_array().unwrap();
    rows.iter().find(|r| r["holder"] == holder).unwrap_or_else(|| panic!("no {holder} in {rows:#?}"))
}

#[test]
fn every_kind_of_holder_is_found() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("wal_level", "logical")
            .setting("max_prepared_transactions", 5)
            .start()
            .await
            .unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<XminHorizon>()).await;
        let round = probe.round().await;
        for holder in ["backend", "standby", "slot", "slot_catalog", "prepared"] {
            assert_eq!(round.value("pg_xmin_age", &[holder]), Some(0.0), "{holder} on {major}");
        }

        // Each 500 transactions younger than the one before.
        let slot = "SELECT pg_create_logical_replication_slot('hoarder', 'pgoutput')";
        server.exec("postgres", slot).await.unwrap();
        server.exec("postgres", &burn(500)).await.unwrap();
        let prepare = "BEGIN; CREATE TABLE prepared (n int); PREPARE TRANSACTION 'it''s \"mine\"'";
        server.exec("postgres", prepare).await.unwrap();
        server.exec("postgres", &burn(500)).await.unwrap();
        let reader = workload::long_transaction(&server, "postgres").await.unwrap();
        server.exec("postgres", &burn(500)).await.unwrap();
        // Has an XID and, between two statements, no snapshot.
        let writer = workload::idle_in_transaction(&server, "postgres").await.unwrap();
        server.exec("postgres", &burn(500)).await.unwrap();
        let round = probe.round().await;

        let truth = "SELECT age(catalog_xmin)::float8 FROM pg_replication_slots";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        assert!(truth >= 2000.0);
        assert_eq!(round.value("pg_xmin_age", &["slot_catalog"]), Some(truth), "{major}");
        assert_eq!(round.value("pg_xmin_age", &["slot"]), Some(0.0), "a logical slot holds catalogs only");
        assert_eq!(oldest(&round, "slot_catalog")["name"], "hoarder");
        assert_eq!(oldest(&round, "slot_catalog")["state"], "inactive");
        let truth = "SELECT age(transaction)::float8 FROM pg_prepared_xacts";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        assert!(truth >= 1500.0);
        assert_eq!(round.value("pg_xmin_age", &["prepared"]), Some(truth), "{major}");
        assert_eq!(oldest(&round, "prepared")["name"], "it's \"mine\"");
        assert_eq!(oldest(&round, "prepared")["database"], "postgres");
        let backends: Vec<&serde_json::Value> =
            round.data.as_array().unwrap().iter().filter(|r| r["holder"] == "backend").collect();
        assert_eq!(backends.len(), 2, "{backends:#?}");
        assert_eq!(backends[0]["pid"], reader.pids()[0]);
        assert!(backends[0]["seconds"].as_f64().unwrap() < 60.0);
        assert_eq!(backends[1]["pid"], writer.pids()[0]);
        // The prepared transaction keeps the reader's snapshot as far back as itself.
        assert_eq!(round.value("pg_xmin_age", &["backend"]), Some(truth), "{major}");
        assert!(backends[1]["xid_age"].as_i64().unwrap() >= 500, "{backends:#?}");

        // Without pg_monitor: what everybody sees, and nothing about the rest.
        let dsn = server.dsn_as("nobody", &nobody, "postgres");
        let round = Probe::new(&dsn, single::<XminHorizon>()).await.round().await;
        assert_eq!(round.value("pg_xmin_age", &["prepared"]), Some(truth), "{major}");
        assert_eq!(round.value("pg_xmin_age", &["backend"]), None);
        assert_eq!(round.blind.len(), 1);

        server.exec("postgres", "ROLLBACK PREPARED 'it''s \"mine\"'").await.unwrap();
        server.exec("postgres", "SELECT pg_drop_replication_slot('hoarder')").await.unwrap();
        reader.stop().await.unwrap();
        writer.stop().await.unwrap();
        let round = probe.round().await;
        for holder in ["backend", "slot_catalog", "prepared"] {
            assert_eq!(round.value("pg_xmin_age", &[holder]), Some(0.0), "{holder} on {major}");
        }
    });
}

#[test]
fn standbys_hold_through_feedback_and_through_slots() {
    on_all_majors(async |major| {
        // Three servers each: one version with each text, and the newest.
        if ![12, 13, 18].contains(&major.0) {
            return;
        }
        let server = Server::start(major).await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let plain = server.replica("reports").feedback().await.unwrap();
        let with_slot = server.replica("slotted").slot().feedback().await.unwrap();
        let on_plain = workload::long_transaction(&plain, "postgres").await.unwrap();
        let on_slotted = workload::long_transaction(&with_slot, "postgres").await.unwrap();
        server.exec("postgres", &burn(1000)).await.unwrap();
        let known = "SELECT (SELECT max(age(backend_xmin)) FROM pg_stat_replication) >= 1000 \
                        AND (SELECT max(age(xmin)) FROM pg_replication_slots) >= 1000";
        server.wait_until("postgres", known).await.unwrap();
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let round = Probe::new(&dsn, single::<XminHorizon>()).await.round().await;
        assert!(round.value("pg_xmin_age", &["standby"]).unwrap() >= 1000.0, "{major}");
        assert!(round.value("pg_xmin_age", &["slot"]).unwrap() >= 1000.0, "{major}");
        assert_eq!(oldest(&round, "standby")["name"], "reports");
        assert_eq!(oldest(&round, "slot")["name"], "slotted");
        // On the standby itself it is an ordinary backend.
        let dsn = plain.dsn_as("pgmon", &password, "postgres");
        let round = Probe::new(&dsn, single::<XminHorizon>()).await.round().await;
        assert_eq!(oldest(&round, "backend")["pid"], on_plain.pids()[0]);
        drop((on_plain, on_slotted));
    });
}

#[test]
fn a_vacuum_holds_nothing_back() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        workload::bloat(&server, "postgres", "large").await.unwrap();
        server.exec("postgres", "DELETE FROM public.large WHERE id % 2 = 0").await.unwrap();
        let mut session = server.connect("postgres").await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await.unwrap();
        let slow = tokio::spawn(async move {
            let sql = "SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1; SET vacuum_cost_page_miss = 100; SET vacuum_cost_page_dirty = 100; SET vacuum_cost_page_hit = 100";
            sqlx::raw_sql(sql).execute(&mut session).await.unwrap();
            let _ = sqlx::raw_sql("VACUUM public.large").execute(&mut session).await;
        });
        let seen = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity AS a JOIN pg_stat_progress_vacuum USING (pid) \
             WHERE pid = {pid} AND a.backend_xmin IS NOT NULL"
        );
        server.wait_until("postgres", &seen).await.unwrap();
        let round = Probe::new(&server.dsn("postgres"), single::<XminHorizon>()).await.round().await;
        let found = round.data.as_array().unwrap().iter().any(|r| r["pid"] == pid);
        assert!(!found, "{major}: {:#}", round.data);
        slow.abort();
    });
}
