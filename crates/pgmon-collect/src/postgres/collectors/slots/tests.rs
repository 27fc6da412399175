use super::{Row, Slots};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Server, workload};
use std::time::Duration;

const ACTIVE: &str = "pg_replication_slot_active";
const UNCONFIRMED: &str = "pg_replication_slot_unconfirmed_bytes";
const RETAINED: &str = "pg_replication_slot_retained_bytes";

fn row(name: &str, active: bool, retained: i64) -> Row {
    Row {
        slot_name: name.into(),
        slot_type: "logical".into(),
        plugin: Some("pgoutput".into()),
        database: Some("shop".into()),
        temporary: false,
        active,
        retained_bytes: Some(retained),
        unconfirmed_bytes: Some(retained),
        wal_status: Some("reserved".into()),
        safe_wal_bytes: None,
        inactive_seconds: None,
        invalid: Some(false),
        invalidation_reason: None,
        failover: None,
        synced: None,
        spilled_transactions: None,
        spills: None,
        spilled_bytes: None,
        streamed_transactions: None,
        streams: None,
        streamed_bytes: None,
        decoded_transactions: None,
        decoded_bytes: None,
        stats_reset: None,
    }
}

fn round(rows: &[Row]) -> Vec<Family> {
    let mut out = Families::new();
    let mut collector = Slots::new(&Settings::default());
    assert_eq!(collector.samples(rows, &cx(17, Duration::ZERO), &mut out), []);
    out.into_vec()
}

#[test]
fn slots_that_come_and_go_share_one_series() {
    let mut base_backup = row("pg_basebackup_4711", true, 70);
    base_backup.temporary = true;
    let families = round(&[
        row("orders", true, -8),
        row("pg_16394_sync_16389_7361200000000000000", false, 90),
        base_backup,
        // Not quite such a name.
        row("pg_x_sync_1", false, 5),
    ]);
    assert_eq!(number(&families, "pg_replication_slots", &[]), Some(4.0));
    assert_eq!(number(&families, RETAINED, &["(temporary)"]), Some(90.0));
    assert_eq!(number(&families, ACTIVE, &["(temporary)"]), Some(0.0));
    assert_eq!(number(&families, ACTIVE, &["orders"]), Some(1.0));
    assert_eq!(number(&families, RETAINED, &["orders"]), Some(0.0));
    assert_eq!(number(&families, RETAINED, &["pg_x_sync_1"]), Some(5.0));
    let active = families.iter().find(|f| f.desc.name() == ACTIVE).unwrap();
    assert_eq!(active.samples.len(), 3);
}

#[test]
fn a_copy_on_a_standby_is_not_called_inactive() {
    let copy = Row { synced: Some(true), ..row("copy", false, 5) };
    let families = round(&[copy, Row { synced: Some(false), ..row("own", false, 6) }]);
    assert_eq!(number(&families, ACTIVE, &["copy"]), None);
    assert_eq!(number(&families, RETAINED, &["copy"]), Some(5.0));
    assert_eq!(number(&families, ACTIVE, &["own"]), Some(0.0));
}

#[test]
fn a_slot_whose_rows_were_removed_holds_back_nothing() {
    on_all_majors(async |major| {
        // Logical slots of standbys.
        if major.0 < 16 {
            return;
        }
        let server = Server::builder(major).setting("wal_level", "logical").start().await.unwrap();
        let replica = server.replica("r").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        // It waits for a snapshot of the primary's transactions.
        let create =
            replica.exec("postgres", "SELECT pg_create_logical_replication_slot('s', 'test_decoding')");
        // On a busy machine it may begin to wait after many of them.
        let snapshots = async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                server.exec("postgres", "SELECT pg_log_standby_snapshot()").await.unwrap();
            }
        };
        tokio::select! {
            created = create => created.unwrap(),
            () = snapshots => {}
        }
        let mut probe = Probe::new(&replica.dsn("postgres"), single::<Slots>()).await;
        let round = probe.round().await;
        assert!(round.value(RETAINED, &["s"]).is_some() && round.value(UNCONFIRMED, &["s"]).is_some());

        server.exec("postgres", "CREATE TABLE t (i int)").await.unwrap();
        server.exec("postgres", "DROP TABLE t").await.unwrap();
        server.exec("postgres", "VACUUM FULL pg_class").await.unwrap();
        replica.wait_until("postgres", "SELECT conflicting FROM pg_replication_slots").await.unwrap();
        let truth = "SELECT restart_lsn IS NOT NULL FROM pg_replication_slots";
        assert!(replica.query::<bool>("postgres", truth).await.unwrap(), "it looks as if it held WAL");
        let round = probe.round().await;
        assert_eq!(round.value("pg_replication_slot_invalid", &["s"]), Some(1.0), "{major}");
        assert_eq!(round.value(RETAINED, &["s"]), None, "{major}");
        assert_eq!(round.value(UNCONFIRMED, &["s"]), None, "{major}");
    });
}

#[test]
fn a_slot_that_nobody_uses_holds_back_wal() {
    on_all_majors(async |major| {
        let mut builder = Server::builder(major).setting("wal_level", "logical");
        if major.0 >= 13 {
            builder = builder.setting("wal_keep_size", "0").setting("max_slot_wal_keep_size", "32MB");
        }
        let server = builder.start().await.unwrap();
        let password = server.create_role("stranger").await.unwrap();
        let dsn = server.dsn_as("stranger", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<Slots>()).await;
        let none = probe.round().await;
        assert_eq!(none.value("pg_replication_slots", &[]), Some(0.0));
        assert_eq!(none.value("pg_max_replication_slots", &[]), Some(10.0));
        assert_eq!(none.samples(ACTIVE), []);

        for create in [
            "SELECT pg_create_physical_replication_slot('forgotten', true)",
            "SELECT pg_create_physical_replication_slot('empty')",
            "SELECT pg_create_logical_replication_slot('decoding', 'test_decoding')",
            "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i",
        ] {
            server.exec("postgres", create).await.unwrap();
        }
        workload::wal_burst(&server, "postgres", 3).await.unwrap();
        let round = probe.round().await;
        let truth = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 \
                     FROM pg_replication_slots WHERE slot_name = 'forgotten'";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        let seen = round.value(RETAINED, &["forgotten"]).unwrap();
        assert!(seen > 2e6 && (truth - seen).abs() < 2e6, "{seen} instead of {truth}");
        assert_eq!(round.value(ACTIVE, &["forgotten"]), Some(0.0));
        assert_eq!(round.value(RETAINED, &["empty"]), None);
        assert!(round.value("pg_replication_slot_unconfirmed_bytes", &["decoding"]).unwrap() > 2e6);
        assert_eq!(round.value("pg_replication_slot_unconfirmed_bytes", &["forgotten"]), None);
        let since_13 = |value| (major.0 >= 13).then_some(value);
        assert_eq!(round.value("pg_replication_slot_wal_status", &["forgotten", "reserved"]), since_13(1.0));
        assert_eq!(round.value("pg_replication_slot_invalid", &["forgotten"]), since_13(0.0));
        assert_eq!(round.value("pg_replication_slot_invalid", &["empty"]), since_13(0.0));
        let safe = round.value("pg_replication_slot_safe_wal_bytes", &["forgotten"]);
        assert_eq!(safe.is_some(), major.0 >= 13);
        let inactive = round.value("pg_replication_slot_inactive_seconds", &["forgotten"]);
        assert_eq!(inactive.is_some(), major.0 >= 17);

        let decode = "SELECT count(*) > 1000 FROM pg_logical_slot_get_changes('decoding', NULL, NULL)";
        assert!(server.query::<bool>("postgres", decode).await.unwrap());
        if major.0 >= 14 {
            let counted = "SELECT total_txns > 0 FROM pg_stat_replication_slots";
            server.wait_until("postgres", counted).await.unwrap();
        }
        let round = probe.round().await;
        let decoded = round.value("pg_replication_slot_decoded_bytes_total", &["decoding"]);
        assert_eq!(decoded.is_some_and(|bytes| bytes > 0.0), major.0 >= 14);
        assert_eq!(round.value("pg_replication_slot_spills_total", &["decoding"]).is_some(), major.0 >= 14);
        assert_eq!(round.value("pg_replication_slot_spills_total", &["forgotten"]), None);

        // It is past what may be kept: its WAL is gone, and so is what it was for.
        if major.0 >= 13 {
            let create = "SELECT pg_create_logical_replication_slot('unread', 'test_decoding')";
            server.exec("postgres", create).await.unwrap();
            for _ in 0..4 {
                workload::wal_burst(&server, "postgres", 1).await.unwrap();
                server.exec("postgres", "SELECT pg_switch_wal()").await.unwrap();
            }
            server.exec("postgres", "CHECKPOINT").await.unwrap();
            let lost = "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = 'forgotten'";
            server.wait_until("postgres", lost).await.unwrap();
            let round = probe.round().await;
            for slot in ["forgotten", "unread"] {
                assert_eq!(
                    round.value("pg_replication_slot_invalid", &[slot]),
                    Some(1.0),
                    "{slot} on {major}"
                );
                assert_eq!(round.value(RETAINED, &[slot]), None, "{slot} on {major}");
                assert_eq!(round.value(UNCONFIRMED, &[slot]), None, "{slot} on {major}");
            }
            assert_eq!(round.value("pg_replication_slot_wal_status", &["forgotten", "lost"]), Some(1.0));
            assert_eq!(round.value("pg_replication_slot_invalid", &["empty"]), Some(0.0));
            let forgotten = &round.data[2];
            assert_eq!(forgotten["slot_name"], "forgotten");
            assert_eq!(forgotten["invalidation_reason"], "wal_removed");
        }
    });
}
