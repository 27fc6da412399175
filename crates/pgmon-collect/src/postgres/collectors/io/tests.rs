use super::{Io, Row};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::facts::Choice;
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Major, Server, Tier};
use std::sync::Arc;
use std::time::Duration;

fn row(context: &str, reads: i64) -> Row {
    Row {
        backend_type: "client backend".into(),
        object: "relation".into(),
        context: context.into(),
        reads: Some(reads),
        hits: Some(0),
        read_seconds: Some(0.5),
        ..Row::default()
    }
}

fn samples(io: &mut Io, rows: &[Row], cx: &crate::postgres::collector::Cx) -> Vec<Family> {
    let mut out = Families::new();
    io.samples(rows, cx, &mut out);
    out.into_vec()
}

#[test]
fn what_was_seen_stays_at_zero_after_a_reset_until_the_server_is_another() {
    let mut cx = cx(17, Duration::ZERO);
    let mut io = Io::new(&Settings::default());
    let reads = |families: &[Family], context| {
        number(families, "pg_io_reads_total", &["client backend", "relation", context])
    };
    let families = samples(&mut io, &[row("normal", 5)], &cx);
    assert_eq!((reads(&families, "normal"), reads(&families, "vacuum")), (Some(5.0), None));
    let families = samples(&mut io, &[row("vacuum", 3)], &cx);
    assert_eq!((reads(&families, "normal"), reads(&families, "vacuum")), (Some(0.0), Some(3.0)));
    // What this kind of process never does is not 0 either.
    assert!(!families.iter().any(|f| f.desc.name() == "pg_io_fsyncs_total"));
    Arc::make_mut(&mut cx.facts).started_at = jiff::Timestamp::MAX;
    let families = samples(&mut io, &[row("vacuum", 1)], &cx);
    assert_eq!((reads(&families, "normal"), reads(&families, "vacuum")), (None, Some(1.0)));
}

#[test]
fn reads_and_writes_are_those_of_the_server() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("autovacuum", "off")
            .setting("max_parallel_workers_per_gather", 0)
            .start()
            .await
            .unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), single::<Io>()).await;
        if major < Major(16) {
            assert_eq!(probe.choice(), Choice::Unsupported, "{major}");
            return;
        }
        // More than fits the buffers: scanned through a ring, and read at each scan.
        let fill =
            "CREATE TABLE t AS SELECT n, repeat('x', 1000) FROM generate_series(1, 40000) AS n; CHECKPOINT";
        for sql in fill.split(';') {
            server.exec("postgres", sql).await.unwrap();
        }
        server.exec("postgres", "SELECT sum(n) FROM t").await.unwrap();
        let ring = ["client backend", "relation", "bulkread"];
        let here = "FROM pg_stat_io WHERE backend_type = 'client backend' AND object = 'relation' AND context = 'bulkread'";
        let bytes = if major >= Major(18) { "read_bytes" } else { "reads * op_bytes" };
        // A session's figures arrive when it has ended.
        let scanned = |megabytes: u32| format!("SELECT {bytes} > {megabytes} * 1e6 {here}");
        server.wait_until("postgres", &scanned(40)).await.unwrap();
        let round = probe.round().await;
        for (truth, family) in [("reads", "pg_io_reads_total"), (bytes, "pg_io_read_bytes_total")] {
            let truth: f64 =
                server.query("postgres", &format!("SELECT ({truth})::float8 {here}")).await.unwrap();
            assert!(truth > 0.0);
            assert_eq!(round.value(family, &ring), Some(truth), "{family} on {major}");
        }
        assert_eq!(round.value("pg_io_fsyncs_total", &ring), None, "never done so");
        assert_eq!(round.samples("pg_io_read_seconds_total"), [], "not timed");
        let of = |object: &str| {
            let all = round.samples("pg_io_writes_total");
            all.into_iter().any(|(labels, _)| labels[1] == object)
        };
        assert!(of("relation"));
        assert_eq!(of("wal"), major >= Major(18));
        for (labels, _) in round.samples("pg_io_hits_total") {
            assert_ne!(labels[0], "standalone backend");
        }
        // Without any grant the same is seen.
        let mut other = Probe::new(&server.dsn_as("nobody", &nobody, "postgres"), single::<Io>()).await;
        assert_eq!(
            other.round().await.value("pg_io_reads_total", &ring),
            round.value("pg_io_reads_total", &ring)
        );

        server.set("track_io_timing", "on").await.unwrap();
        server.wait_until("postgres", "SELECT current_setting('track_io_timing')::bool").await.unwrap();
        server.exec("postgres", "SELECT sum(n) FROM t").await.unwrap();
        server.wait_until("postgres", &scanned(60)).await.unwrap();
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), single::<Io>()).await;
        let round = probe.round().await;
        let truth: f64 = server.query("postgres", &format!("SELECT read_time / 1000 {here}")).await.unwrap();
        let seconds = round.value("pg_io_read_seconds_total", &ring);
        assert_eq!(seconds, Some(truth), "{major}");
        assert!(truth > 0.0);
        // WAL is timed by a setting of its own.
        let timed = round.samples("pg_io_write_seconds_total");
        assert!(timed.iter().all(|(labels, _)| labels[1] != "wal"), "{timed:?}");

        server.exec("postgres", "SELECT pg_stat_reset_shared('io')").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.value("pg_io_reads_total", &ring), Some(0.0), "{major}: the series goes on");
    });
}
