mod queries;
mod several;

use super::*;
use crate::health::{self, Status};
use jiff::Timestamp;
use pgmon_core::snapshot::{
    Blind, CollectorState, Loop, LoopState, Outcome, Output, ServerInfo, Snapshot, Up,
};
use pgmon_core::text::Format;
use pgmon_core::version::PgVersion;
use std::sync::Arc;

const S: fn(u64) -> Duration = Duration::from_secs;
const CONNECTIONS: Desc = Desc::gauge("pg_connections", "Client connections.", &[]);
const DEAD: Desc = Desc::gauge("pg_table_dead_tuples", "Dead rows.", &["relation"]);

fn at() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A database that answers.
pub(crate) fn snapshot(db: &str) -> Snapshot {
    Snapshot {
        cluster: "c".into(),
        db: db.into(),
        up: Up::Up,
        up_since_mono: S(0),
        alive_mono: Some(S(100)),
        server: Some(Arc::new(ServerInfo {
            version: PgVersion::from_num(180_004),
            version_text: "18.4".into(),
            in_recovery: false,
            started_at: at(),
            system_identifier: None,
            database: db.into(),
            tls: true,
            block_size: 8192,
        })),
        server_key: Some("k".into()),
        leads: true,
        loops: Loop::ALL.map(|l| {
            let mut state = LoopState::new(l, S([15, 60, 600, 3600][l.index()]), S(1));
            state.last = Some((at(), Duration::from_millis(20)));
            state.ended_mono = Some(S(100));
            state.success = true;
            state
        }),
        collectors: Vec::new(),
        warnings: Vec::new(),
        connects: 1,
        connect_errors: 0,
        retained: Vec::new(),
        quarantined_until: None,
        dropped: 0,
    }
}

/// A collector with these figures.
pub(crate) fn collected(
    collector: &'static str,
    in_loop: Loop,
    server_wide: bool,
    families: Families,
) -> CollectorState {
    CollectorState {
        collector: collector.into(),
        in_loop,
        server_wide,
        datname: None,
        at: at(),
        duration: Duration::from_millis(2),
        outcome: Outcome::Ok,
        errors: 0,
        blind: Vec::new(),
        stride: 1,
        good: Some(Arc::new(Output {
            at: at(),
            at_mono: S(100),
            families: families.into_vec(),
            data: None,
            executed: Vec::new(),
        })),
        custom: None,
    }
}

fn leader() -> Snapshot {
    let mut s = snapshot("a");
    let mut connections = Families::new();
    connections.push(&CONNECTIONS, &[], 7.0);
    let mut dead = Families::new();
    dead.push(&DEAD, &["public.t"], 3.0);
    s.collectors = vec![
        collected("connections", Loop::HotPath, true, connections),
        collected("tables", Loop::Storage, false, dead),
    ];
    s
}

fn page(fleet: &Fleet, now: Duration) -> String {
    page_of(fleet, now, false)
}

fn page_of(fleet: &Fleet, now: Duration, hide_postgres_defaults: bool) -> String {
    let look = Look { hide_postgres_defaults, ..Look::default() };
    let page = render(fleet, &[], now, "1.2.3", &look, Writer::new(Format::Text, 1024), &|_| {}).text;
    // What the machine says of this very process differs from run to run.
    page.lines().filter(|l| !l.contains("process_")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_page_of_one_database() {
    insta::assert_snapshot!(page(&Fleet::new(vec![leader()]), S(101)));
}

#[test]
fn what_belongs_to_the_server_appears_under_each_of_its_entries() {
    let mut follower = snapshot("b");
    follower.leads = false;
    let text = page(&Fleet::new(vec![leader(), follower]), S(101));
    assert!(
        text.contains("pg_connections{cluster=\"c\",db=\"a\"} 7\npg_connections{cluster=\"c\",db=\"b\"} 7\n"),
        "{text}"
    );
    assert_eq!(text.matches("\npg_table_dead_tuples{").count(), 1, "{text}");
}

#[test]
fn values_leave_after_three_hot_path_intervals_without_an_answer() {
    let fleet = Fleet::new(vec![leader()]);
    assert!(page(&fleet, S(145)).contains("\npg_connections{"));
    let late = page(&fleet, S(146));
    assert!(!late.contains("\npg_connections{") && !late.contains("\npg_table_dead_tuples{"), "{late}");
    assert!(late.contains("\npg_up{"));
}

#[test]
fn a_collector_that_keeps_failing_loses_its_values_alone() {
    let mut s = leader();
    s.alive_mono = Some(S(400));
    let text = page(&Fleet::new(vec![s]), S(401));
    // Three intervals of its own loop: hot_path values are gone, storage values are not.
    assert!(!text.contains("\npg_connections{") && text.contains("\npg_table_dead_tuples{"), "{text}");
}

#[test]
fn nothing_of_a_refused_database_is_shown() {
    let mut s = leader();
    s.up = Up::Refused { rights: vec!["is a superuser".into()], remedy: "CREATE ROLE".into() };
    let fleet = Fleet::new(vec![s]);
    let text = page(&fleet, S(101));
    assert!(
        text.contains("pg_up{cluster=\"c\",db=\"a\"} 0")
            && text.contains("pgmon_refused{cluster=\"c\",db=\"a\"} 1")
    );
    assert!(!text.contains("pg_info") && !text.contains("pg_connections"), "{text}");
    let health = health::judge(&fleet, S(101), "1.2.3");
    assert!(health.status == Status::Failing && health.reasons[0].contains("superuser"), "{health:?}");
}

#[test]
fn a_scrape_is_a_success_if_the_last_round_of_every_loop_that_ran_was() {
    let success = |s: Snapshot| {
        let text = page(&Fleet::new(vec![s]), S(101));
        let line = text.lines().find(|l| l.starts_with("pg_scrape_success{")).map(str::to_owned);
        line.map(|l| l.ends_with(" 1"))
    };
    assert_eq!(success(leader()), Some(true));
    let mut failed = leader();
    failed.loops[1].success = false;
    assert_eq!(success(failed.clone()), Some(false));
    failed.loops[1].ended_mono = None;
    assert_eq!(success(failed), Some(true), "that loop has not run yet");
    assert_eq!(success(Snapshot { up: Up::Pending, ..leader() }), None);
    assert_eq!(success(Snapshot { up: Up::Down { reason: "gone".into() }, ..leader() }), Some(false));
}

#[test]
fn the_age_of_each_loops_figures_is_told_also_when_they_are_no_longer_shown() {
    let text = page(&Fleet::new(vec![leader()]), S(400));
    assert!(
        text.contains("pgmon_snapshot_age_seconds{cluster=\"c\",db=\"a\",loop=\"hot_path\"} 300\n"),
        "{text}"
    );
    assert!(!text.contains("\npg_connections{") && !text.contains("loop=\"workload\"} 300"), "{text}");
}

#[test]
fn health_is_failing_only_for_late_loops_of_reachable_databases_or_if_all_are_down() {
    let judge = |snapshots: Vec<Snapshot>, now| health::judge(&Fleet::new(snapshots), now, "1.2.3").status;
    let down = || {
        let mut s = snapshot("down");
        s.up = Up::Down { reason: "connection refused".into() };
        s
    };
    assert_eq!(judge(vec![leader()], S(101)), Status::Ok);
    assert_eq!(judge(vec![leader(), down()], S(101)), Status::Degraded);
    assert_eq!(judge(vec![down()], S(101)), Status::Failing);
    // Each loop by its own interval: after three minutes only the hot path is late.
    assert_eq!(judge(vec![leader()], S(131)), Status::Ok);
    assert_eq!(judge(vec![leader()], S(132)), Status::Failing);
    assert_eq!(judge(vec![leader(), down()], S(132)), Status::Failing);
    for (needs, status) in [("pg_monitor", Status::Degraded), ("primary", Status::Ok)] {
        let mut blind = leader();
        let (needs, effect) = (needs.into(), "what it cannot see".into());
        blind.collectors[0].blind.push(Blind {
            collector: "connections".into(),
            needs,
            effect,
            remedy: None,
        });
        assert_eq!(judge(vec![blind], S(101)), status);
    }
}

fn lacks(needs: &str, effect: &str) -> Blind {
    Blind { collector: "connections".into(), needs: needs.into(), effect: effect.into(), remedy: None }
}

fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|l| l.starts_with(start)).collect()
}

#[test]
fn a_family_that_must_go_is_left_out_of_results_from_before_and_named_in_health() {
    let mut follower = snapshot("b");
    follower.leads = false;
    let fleet = Fleet::new(vec![leader(), follower]);
    let admit = |series: usize| {
        let mut of = Families::new();
        (0..series).for_each(|n| of.push(&DEAD, &[&format!("s.t{n}")], 1.0));
        let mut connections = Families::new();
        connections.push(&CONNECTIONS, &[], 1.0);
        let cardinality = fleet.cells()[0].cardinality().clone();
        cardinality.set_limits(10, 100);
        cardinality.admit(&"connections".into(), None, &mut connections.into_vec());
        cardinality.admit(&"tables".into(), None, &mut of.into_vec())
    };
    assert_eq!(admit(10), 0);
    assert!(page(&fleet, S(101)).contains("\npg_table_dead_tuples{"));
    assert_eq!(admit(11), 11);
    let text = page(&fleet, S(101));
    assert!(!text.contains("\npg_table_dead_tuples{"), "{text}");
    assert_eq!(text.matches("\npg_connections{").count(), 2, "{text}");
    let health = health::judge(&fleet, S(101), "1.2.3");
    assert_eq!(health.status, Status::Degraded);
    assert_eq!(
        health.reasons,
        ["c/a: pg_table_dead_tuples is left out: it has 11 series, and limits.series_per_family is 10; \
          its label relation has 11 values"]
    );
}
