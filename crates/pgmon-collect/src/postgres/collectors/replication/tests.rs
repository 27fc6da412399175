use super::{Replication, Row, names};
use crate::postgres::collector::{Collector as _, Need, Settings, single};
use crate::postgres::collectors::standby::Standby;
use crate::postgres::facts::Choice;
use crate::postgres::testing::{Probe, Round, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Fault, Major, Server, Tier, workload};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SECONDS: &str = "pg_replication_lag_seconds";
const BYTES: &str = "pg_replication_lag_bytes";

/// A replica that reported `lag` when it had replayed to `replayed`.
fn row(position: i64, replayed: i64, lag: Option<f64>) -> Row {
    Row {
        pid: 1,
        application_name: Some("a".into()),
        client_addr: Some("10.0.0.7".into()),
        state: Some("streaming".into()),
        sync_state: Some("async".into()),
        sync_priority: Some(0),
        slot_name: None,
        logical: false,
        position_bytes: Some(position),
        sent_bytes: Some(position),
        write_bytes: Some(replayed),
        flush_bytes: Some(replayed),
        replay_bytes: Some(replayed),
        write_lag_seconds: lag,
        flush_lag_seconds: lag,
        replay_lag_seconds: lag,
        reply_age_seconds: Some(1.0),
        connected_seconds: Some(100.0),
        replica: String::new(),
        lag_bytes: None,
        lag_seconds: None,
        gone_seconds: None,
    }
}

fn round(collector: &mut Replication, at: u64, rows: &mut [Row]) -> Vec<Family> {
    let cx = cx(17, Duration::from_secs(at));
    let mut out = Families::new();
    collector.complete(rows, &cx);
    assert_eq!(collector.samples(rows, &cx, &mut out), []);
    out.into_vec()
}

fn lag(collector: &mut Replication, at: u64, row: Row) -> Option<f64> {
    number(&round(collector, at, &mut [row]), SECONDS, &["a"])
}

#[test]
fn an_idle_primary_shows_no_lag() {
    let mut c = Replication::new(&Settings::default());
    // Caught up: 0, whatever was reported last, for however long.
    assert_eq!(lag(&mut c, 0, row(1000, 1000, Some(7.0))), Some(0.0));
    for minute in 1..100 {
        assert_eq!(lag(&mut c, minute * 60, row(1000, 1000, None)), Some(0.0));
    }
    // The first write after that, not reported yet: behind for less than a round, nobody knows how much.
    assert_eq!(lag(&mut c, 6000, row(2000, 1000, None)), None);
}

#[test]
fn a_replica_that_falls_silent_lags_more_and_more() {
    let mut c = Replication::new(&Settings::default());
    assert_eq!(lag(&mut c, 0, row(1000, 1000, None)), Some(0.0));
    // It reported 2 s and then nothing any more; the source went past it between 0 and 60.
    assert_eq!(lag(&mut c, 60, row(2000, 1000, Some(2.0))), Some(2.0));
    assert_eq!(lag(&mut c, 120, row(3000, 1000, Some(2.0))), Some(60.0));
    assert_eq!(lag(&mut c, 180, row(3000, 1000, None)), Some(120.0));
    // It is back and replays: what it reports is more exact.
    assert_eq!(lag(&mut c, 240, row(3000, 2500, Some(150.0))), Some(150.0));
    assert_eq!(lag(&mut c, 300, row(3000, 3000, None)), Some(0.0));
}

#[test]
fn positions_that_are_not_known_give_no_lag() {
    let mut c = Replication::new(&Settings::default());
    let mut backup = row(1000, 1000, None);
    backup.state = Some("backup".into());
    for lsn in
        [&mut backup.sent_bytes, &mut backup.write_bytes, &mut backup.flush_bytes, &mut backup.replay_bytes]
    {
        *lsn = None;
    }
    let families = round(&mut c, 0, &mut [backup]);
    assert_eq!(number(&families, SECONDS, &["a"]), None);
    assert_eq!(number(&families, BYTES, &["a"]), None);
    assert_eq!(number(&families, "pg_replication_state", &["a", "backup", "async"]), Some(1.0));
    // pg_receivewal writes and flushes and replays nothing.
    let mut receiver = row(1000, 900, None);
    receiver.replay_bytes = None;
    let families = round(&mut c, 60, &mut [receiver]);
    assert_eq!(number(&families, BYTES, &["a"]), None);
    assert_eq!(number(&families, "pg_replication_stage_lag_bytes", &["a", "flush"]), Some(100.0));
}

#[test]
fn a_position_read_earlier_than_the_replicas_is_no_negative_lag() {
    let mut c = Replication::new(&Settings::default());
    let families = round(&mut c, 0, &mut [row(1000, 1200, Some(0.1))]);
    assert_eq!(number(&families, BYTES, &["a"]), Some(0.0));
    assert_eq!(number(&families, SECONDS, &["a"]), Some(0.0));
}

#[test]
fn no_replica_is_a_figure_too() {
    let mut c = Replication::new(&Settings::default());
    let families = round(&mut c, 0, &mut []);
    assert_eq!(families.len(), 1);
    assert_eq!(number(&families, "pg_replication_senders", &[]), Some(0.0));
}

#[test]
fn replicas_have_distinct_names() {
    let named = |name: Option<&str>, addr: Option<&str>| Row {
        application_name: name.map(str::to_owned),
        client_addr: addr.map(str::to_owned),
        ..row(0, 0, None)
    };
    let rows = [
        named(Some("alone"), Some("10.0.0.1")),
        named(Some("walreceiver"), Some("10.0.0.2")),
        named(Some("walreceiver"), Some("fe80::1")),
        named(Some("walreceiver"), Some("10.0.0.2")),
        named(Some("walreceiver"), None),
        // Looks like the name of another one.
        named(Some("walreceiver/10.0.0.2/2"), Some("10.0.0.9")),
        named(Some(""), Some("10.0.0.3")),
        named(None, Some("10.0.0.4")),
        named(Some("ha\"ck\n{}"), Some("10.0.0.5")),
    ];
    let names = names(&rows);
    assert_eq!(
        names[..8],
        [
            "alone",
            "walreceiver/10.0.0.2",
            "walreceiver/fe80::1",
            "walreceiver/10.0.0.2/3",
            "walreceiver/local",
            "walreceiver/10.0.0.2/2",
            "unnamed/10.0.0.3",
            "unnamed/10.0.0.4",
        ]
    );
    assert!(names[8].starts_with("ha_ck___~"), "{}", names[8]);
}

fn sender(pid: i32, name: &str, addr: &str) -> Row {
    Row { pid, application_name: Some(name.into()), client_addr: Some(addr.into()), ..row(1000, 1000, None) }
}

/// Names, addresses and ages of those that are gone after rounds a minute apart.
fn gone(rounds: &[&[Row]]) -> Vec<(String, String, f64)> {
    let mut c = Replication::new(&Settings::default());
    let mut rows = Vec::new();
    for (minute, present) in rounds.iter().enumerate() {
        rows = present.to_vec();
        let at = 60 * u64::try_from(minute).unwrap();
        let families = round(&mut c, at, &mut rows);
        c.remembered(&mut rows, &cx(17, Duration::from_secs(at)));
        let counted = number(&families, "pg_replication_senders", &[]);
        assert_eq!(counted, Some(present.len() as f64), "who is gone is not counted");
    }
    let gone = rows
        .into_iter()
        .filter_map(|row| Some((row.application_name.clone()?, row.client_addr.clone()?, row.gone_seconds?)));
    gone.collect()
}

#[test]
fn a_standby_that_is_gone_is_told_for_an_hour() {
    let (a, b) = (sender(1, "a", "10.0.0.7"), sender(2, "b", "10.0.0.8"));
    let lost = |seconds: f64| vec![("b".to_owned(), "10.0.0.8".to_owned(), seconds)];
    let (both, one): (&[Row], &[Row]) = (&[a.clone(), b], &[a]);
    assert_eq!(gone(&[both, both]), []);
    assert_eq!(gone(&[both, one]), lost(60.0));
    let mut rounds = vec![both];
    rounds.resize(61, one);
    assert_eq!(gone(&rounds), lost(3600.0));
    rounds.push(one);
    assert_eq!(gone(&rounds), []);
}

#[test]
fn a_standby_that_comes_back_is_not_gone() {
    let first = sender(1, "walreceiver", "10.0.0.7");
    let other = sender(2, "walreceiver", "10.0.0.8");
    let back = sender(3, "walreceiver", "10.0.0.7");
    let catching_up = Row { state: Some("catchup".into()), ..back.clone() };
    let elsewhere = sender(4, "walreceiver", "10.0.0.9");
    let both: &[Row] = &[first.clone(), other.clone()];
    assert_eq!(gone(&[both, &[other.clone(), catching_up]]), [], "within a round");
    assert_eq!(
        gone(&[both, std::slice::from_ref(&other), &[other.clone(), elsewhere]]),
        [],
        "as another pod"
    );
    let left = gone(&[both, &[], &[back]]);
    assert_eq!(
        left,
        [("walreceiver".to_owned(), "10.0.0.8".to_owned(), 120.0)],
        "the other one is still gone"
    );
}

#[test]
fn what_ends_by_itself_is_not_gone() {
    let plain = sender(1, "x", "10.0.0.7");
    for what in [
        Row { state: Some("backup".into()), replay_bytes: None, ..plain.clone() },
        // What gathers WAL, as pg_basebackup and pg_receivewal do.
        Row { replay_bytes: None, ..plain.clone() },
        Row { logical: true, ..plain.clone() },
        sender(1, "pg_16394_sync_16389_7361200000000000000", "10.0.0.7"),
        // Of which nothing may be seen.
        Row { state: None, replay_bytes: None, ..plain.clone() },
    ] {
        assert_eq!(gone(&[std::slice::from_ref(&what), &[]]), [], "{what:?}");
    }
    // What was seen once is known, also if the right to see it is lost.
    let hidden = Row { state: None, replay_bytes: None, ..plain.clone() };
    assert_eq!(gone(&[std::slice::from_ref(&plain), &[hidden], &[]]).len(), 1);
}

#[test]
fn initial_copies_of_tables_have_no_series() {
    let mut c = Replication::new(&Settings::default());
    let named = |name: &str| Row { application_name: Some(name.into()), ..row(1000, 900, None) };
    let rows = &mut [
        named("pg_16394_sync_16389_7361200000000000000"),
        named("orders_16394_sync_16390"),
        // Not quite such names.
        named("shop_sync_2"),
        named("pg_1_sync_x"),
    ];
    let families = round(&mut c, 0, rows);
    assert_eq!(number(&families, "pg_replication_senders", &[]), Some(4.0));
    for family in families.iter().filter(|f| f.desc.name() != "pg_replication_senders") {
        let labels: BTreeSet<&str> = family.samples.iter().map(|s| &*s.labels[0]).collect();
        assert_eq!(labels, BTreeSet::from(["pg_1_sync_x", "shop_sync_2"]), "{}", family.desc.name());
    }
}

/// Reads messages of the protocol until the server is ready.
async fn ready(socket: &mut tokio::net::UnixStream) {
    loop {
        let kind = socket.read_u8().await.unwrap();
        let length = socket.read_u32().await.unwrap() as usize - 4;
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        assert_ne!(kind, b'E', "{}", String::from_utf8_lossy(&body));
        if kind == b'Z' {
            return;
        }
    }
}

#[test]
fn a_sender_with_two_slots_is_one_row() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("wal_level", "logical").start().await.unwrap();
        let path = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
        let mut socket = tokio::net::UnixStream::connect(path).await.unwrap();
        let parameters =
            b"user\0postgres\0database\0postgres\0replication\0database\0application_name\0two\0\0";
        socket.write_u32(8 + u32::try_from(parameters.len()).unwrap()).await.unwrap();
        socket.write_u32(3 << 16).await.unwrap();
        socket.write_all(parameters).await.unwrap();
        ready(&mut socket).await;
        for slot in ["b", "a"] {
            let sql = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL test_decoding");
            socket.write_u8(b'Q').await.unwrap();
            socket.write_u32(5 + u32::try_from(sql.len()).unwrap()).await.unwrap();
            socket.write_all(sql.as_bytes()).await.unwrap();
            socket.write_u8(0).await.unwrap();
            ready(&mut socket).await;
        }
        let mut probe = Probe::new(&server.dsn("postgres"), single::<Replication>()).await;
        let round = probe.round().await;
        assert_eq!(round.value("pg_replication_senders", &[]), Some(1.0), "{major}");
        assert_eq!(round.data[0]["slot_name"], "a", "{major}");
        assert_eq!(round.data[0]["replica"], "two");
    });
}

/// Rounds until the figure is 0: also an idle server writes something of its own now and then.
async fn settled(probe: &mut Probe, family: &str, labels: &[&str]) -> Round {
    for _ in 0..200 {
        let round = probe.round().await;
        if round.value(family, labels) == Some(0.0) {
            return round;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{family}{labels:?} never was 0");
}

#[test]
fn both_sides_tell_the_truth() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let replica = server.replica("replica_1").slot().await.unwrap();
        let dsn = |server: &Server| server.dsn_as("pgmon", &password, "postgres");
        let mut sender = Probe::new(&dsn(&server), single::<Replication>()).await;
        let mut standby = Probe::new(&dsn(&replica), single::<Standby>()).await;
        let labels: &[&str] = &["replica_1"];
        let caught_up = "SELECT count(*) = 1 FROM pg_stat_replication \
                         WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()";

        // Caught up and idle, for several rounds: no lag, and none that grows.
        server.wait_until("postgres", caught_up).await.unwrap();
        for _ in 0..3 {
            let round = settled(&mut sender, BYTES, labels).await;
            assert_eq!(round.value("pg_replication_senders", &[]), Some(1.0));
            assert_eq!(round.value(SECONDS, labels), Some(0.0));
            assert_eq!(round.value("pg_replication_state", &["replica_1", "streaming", "async"]), Some(1.0));
            for stage in ["sent", "write", "flush", "replay"] {
                assert_eq!(round.value("pg_replication_stage_lag_bytes", &["replica_1", stage]), Some(0.0));
            }
            assert_eq!(round.data[0]["slot_name"], "replica_1");
            let round = settled(&mut standby, "pg_standby_replay_lag_bytes", &[]).await;
            assert_eq!(round.value("pg_replication_link_down", &[]), Some(0.0));
            assert_eq!(round.value("pg_standby_replay_lag_seconds", &[]), Some(0.0));
            assert_eq!(round.value("pg_standby_receive_lag_bytes", &[]), Some(0.0));
            assert_eq!(round.value("pg_standby_replay_paused", &[]), Some(0.0));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        // A standby has no replicas, a primary no source.
        assert_eq!(
            Probe::new(&dsn(&replica), single::<Replication>()).await.round().await.samples(SECONDS),
            []
        );
        assert_eq!(Probe::new(&dsn(&server), single::<Standby>()).await.round().await.families, []);

        // Replay paused: all arrives and nothing is replayed.
        replica.pause_replay().await.unwrap();
        workload::wal_burst(&server, "postgres", 3).await.unwrap();
        server.exec("postgres", "CREATE TABLE t (i int)").await.unwrap();
        let arrived = "SELECT flush_lsn = pg_current_wal_lsn() FROM pg_stat_replication";
        server.wait_until("postgres", arrived).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let round = sender.round().await;
        let truth: f64 = server
            .query("postgres", "SELECT (pg_current_wal_lsn() - replay_lsn)::float8 FROM pg_stat_replication")
            .await
            .unwrap();
        assert!(truth > 3e6);
        let seen = round.value(BYTES, labels).unwrap();
        assert!((seen - truth).abs() < 1e5, "{seen} instead of {truth}");
        assert_eq!(round.value("pg_replication_stage_lag_bytes", &["replica_1", "flush"]), Some(0.0));
        assert_eq!(round.value("pg_replication_stage_lag_seconds", &["replica_1", "flush"]), Some(0.0));
        let round = standby.round().await;
        assert_eq!(round.value("pg_standby_replay_paused", &[]), Some(1.0));
        assert_eq!(round.value("pg_replication_link_down", &[]), Some(0.0));
        assert!((round.value("pg_standby_replay_lag_bytes", &[]).unwrap() - truth).abs() < 1e5);
        let first = round.value("pg_standby_replay_lag_seconds", &[]).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let round = standby.round().await;
        assert!(round.value("pg_standby_replay_lag_seconds", &[]).unwrap() > first + 0.4);
        // Nothing new was reported: by what we saw it has lagged since the round before at least.
        assert!(sender.round().await.value(SECONDS, labels).unwrap() >= 0.4);

        replica.resume_replay().await.unwrap();
        server.wait_until("postgres", caught_up).await.unwrap();
        settled(&mut sender, SECONDS, labels).await;
        settled(&mut standby, "pg_standby_replay_lag_seconds", &[]).await;

        // The link breaks and the primary goes on: the standby cannot know, and must not say 0.
        replica.break_link().await.unwrap();
        replica.wait_until("postgres", "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await.unwrap();
        workload::wal_burst(&server, "postgres", 6).await.unwrap();
        let mut before = 0.0;
        for _ in 0..3 {
            let round = standby.round().await;
            assert_eq!(round.value("pg_replication_link_down", &[]), Some(1.0));
            let lag = round.value("pg_standby_replay_lag_seconds", &[]).unwrap();
            assert!(lag > before, "{lag} after {before}");
            before = lag;
            assert_eq!(round.value("pg_standby_replay_lag_bytes", &[]), None);
            assert_eq!(round.value("pg_standby_receive_lag_bytes", &[]), None);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // An observer that has just come knows the age of the last commit, if any.
        let late = Probe::new(&dsn(&replica), single::<Standby>()).await.round().await;
        assert_eq!(late.value("pg_replication_link_down", &[]), Some(1.0));
        assert!(late.value("pg_standby_replay_lag_seconds", &[]).unwrap() > 0.5);
        assert_eq!(sender.round().await.value("pg_replication_senders", &[]), Some(0.0));

        replica.restore_link().await.unwrap();
        server.wait_until("postgres", caught_up).await.unwrap();
        let round = settled(&mut standby, "pg_standby_replay_lag_seconds", &[]).await;
        assert_eq!(round.value("pg_replication_link_down", &[]), Some(0.0));
        settled(&mut sender, SECONDS, labels).await;
    });
}

#[tokio::test]
async fn two_replicas_of_one_name_and_a_silent_one() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    let first = server.replica("same").await.unwrap();
    let second = server.replica("same").await.unwrap();
    // One that hangs on the first.
    let _cascaded = first.replica("cascaded").await.unwrap();
    let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), single::<Replication>()).await;
    let streaming = "SELECT count(*) = 2 FROM pg_stat_replication \
                     WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()";
    server.wait_until("postgres", streaming).await.unwrap();
    settled(&mut probe, SECONDS, &["same/127.0.0.1/2"]).await;
    let round = settled(&mut probe, SECONDS, &["same/127.0.0.1"]).await;
    let mut both = round.samples(SECONDS);
    both.sort_by(|a, b| a.0.cmp(&b.0));
    let label = |s: &str| vec![s.to_owned()];
    let names: Vec<_> = both.into_iter().map(|(labels, _)| labels).collect();
    assert_eq!(names, [label("same/127.0.0.1"), label("same/127.0.0.1/2")]);

    let dsn = first.dsn_as("pgmon", &password, "postgres");
    let mut cascade = Probe::new(&dsn, single::<Replication>()).await;
    let streaming = "SELECT replay_lsn = pg_last_wal_replay_lsn() FROM pg_stat_replication";
    first.wait_until("postgres", streaming).await.unwrap();
    let round = settled(&mut cascade, BYTES, &["cascaded"]).await;
    assert_eq!(round.value(SECONDS, &["cascaded"]), Some(0.0));

    // The second one hears nothing any more, and neither side has noticed.
    second.link().set(Fault::Blackhole).await.unwrap();
    workload::wal_burst(&server, "postgres", 2).await.unwrap();
    server
        .wait_until(
            "postgres",
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()",
        )
        .await
        .unwrap();
    probe.round().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let round = settled(&mut probe, SECONDS, &["same/127.0.0.1"]).await;
    assert!(round.value(SECONDS, &["same/127.0.0.1/2"]).unwrap() >= 0.7);
    assert!(round.value(BYTES, &["same/127.0.0.1/2"]).unwrap() > 1e6);

    // Without pg_monitor the states are hidden: blind, not "no replica".
    let password = server.create_role("stranger").await.unwrap();
    let dsn = server.dsn_as("stranger", &password, "postgres");
    assert_eq!(Probe::new(&dsn, single::<Replication>()).await.choice(), Choice::Blind(vec![Need::Monitor]));
}
