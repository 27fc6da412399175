use super::{Row, Wal};
use crate::postgres::collector::{Collector as _, Cx, Need, Settings, single};
use crate::postgres::collectors::wal_files::WalFiles;
use crate::postgres::facts::Choice;
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Major, Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

const GIB: i64 = 1 << 30;

fn row(position: i64) -> Row {
    Row {
        in_recovery: false,
        position_bytes: Some(position),
        written_bytes: Some(position),
        records: None,
        full_page_images: None,
        buffers_full: None,
        writes: None,
        syncs: None,
        write_seconds: None,
        sync_seconds: None,
        stats_reset: None,
        bytes_per_second: None,
    }
}

fn round(collector: &mut Wal, row: Row, cx: &Cx) -> Vec<Family> {
    let mut rows = [row];
    let mut out = Families::new();
    collector.complete(&mut rows, cx);
    assert_eq!(collector.samples(&rows, cx, &mut out), []);
    let families = out.into_vec();
    assert_eq!(number(&families, "pg_wal_bytes_per_second", &[]), rows[0].bytes_per_second);
    families
}

fn rate(collector: &mut Wal, row: Row, cx: &Cx) -> Option<f64> {
    number(&round(collector, row, cx), "pg_wal_bytes_per_second", &[])
}

fn at(seconds: u64) -> Cx {
    cx(17, Duration::from_secs(seconds))
}

fn other_server(seconds: u64, system_identifier: Option<&str>) -> Cx {
    let mut cx = at(seconds);
    let mut facts = (*cx.facts).clone();
    facts.system_identifier = system_identifier.map(str::to_owned);
    facts.started_at += Duration::from_secs(seconds);
    cx.facts = Arc::new(facts);
    cx
}

#[test]
fn a_rate_needs_two_rounds_of_the_same_primary() {
    let mut wal = Wal::new(&Settings::default());
    assert_eq!(rate(&mut wal, row(5 * GIB), &at(0)), None);
    assert_eq!(rate(&mut wal, row(5 * GIB + 6000), &at(60)), Some(100.0));
    assert_eq!(rate(&mut wal, row(5 * GIB + 6000), &at(120)), Some(0.0));
    // Restored from a backup, or another server.
    assert_eq!(rate(&mut wal, row(4 * GIB), &at(180)), None);
    assert_eq!(rate(&mut wal, row(4 * GIB + 60), &at(240)), Some(1.0));
    // A round at the same instant divides by nothing.
    assert_eq!(rate(&mut wal, row(4 * GIB + 60), &at(240)), None);
}

#[test]
fn another_server_that_is_ahead_is_not_a_burst() {
    let mut wal = Wal::new(&Settings::default());
    assert_eq!(rate(&mut wal, row(GIB), &at(0)), None);
    assert_eq!(rate(&mut wal, row(9 * GIB), &other_server(60, Some("7000000000000000002"))), None);
    // Restarted, the same data: it goes on. Not known which data: it does not.
    assert_eq!(rate(&mut wal, row(9 * GIB + 60), &other_server(120, Some("7000000000000000002"))), Some(1.0));
    assert_eq!(rate(&mut wal, row(9 * GIB + 120), &other_server(180, None)), None);
    assert_eq!(rate(&mut wal, row(9 * GIB + 180), &other_server(240, None)), None);
}

#[test]
fn a_standby_has_a_position_and_no_rate() {
    let mut wal = Wal::new(&Settings::default());
    let standby = |position| Row { in_recovery: true, written_bytes: None, ..row(position) };
    round(&mut wal, standby(GIB), &at(0));
    let families = round(&mut wal, standby(2 * GIB), &at(60));
    assert_eq!(number(&families, "pg_wal_bytes_per_second", &[]), None);
    assert_eq!(number(&families, "pg_wal_bytes_written_total", &[]), None);
    assert_eq!(number(&families, "pg_wal_position_bytes", &[]), Some((2 * GIB) as f64));
    // Promoted: the first round knows nothing yet.
    assert_eq!(rate(&mut wal, row(2 * GIB + 100), &at(120)), None);
}

#[test]
fn a_burst_is_seen_on_every_version() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        // None of this needs a grant.
        let password = server.create_role("stranger").await.unwrap();
        let mut probe = Probe::new(&server.dsn_as("stranger", &password, "postgres"), single::<Wal>()).await;

        let first = probe.round().await;
        assert_eq!(first.value("pg_wal_bytes_per_second", &[]), None);
        workload::wal_burst(&server, "postgres", 8).await.unwrap();
        if major.0 >= 14 {
            let counted = format!(
                "SELECT wal_bytes >= {} FROM pg_stat_wal",
                first.value("pg_wal_bytes_written_total", &[]).unwrap() + 8e6
            );
            server.wait_until("postgres", &counted).await.unwrap();
        }
        let second = probe.round().await;
        let position = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        let truth: f64 = server.query("postgres", position).await.unwrap();
        let seen = second.value("pg_wal_position_bytes", &[]).unwrap();
        assert!((truth - seen).abs() < 2e6, "{seen} instead of {truth}");
        let grown = seen - first.value("pg_wal_position_bytes", &[]).unwrap();
        // The last megabyte may still be in the WAL buffers.
        assert!(grown > 7e6, "{grown}");
        assert!(second.value("pg_wal_bytes_per_second", &[]).unwrap() > 1e5);
        assert_eq!(second.value("pg_wal_records_total", &[]).is_some(), major.0 >= 14);
        assert_eq!(second.value("pg_wal_fpi_total", &[]).is_some(), major.0 >= 14);
        assert_eq!(second.value("pg_wal_buffers_full_total", &[]).is_some(), major.0 >= 14);
        assert_eq!(second.value("pg_wal_writes_total", &[]).is_some(), (14..18).contains(&major.0));
        // Not measured, not 0.
        assert_eq!(second.value("pg_wal_write_seconds_total", &[]), None);

        if major.0 >= 14 {
            server.exec("postgres", "SELECT pg_stat_reset_shared('wal')").await.unwrap();
            let low = "SELECT wal_bytes < 8e6 FROM pg_stat_wal";
            server.wait_until("postgres", low).await.unwrap();
            let third = probe.round().await;
            let written =
                |r: &crate::postgres::testing::Round| r.value("pg_wal_bytes_written_total", &[]).unwrap();
            assert!(written(&third) < written(&second));
            assert!(third.value("pg_wal_bytes_per_second", &[]).unwrap() >= 0.0);
            server.exec("postgres", "ALTER SYSTEM SET track_wal_io_timing = on").await.unwrap();
            server.exec("postgres", "SELECT pg_reload_conf()").await.unwrap();
            server
                .wait_until("postgres", "SELECT current_setting('track_wal_io_timing')::bool")
                .await
                .unwrap();
            let timed = probe.round().await;
            assert_eq!(timed.value("pg_wal_write_seconds_total", &[]).is_some(), major.0 < 18);
        }
    });
}

#[tokio::test]
async fn the_directory_is_measured() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    let dsn = server.dsn_as("pgmon", &password, "postgres");
    let mut probe = Probe::new(&dsn, single::<WalFiles>()).await;
    let bytes: i64 = server.query("postgres", "SELECT sum(size)::int8 FROM pg_ls_waldir()").await.unwrap();
    let round = probe.round().await;
    assert_eq!(round.value("pg_wal_directory_bytes", &[]), Some(bytes as f64));
    assert_eq!(round.value("pg_wal_directory_files", &[]), Some((bytes >> 24) as f64));
    // Archiving is off.
    assert_eq!(round.value("pg_archiver_ready_files", &[]), None);
    // The directories are not for everybody: blind, not 0.
    let password = server.create_role("stranger").await.unwrap();
    let dsn = server.dsn_as("stranger", &password, "postgres");
    assert_eq!(
        Probe::new(&dsn, single::<WalFiles>()).await.choice(),
        Choice::Blind(vec![Need::WalDirectory])
    );
}
