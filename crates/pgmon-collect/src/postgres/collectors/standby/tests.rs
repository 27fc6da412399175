use super::{Row, Standby};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_core::snapshot::Blind;
use pgmon_testkit::{Fault, Major, Server, Tier};
use std::time::Duration;

const SECONDS: &str = "pg_standby_replay_lag_seconds";
const BYTES: &str = "pg_standby_replay_lag_bytes";
const DOWN: &str = "pg_replication_link_down";

/// A standby whose link is alive; the last commit that it replayed is `age` old.
fn row(source: i64, received: i64, replayed: i64, age: Option<f64>) -> Row {
    Row {
        replay_age_seconds: age,
        received_bytes: Some(received),
        replayed_bytes: Some(replayed),
        paused: false,
        link_configured: Some(true),
        receiver_timeout_seconds: 60.0,
        receiver_running: true,
        receiver_status: Some("streaming".into()),
        written_bytes: Some(received),
        source_bytes: Some(source),
        last_message_age_seconds: Some(0.0),
        slot_name: None,
        sender_host: Some("db1".into()),
        sender_port: Some(5432),
        timeline: Some(1),
        link_down: None,
        lag_seconds: None,
        lag_bytes: None,
    }
}

fn broken(row: Row) -> Row {
    Row {
        receiver_running: false,
        receiver_status: None,
        written_bytes: None,
        source_bytes: None,
        last_message_age_seconds: None,
        ..row
    }
}

fn round(collector: &mut Standby, at: u64, row: Row) -> (Vec<Family>, Vec<Blind>) {
    let cx = cx(17, Duration::from_secs(at));
    let mut rows = [row];
    let mut out = Families::new();
    collector.complete(&mut rows, &cx);
    let blind = collector.samples(&rows, &cx, &mut out);
    (out.into_vec(), blind)
}

/// `[link down, lag in seconds, lag in bytes]`
fn figures(collector: &mut Standby, at: u64, row: Row) -> [Option<f64>; 3] {
    let (families, blind) = round(collector, at, row);
    assert_eq!(blind, []);
    [DOWN, SECONDS, BYTES].map(|name| number(&families, name, &[]))
}

fn standby() -> Standby {
    Standby::new(&Settings::default())
}

#[test]
fn an_idle_source_is_no_lag_however_old_the_last_commit() {
    let mut c = standby();
    for minute in 0..100 {
        let age = f64::from(u32::try_from(minute * 60).unwrap());
        assert_eq!(figures(&mut c, minute * 60, row(1000, 1000, 1000, Some(age))), [Some(0.0); 3]);
    }
    // A long transaction begins: no commit for 100 minutes, yet the lag is half a round.
    let lag = figures(&mut c, 6000, row(3000, 3000, 2000, Some(6000.0)));
    assert_eq!(lag, [Some(0.0), Some(30.0), Some(1000.0)]);
    // Commits come: the age of the last one bounds the lag.
    let lag = figures(&mut c, 6060, row(5000, 5000, 4000, Some(0.5)));
    assert_eq!(lag, [Some(0.0), Some(0.5), Some(1000.0)]);
}

#[test]
fn what_the_source_has_and_did_not_get_through_is_lag_too() {
    let mut c = standby();
    figures(&mut c, 0, row(1000, 1000, 1000, Some(10.0)));
    let (families, _) = round(&mut c, 60, row(9000, 1000, 1000, Some(70.0)));
    assert_eq!(number(&families, BYTES, &[]), Some(8000.0));
    assert_eq!(number(&families, "pg_standby_receive_lag_bytes", &[]), Some(8000.0));
    assert_eq!(number(&families, SECONDS, &[]), Some(60.0));
}

#[test]
fn a_broken_link_is_never_0() {
    let mut c = standby();
    assert_eq!(figures(&mut c, 0, row(1000, 1000, 1000, Some(500.0))), [Some(0.0); 3]);
    // All that was received is replayed: nothing tells what the source did since both agreed.
    assert_eq!(figures(&mut c, 60, broken(row(0, 1000, 1000, Some(560.0)))), [Some(1.0), Some(60.0), None]);
    assert_eq!(figures(&mut c, 120, broken(row(0, 1000, 1000, Some(620.0)))), [Some(1.0), Some(120.0), None]);
    // A clock that is behind the source's makes no 0 of it.
    assert_eq!(figures(&mut c, 180, broken(row(0, 1000, 1000, Some(-3.0)))), [Some(1.0), Some(180.0), None]);
    // An observer that comes later has the age of the last commit, if there is one.
    assert_eq!(
        figures(&mut standby(), 0, broken(row(0, 1000, 1000, Some(620.0)))),
        [Some(1.0), Some(620.0), None]
    );
    assert_eq!(figures(&mut standby(), 0, broken(row(0, 1000, 1000, None))), [Some(1.0), None, None]);
    // Before it broke the source was silent for a while: that counts too.
    let mut c = standby();
    let mut quiet = row(1000, 1000, 1000, Some(500.0));
    quiet.last_message_age_seconds = Some(25.0);
    figures(&mut c, 60, quiet);
    assert_eq!(figures(&mut c, 120, broken(row(0, 1000, 1000, Some(560.0))))[1], Some(85.0));
    // What is known to be missing is said.
    let mut c = standby();
    figures(&mut c, 0, row(5000, 4000, 1000, Some(5.0)));
    let lag = figures(&mut c, 60, broken(row(0, 4000, 4000, Some(65.0))));
    assert_eq!(lag[2], Some(1000.0));
}

#[test]
fn a_silent_source_is_a_broken_link() {
    let silent = |age, timeout| {
        let mut r = row(1000, 1000, 1000, Some(100.0));
        r.last_message_age_seconds = age;
        r.receiver_timeout_seconds = timeout;
        figures(&mut standby(), 0, r)[0]
    };
    // An idle source is asked after half of the timeout.
    assert_eq!(silent(Some(31.0), 60.0), Some(0.0));
    assert_eq!(silent(Some(45.0), 60.0), Some(1.0));
    assert_eq!(silent(Some(3.0), 2.0), Some(1.0));
    assert_eq!(silent(None, 60.0), Some(1.0));
    // Without a timeout nobody asks: silence says nothing.
    assert_eq!(silent(Some(9000.0), 0.0), Some(0.0));
    let mut waiting = row(1000, 1000, 1000, Some(100.0));
    waiting.receiver_status = Some("waiting".into());
    assert_eq!(figures(&mut standby(), 0, waiting)[0], Some(1.0));
}

#[test]
fn a_standby_that_lives_on_the_archive_has_no_link_to_lose() {
    let mut r = broken(row(0, 0, 1000, Some(33.0)));
    r.received_bytes = None;
    r.link_configured = Some(false);
    let (families, blind) = round(&mut standby(), 0, r.clone());
    assert_eq!(blind, []);
    for absent in [DOWN, SECONDS, BYTES] {
        assert_eq!(number(&families, absent, &[]), None, "{absent}");
    }
    assert_eq!(number(&families, "pg_standby_replay_age_seconds", &[]), Some(33.0));
    // Whether there should be a link is hidden: blind.
    r.link_configured = None;
    let (families, blind) = round(&mut standby(), 0, r);
    assert_eq!(number(&families, DOWN, &[]), None);
    assert_eq!(blind.len(), 1);
}

#[test]
fn an_archive_only_standby_of_every_version() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        // It has streamed enough to be consistent; then it is left to its archive.
        let replica = server.replica("archive").await.unwrap();
        server.exec("postgres", "CREATE TABLE t (i int)").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        for setting in ["primary_conninfo = ''", "restore_command = '/bin/false'"] {
            replica.exec("postgres", &format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        replica.restart().await.unwrap();
        let dsn = replica.dsn_as("pgmon", &password, "postgres");
        let round = Probe::new(&dsn, single::<Standby>()).await.round().await;
        assert_eq!(round.data[0]["link_configured"], false);
        for absent in [DOWN, SECONDS, BYTES] {
            assert_eq!(round.value(absent, &[]), None, "{absent}");
        }
        assert_eq!(round.value("pg_standby_replay_paused", &[]), Some(0.0));
        assert_eq!(round.blind, []);
    });
}

#[tokio::test]
async fn a_link_that_hangs_is_noticed_and_a_promotion_ends_it() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    let replica = server.replica("hung").setting("wal_receiver_timeout", "2s").await.unwrap();
    replica.wait_caught_up().await.unwrap();
    let dsn = replica.dsn_as("pgmon", &password, "postgres");
    let mut probe = Probe::new(&dsn, single::<Standby>()).await;
    assert_eq!(probe.round().await.value(DOWN, &[]), Some(0.0));
    replica.link().set(Fault::Blackhole).await.unwrap();
    let silent = "SELECT count(*) = 0 OR bool_and(clock_timestamp() - last_msg_receipt_time > '2s') \
                  FROM pg_stat_wal_receiver";
    replica.wait_until("postgres", silent).await.unwrap();
    let round = probe.round().await;
    assert_eq!(round.value(DOWN, &[]), Some(1.0));
    let lag = round.value(SECONDS, &[]).unwrap();
    assert!(lag > 0.0, "{lag}: {}", round.data);

    // The facts still say standby; the statement asks the server.
    replica.promote().await.unwrap();
    assert_eq!(probe.round().await.families, []);
    probe.refresh().await;
    assert!(!probe.facts.in_recovery);
    assert_eq!(probe.round().await.families, []);
}
