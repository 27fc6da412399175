use super::{Row, Subscriptions};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::Families;
use pgmon_testkit::Server;
use std::time::Duration;

const UP: &str = "pg_subscription_up";

#[test]
fn a_name_that_two_databases_use_is_two_series() {
    let row = Row {
        datname: None,
        subscription: "orders".into(),
        enabled: None,
        running: true,
        sync_workers: 0,
        received_bytes: None,
        latest_end_bytes: None,
        last_message_age_seconds: None,
        latest_end_age_seconds: None,
        apply_errors: None,
        sync_errors: None,
        confl_insert_exists: None,
        confl_update_origin_differs: None,
        confl_update_exists: None,
        confl_update_missing: None,
        confl_delete_origin_differs: None,
        confl_delete_missing: None,
        confl_multiple_unique_conflicts: None,
        stats_reset: None,
    };
    let rows = [row.clone(), Row { running: false, ..row }];
    let mut out = Families::new();
    let mut collector = Subscriptions::new(&Settings::default());
    assert_eq!(collector.samples(&rows, &cx(13, Duration::ZERO), &mut out), []);
    let families = out.into_vec();
    assert_eq!(number(&families, UP, &["unknown", "orders"]), Some(1.0));
    assert_eq!(number(&families, UP, &["unknown", "orders/2"]), Some(0.0));
    assert!(!families.iter().any(|f| f.desc.name() == "pg_subscription_enabled"));
}

#[test]
fn on_a_standby_nothing_is_down() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let subscribe = "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p \
                         WITH (connect = false)";
        server.exec("postgres", subscribe).await.unwrap();
        let replica = server.replica("r").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        let there: bool =
            replica.query("postgres", "SELECT count(*) = 1 FROM pg_subscription").await.unwrap();
        assert!(there);
        let mut probe = Probe::new(&replica.dsn("postgres"), single::<Subscriptions>()).await;
        assert_eq!(probe.round().await.families, [], "{major}");
        let mut probe = Probe::new(&server.dsn("postgres"), single::<Subscriptions>()).await;
        assert_eq!(probe.round().await.value(UP, &["postgres", "s"]), Some(0.0), "{major}");
    });
}

#[test]
fn a_subscription_that_cannot_apply_is_seen() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("wal_level", "logical")
            .setting("wal_retrieve_retry_interval", "200ms")
            .start()
            .await
            .unwrap();
        let password = server.create_role("stranger").await.unwrap();
        let dsn = server.dsn_as("stranger", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<Subscriptions>()).await;
        assert_eq!(probe.round().await.families, []);

        server.create_database("copy").await.unwrap();
        // Publisher and subscriber are one server: then the slot has to be there already.
        for (database, sql) in [
            ("postgres", "CREATE TABLE t (i int PRIMARY KEY)"),
            ("postgres", "CREATE PUBLICATION p FOR TABLE t"),
            ("postgres", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"),
            ("copy", "CREATE TABLE t (i int PRIMARY KEY)"),
        ] {
            server.exec(database, sql).await.unwrap();
        }
        let subscribe = format!(
            "CREATE SUBSCRIPTION s CONNECTION 'host={} port={} user=postgres dbname=postgres' \
             PUBLICATION p WITH (create_slot = false, copy_data = false)",
            server.socket_dir().display(),
            server.port()
        );
        server.exec("copy", &subscribe).await.unwrap();
        server.exec("postgres", "INSERT INTO t VALUES (1)").await.unwrap();
        server.wait_until("copy", "SELECT count(*) = 1 FROM t").await.unwrap();

        let labels: &[&str] = &["copy", "s"];
        let round = probe.round().await;
        assert_eq!(round.value("pg_subscription_enabled", labels), Some(1.0));
        assert_eq!(round.value(UP, labels), Some(1.0));
        assert_eq!(round.value("pg_subscription_sync_workers", labels), Some(0.0));
        assert!(round.value("pg_subscription_last_message_age_seconds", labels).unwrap() < 20.0);
        let received = round.value("pg_subscription_received_position_bytes", labels).unwrap();
        let position = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        let truth: f64 = server.query("postgres", position).await.unwrap();
        assert!(received > 1e6 && received <= truth, "{received} of {truth}");
        let since_15 = (major.0 >= 15).then_some(0.0);
        assert_eq!(round.value("pg_subscription_apply_errors_total", labels), since_15);
        assert_eq!(round.value("pg_subscription_sync_errors_total", labels), since_15);

        // A row that the subscriber has already: it fails and tries again.
        server.exec("copy", "INSERT INTO t VALUES (2)").await.unwrap();
        server.exec("postgres", "INSERT INTO t VALUES (2)").await.unwrap();
        if major.0 >= 15 {
            let failed = "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats";
            server.wait_until("postgres", failed).await.unwrap();
            let round = probe.round().await;
            assert!(round.value("pg_subscription_apply_errors_total", labels).unwrap() >= 1.0);
            let conflicts = round.value("pg_subscription_conflicts_total", &["copy", "s", "insert_exists"]);
            assert_eq!(conflicts.is_some_and(|n| n >= 1.0), major.0 >= 18);
        }

        server.exec("copy", "ALTER SUBSCRIPTION s DISABLE").await.unwrap();
        server.wait_until("copy", "SELECT pid IS NULL FROM pg_stat_subscription").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.value("pg_subscription_enabled", labels), Some(0.0));
        assert_eq!(round.value(UP, labels), Some(0.0));
        assert_eq!(round.value("pg_subscription_received_position_bytes", labels), None);

        // Before 14 the database is found by the name: with a second one of that name it is not known.
        server.create_database("other").await.unwrap();
        let second = subscribe.replace(
            "create_slot = false",
            "connect = false, slot_name = NONE, enabled = false, create_slot = false",
        );
        server.exec("other", &second).await.unwrap();
        let round = probe.round().await;
        let mut names: Vec<Vec<String>> = round.samples(UP).into_iter().map(|(l, _)| l).collect();
        names.sort();
        let expected = if major.0 >= 14 {
            [["copy", "s"], ["other", "s"]]
        } else {
            [["unknown", "s"], ["unknown", "s/2"]]
        };
        assert_eq!(names, expected);
    });
}
