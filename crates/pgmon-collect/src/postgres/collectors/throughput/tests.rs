use super::{Row, Throughput};
use crate::postgres::collector::{Collector as _, Cx, Settings, single};
use crate::postgres::decode::Time;
use crate::postgres::testing::{Probe, Round, cx, on_all_majors};
use pgmon_testkit::{Server, Tier};
use sqlx::Executor as _;
use std::sync::Arc;
use std::time::Duration;

fn row(xact_commit: i64, xact_rollback: i64, blks_read: i64, blks_hit: i64) -> Row {
    Row {
        xact_commit,
        xact_rollback,
        blks_read,
        blks_hit,
        stats_reset: None,
        transactions_per_second: None,
        rollback_ratio: None,
        cache_hit_ratio: None,
    }
}

fn at(seconds: u64) -> Cx {
    cx(17, Duration::from_secs(seconds))
}

type Figures = (Option<f64>, Option<f64>, Option<f64>);

fn figures(t: &mut Throughput, row: Row, cx: &Cx) -> Figures {
    let mut rows = [row];
    t.complete(&mut rows, cx);
    let [row] = rows;
    (row.transactions_per_second, row.rollback_ratio, row.cache_hit_ratio)
}

const UNKNOWN: Figures = (None, None, None);

#[test]
fn an_interval_gives_rates_and_the_first_round_none() {
    let mut t = Throughput::new(&Settings::default());
    assert_eq!(figures(&mut t, row(1000, 10, 5, 5), &at(0)), UNKNOWN);
    assert_eq!(figures(&mut t, row(1090, 20, 6, 8), &at(50)), (Some(2.0), Some(0.1), Some(0.75)));
    // Nothing happened: a rate of 0, but no ratio of nothing.
    assert_eq!(figures(&mut t, row(1090, 20, 6, 8), &at(60)), (Some(0.0), None, None));
}

#[test]
fn what_cannot_be_compared_gives_no_rate_and_never_a_negative_one() {
    let start = |t: &mut Throughput| figures(t, row(1000, 10, 5, 5), &at(0));
    let mut t = Throughput::new(&Settings::default());
    start(&mut t);
    assert_eq!(figures(&mut t, row(999, 10, 5, 5), &at(60)), UNKNOWN, "reset, or wrapped");
    assert_eq!(figures(&mut t, row(1059, 10, 5, 5), &at(120)).0, Some(1.0), "and then it goes on");

    let mut reset = row(5000, 50, 50, 50);
    reset.stats_reset = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    start(&mut t);
    assert_eq!(figures(&mut t, reset, &at(60)), UNKNOWN, "reset, and more than before already");

    let mut t = Throughput::new(&Settings::default());
    let mut first = row(120, 0, 50, 50);
    first.stats_reset = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(figures(&mut t, row(0, 0, 0, 0), &at(0)), UNKNOWN);
    assert_eq!(figures(&mut t, first, &at(60)).0, Some(2.0), "the server has begun to count");

    for change in [0, 1, 2] {
        let mut cx = at(60);
        let facts = Arc::make_mut(&mut cx.facts);
        match change {
            0 => facts.started_at = jiff::Timestamp::MAX,
            1 => facts.system_identifier = None,
            _ => facts.database_oid += 1,
        }
        start(&mut t);
        assert_eq!(figures(&mut t, row(5000, 50, 50, 50), &cx), UNKNOWN, "another server or database");
    }

    start(&mut t);
    assert_eq!(figures(&mut t, row(1000, 10, 5, 5), &at(0)), UNKNOWN, "no time has passed");
    t.complete(&mut [], &at(60));
    assert_eq!(figures(&mut t, row(2000, 10, 5, 5), &at(120)), UNKNOWN, "no row: the database was dropped");
}

#[test]
fn transactions_of_this_database_are_counted_and_no_others() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        for database in ["shop", "other"] {
            server.create_database(database).await.unwrap();
        }
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "shop"), single::<Throughput>()).await;
        let count = |database: &str| {
            format!("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{database}'")
        };
        // Before 15, a database has counters, and a time from which they count, once the first have arrived.
        let known = "SELECT stats_reset IS NOT NULL OR current_setting('server_version_num')::int >= 150000 \
                     FROM pg_stat_database WHERE datname = 'shop'";
        server.wait_until("postgres", known).await.unwrap();
        let before: i64 = server.query("postgres", &count("shop")).await.unwrap();
        // The interval is longer than the time between the rounds and shorter than that with them.
        #[allow(clippy::disallowed_methods, reason = "the test checks a rate on a real server")]
        let now = std::time::Instant::now;
        let with_rounds = now();
        let first = probe.round().await;
        assert_eq!(first.families, [], "{major}: nothing to compare with");
        let between = now();
        for database in ["shop", "other"] {
            let mut conn = server.connect(database).await.unwrap();
            for n in 0..300 {
                let fails = n % 10 == 0;
                let sql = if fails { "SELECT 1/0" } else { "SELECT 1" };
                assert_eq!(conn.execute(sql).await.is_err(), fails);
            }
            sqlx::Connection::close(conn).await.unwrap();
        }
        let arrived = format!("SELECT ({}) >= {before} + 300 AND ({}) >= 300", count("shop"), count("other"));
        server.wait_until("postgres", &arrived).await.unwrap();
        let between = between.elapsed().as_secs_f64();
        let round = probe.round().await;
        let with_rounds = with_rounds.elapsed().as_secs_f64();
        // Our own few transactions are in it, those of the other database are not.
        let tps = round.value("pg_tps", &[]).unwrap();
        assert!(tps * between <= 330.0 && tps * with_rounds >= 300.0, "{tps} in {between} s on {major}");
        let rolled_back = round.value("pg_rollback_ratio", &[]).unwrap();
        assert!((30.0 / 330.0..=30.0 / 300.0).contains(&rolled_back), "{rolled_back} on {major}");
        let hits = round.value("pg_cache_hit_ratio", &[]).unwrap();
        assert!((0.0..=1.0).contains(&hits), "{hits}");

        server.exec("shop", "SELECT pg_stat_reset()").await.unwrap();
        let reset = "SELECT xact_commit < 100 FROM pg_stat_database WHERE datname = 'shop'";
        server.wait_until("postgres", reset).await.unwrap();
        assert_eq!(probe.round().await.families, [], "{major}: reset");
        let tps = |round: &Round| round.value("pg_tps", &[]);
        assert!(tps(&probe.round().await).is_some_and(|tps| tps >= 0.0), "{major}: it goes on");
    });
}
