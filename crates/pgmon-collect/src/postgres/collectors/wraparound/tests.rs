use super::{Row, Wraparound};
use crate::postgres::collector::{Collector as _, Cx, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Server, Tier};
use std::sync::Arc;
use std::time::Duration;

fn row(datname: &str, xid_age: i64, mxid_age: i64) -> Row {
    Row {
        datname: datname.into(),
        xid_age,
        mxid_age,
        freeze_max_age: 200_000_000,
        multixact_freeze_max_age: 400_000_000,
        failsafe_age: Some(1_600_000_000),
        multixact_failsafe_age: Some(1_600_000_000),
        next_xid: 5_000_000_000,
        multixacts: 1000,
        ..Row::default()
    }
}

fn round(collector: &mut Wraparound, rows: &mut [Row], cx: &Cx) -> Vec<Family> {
    let mut out = Families::new();
    collector.complete(rows, cx);
    assert_eq!(collector.samples(rows, cx, &mut out), []);
    out.into_vec()
}

fn at(seconds: u64) -> Cx {
    cx(18, Duration::from_secs(seconds))
}

#[test]
fn the_worst_database_counts_even_if_nobody_can_connect_to_it() {
    let mut collector = Wraparound::new(&Settings::default());
    let mut rows = [row("shop", 100, 7), row("template0", 1_500_000_000, 3)];
    let families = round(&mut collector, &mut rows, &at(0));
    assert_eq!(number(&families, "pg_wraparound_tx_age", &[]), Some(1.5e9));
    assert_eq!(number(&families, "pg_wraparound_multixact_age", &[]), Some(7.0));
    assert_eq!(number(&families, "pg_database_xid_age", &["template0"]), Some(1.5e9));
    assert_eq!(number(&families, "pg_wraparound_ratio", &["xid", "freeze_max_age"]), Some(7.5));
    assert_eq!(number(&families, "pg_wraparound_ratio", &["xid", "failsafe_age"]), Some(0.9375));
    let of_all = number(&families, "pg_wraparound_ratio", &["xid", "wraparound"]).unwrap();
    assert!((of_all - 0.698_491_931).abs() < 1e-9);
    // Nothing is known of the rate yet.
    assert_eq!(number(&families, "pg_xid_consumption_per_second", &[]), None);
    assert_eq!(number(&families, "pg_wraparound_projected_seconds", &[]), None);
}

#[test]
fn the_rate_projects_when_the_server_stops() {
    let mut collector = Wraparound::new(&Settings::default());
    round(&mut collector, &mut [row("shop", 100, 0)], &at(0));
    let mut rows = [row("shop", 2_144_483_648 - 36_000, 0), row("old", 2_144_483_648 - 7_200, 0)];
    for row in &mut rows {
        row.next_xid += 36_000;
        row.multixacts += 3600;
    }
    let families = round(&mut collector, &mut rows, &at(3600));
    assert_eq!(number(&families, "pg_xid_consumption_per_second", &[]), Some(10.0));
    assert_eq!(number(&families, "pg_multixact_consumption_per_second", &[]), Some(1.0));
    assert_eq!(number(&families, "pg_wraparound_projected_seconds", &[]), Some(720.0));
    assert_eq!(rows[0].seconds_until_protection, Some(3600.0));
}

#[test]
fn multixacts_wrap_and_the_rate_goes_on() {
    let mut collector = Wraparound::new(&Settings::default());
    let with = |multixacts| [Row { multixacts, ..row("shop", 1, 0) }];
    round(&mut collector, &mut with(2_147_483_600), &at(0));
    // 2^31 is shown as a negative number of 32 bits.
    let families = round(&mut collector, &mut with(-2_147_483_596), &at(10));
    assert_eq!(number(&families, "pg_multixact_consumption_per_second", &[]), Some(10.0));
    round(&mut collector, &mut with(-10), &at(20));
    let families = round(&mut collector, &mut with(10), &at(30));
    assert_eq!(number(&families, "pg_multixact_consumption_per_second", &[]), Some(2.0));
    let families = round(&mut collector, &mut with(5), &at(40));
    assert_eq!(number(&families, "pg_multixact_consumption_per_second", &[]), None, "it went back");
}

#[test]
fn a_restart_a_reset_and_another_server_give_no_rate() {
    let mut collector = Wraparound::new(&Settings::default());
    let rate = |collector: &mut Wraparound, next_xid: i64, cx: &Cx| {
        let families = round(collector, &mut [Row { next_xid, ..row("shop", 1, 0) }], cx);
        number(&families, "pg_xid_consumption_per_second", &[])
    };
    assert_eq!(rate(&mut collector, 1000, &at(0)), None);
    assert_eq!(rate(&mut collector, 900, &at(10)), None, "restored from a backup");
    assert_eq!(rate(&mut collector, 1000, &at(20)), Some(10.0));

    let mut restarted = at(30);
    Arc::make_mut(&mut restarted.facts).started_at += Duration::from_secs(25);
    assert_eq!(rate(&mut collector, 2_000_001_000, &restarted), None, "pg_resetwal between the two");

    let mut other = at(40);
    Arc::make_mut(&mut other.facts).system_identifier = Some("7000000000000000002".into());
    assert_eq!(rate(&mut collector, 3_000_000_000, &other), None, "another server");
    assert_eq!(rate(&mut collector, 3_000_000_000, &other), None, "no time has passed");
}

#[test]
fn a_version_without_failsafe_has_no_ratio_for_it() {
    let mut collector = Wraparound::new(&Settings::default());
    let mut rows = [Row { failsafe_age: None, multixact_failsafe_age: None, ..row("shop", 200_000_000, 0) }];
    let families = round(&mut collector, &mut rows, &at(0));
    assert_eq!(number(&families, "pg_wraparound_ratio", &["xid", "failsafe_age"]), None);
    assert_eq!(number(&families, "pg_wraparound_ratio", &["xid", "freeze_max_age"]), Some(1.0));
}

#[test]
fn no_database_no_figure() {
    let mut collector = Wraparound::new(&Settings::default());
    assert_eq!(round(&mut collector, &mut [], &at(0)), []);
}

/// Uses up more than this many transaction ids.
pub(crate) fn burn(xids: u32) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS public.burnt (n int); \
         DO $$ BEGIN FOR i IN 1..{xids} LOOP \
           BEGIN INSERT INTO public.burnt VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; \
         END LOOP; END $$"
    )
}

#[test]
fn ages_and_rate_are_the_servers_and_cost_no_xid() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.create_database("weird \"näme\n").await.unwrap();
        // One version with each text, and the newest.
        let replica = if [12, 13, 18].contains(&major.0) {
            Some(server.replica("standby").await.unwrap())
        } else {
            None
        };
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        server.exec("postgres", &burn(3000)).await.unwrap();

        let truth = "SELECT max(age(datfrozenxid))::float8 FROM pg_database";
        let next_xid = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
        let before: i64 = server.query("postgres", next_xid).await.unwrap();
        let registered = single::<Wraparound>();
        let mut probe = Probe::new(&server.dsn_as("pgmon", &monitor, "postgres"), registered).await;
        let round = probe.round().await;
        let worst: f64 = server.query("postgres", truth).await.unwrap();
        assert!(worst >= 3000.0);
        assert_eq!(round.value("pg_wraparound_tx_age", &[]), Some(worst), "{major}");
        assert_eq!(round.samples("pg_database_xid_age").len(), 4);
        let names: Vec<String> =
            round.samples("pg_database_xid_age").into_iter().map(|(l, _)| l.concat()).collect();
        assert!(names.iter().any(|n| n.starts_with("weird _näme_~")), "{names:?}");
        let failsafe = round.value("pg_wraparound_ratio", &["xid", "failsafe_age"]);
        assert_eq!(failsafe.is_some(), major.0 >= 14);
        assert_eq!(server.query::<i64>("postgres", next_xid).await.unwrap(), before, "an XID was used up");

        // The rate is what went by, over the time between the rounds.
        server.exec("postgres", &burn(2000)).await.unwrap();
        let first = &round.data[0]["next_xid"];
        let round = probe.round().await;
        let used = round.data[0]["next_xid"].as_i64().unwrap() - first.as_i64().unwrap();
        assert!((2000..2100).contains(&used), "{used}");
        let rate = round.value("pg_xid_consumption_per_second", &[]).unwrap();
        assert!(rate > used as f64 / 60.0 && rate < used as f64 * 1000.0, "{rate}");
        assert!(round.value("pg_wraparound_projected_seconds", &[]).unwrap() > 1000.0);

        // Everybody may know, and a standby knows as well.
        let worst: f64 = server.query("postgres", truth).await.unwrap();
        let mut others = vec![server.dsn_as("nobody", &nobody, "postgres")];
        if let Some(replica) = &replica {
            replica.wait_caught_up().await.unwrap();
            others.push(replica.dsn_as("pgmon", &monitor, "postgres"));
        }
        for dsn in others {
            let round = Probe::new(&dsn, registered).await.round().await;
            assert_eq!(round.value("pg_wraparound_tx_age", &[]), Some(worst), "{major}");
            assert_eq!(round.blind, []);
        }
    });
}

#[test]
fn multixacts_are_counted() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let setup = "CREATE TABLE m (id int); INSERT INTO m VALUES (1)";
        server.exec("postgres", setup).await.unwrap();
        let mut probe = Probe::new(&server.dsn("postgres"), single::<Wraparound>()).await;
        let before = probe.round().await;
        // Two sessions share the lock of a row: one multixact each time.
        let mut one = server.connect("postgres").await.unwrap();
        let mut two = server.connect("postgres").await.unwrap();
        for _ in 0..20 {
            for sql in ["BEGIN; SELECT FROM m FOR SHARE", "COMMIT"] {
                for session in [&mut one, &mut two] {
                    sqlx::raw_sql(sql).execute(session).await.unwrap();
                }
            }
        }
        let after = probe.round().await;
        let age = |round: &crate::postgres::testing::Round| round.value("pg_wraparound_multixact_age", &[]);
        assert_eq!(age(&after).unwrap() - age(&before).unwrap(), 20.0, "{major}");
        assert!(after.value("pg_multixact_consumption_per_second", &[]).unwrap() > 0.0);
    });
}
