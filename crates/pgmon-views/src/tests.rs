//! Pages from snapshots that are made here.

mod absent;
mod horizon;
mod known;
mod meaning;
mod remedies;
mod verdicts;
mod whole;

use crate::pages::{activity, indexes, locks, overview};
use crate::source::{Now, Rules, Source};
use crate::{Answer, Level, State, fleet};
use jiff::Timestamp;
use pgmon_collect::postgres::collectors;
use pgmon_collect::postgres::plan::Plan;
use pgmon_config::{Alerts, Config};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, CollectorState, Data, Outcome, Output, ServerInfo, Snapshot, Up};
use pgmon_core::version::PgVersion;
use std::sync::Arc;
use std::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;
const CONNECTIONS: Desc = Desc::gauge("pg_connections", "Connections.", &[]);
const MAX: Desc = Desc::gauge("pg_max_connections", "What is allowed.", &[]);

fn at() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn rules() -> Rules {
    Rules { alerts: Alerts::default(), redacts_sql_text: true, hide_postgres_defaults: false }
}

fn snapshot() -> Snapshot {
    let server = ServerInfo {
        version: PgVersion::from_num(180_004),
        version_text: "18.4".into(),
        in_recovery: false,
        started_at: at(),
        system_identifier: Some("7".into()),
        database: "shop".into(),
        tls: true,
        block_size: 8192,
    };
    Snapshot {
        up: Up::Up,
        alive_mono: Some(S(100)),
        server: Some(Arc::new(server)),
        server_key: Some("k".into()),
        leads: true,
        ..Plan::new(&Config::default()).pending("c", "shop")
    }
}

fn state(collector: &'static str, outcome: Outcome, good: Option<(Data, Families)>) -> CollectorState {
    let spec = collectors::ALL.iter().find(|r| r.spec.name == collector).unwrap().spec;
    let good = good.map(|(data, families)| {
        Arc::new(Output {
            at: at(),
            at_mono: S(100),
            families: families.into_vec(),
            data: Some(data),
            executed: Vec::new(),
        })
    });
    CollectorState {
        collector: collector.into(),
        in_loop: spec.in_loop,
        server_wide: spec.scope == pgmon_collect::postgres::collector::Scope::Server,
        datname: None,
        at: at(),
        duration: S(0),
        outcome,
        errors: 0,
        blind: Vec::new(),
        stride: 1,
        good,
        custom: None,
    }
}

fn found(collector: &'static str, data: impl serde::Serialize + Send + Sync + 'static) -> CollectorState {
    state(collector, Outcome::Ok, Some((Arc::new(data), Families::new())))
}

fn connected(clients: f64) -> CollectorState {
    let mut families = Families::new();
    families.push(&CONNECTIONS, &[], clients);
    families.push(&MAX, &[], 100.0);
    let none = collectors::connections::Activity::default();
    state("connections", Outcome::Ok, Some((Arc::new(none), families)))
}

fn source<'a>(snapshot: &'a Snapshot, rules: &'a Rules, mono: u64) -> Source<'a> {
    let now = Now { mono: S(mono), wall: at() };
    Source { own: snapshot, leader: None, roamed: &[], datname: None, now, rules }
}

fn party(pid: i32, state: &str) -> collectors::locks::Party {
    collectors::locks::Party {
        pid: Some(pid),
        application_name: Some(format!("app-{pid}")),
        usename: Some("web".into()),
        state: Some(state.into()),
        query: Some("UPDATE orders SET n = ?".into()),
        ..Default::default()
    }
}

fn edge(depth: u32, blocked: i32, blocker: i32, wait: f64) -> collectors::locks::Edge {
    collectors::locks::Edge {
        root_pid: Some(10),
        root_gid: None,
        depth,
        blocked: party(blocked, "active"),
        blocker: Some(party(blocker, if blocker == 10 { "idle in transaction" } else { "active" })),
        wait_seconds: Some(wait),
        locktype: "transactionid".into(),
        mode: "ShareLock".into(),
        blocker_mode: Some("ExclusiveLock".into()),
        blocker_holds: Some(true),
        datname: None,
        relation_oid: Some(5),
        schema: Some("public".into()),
        relation: Some("orders\n--".into()),
    }
}

#[test]
fn a_tree_of_locks_and_what_is_said_of_it() {
    let edges = vec![edge(1, 11, 10, 130.0), edge(2, 12, 11, 20.0), edge(1, 13, 10, 5.0)];
    let locks = collectors::locks::Locks { blocked_sessions: 3, edges, ..Default::default() };
    let (snapshot, rules) = (Snapshot { collectors: vec![found("locks", locks)], ..snapshot() }, rules());
    let page = locks::page(&source(&snapshot, &rules, 101));
    let tree: Vec<_> = page.panels.tree.rows.as_ref().unwrap().iter().collect();
    let shape: Vec<_> = tree.iter().map(|n| (n.id.as_str(), n.depth, n.blocked_count, n.level)).collect();
    assert_eq!(
        shape,
        [
            ("10", 0, 3, Level::Crit),
            ("10/11", 1, 1, Level::Crit),
            ("10/11/12", 2, 0, Level::Ok),
            ("10/13", 1, 0, Level::Ok)
        ]
    );
    assert_eq!(tree[1].relation.as_deref(), Some("public.orders\\n--"), "on one line");
    insta::assert_json_snapshot!("locks", (&page.verdict, &page.problems));
}

#[test]
fn connections_that_run_out_and_a_database_that_does_not_say() {
    let rules = rules();
    let of = |state: CollectorState| {
        let snapshot = Snapshot { collectors: vec![state], ..snapshot() };
        let page = activity::page(&source(&snapshot, &rules, 101));
        (page.verdict.level, page.verdict.sentence)
    };
    assert_eq!(
        of(connected(12.0)),
        (Level::Ok, "12 of 100 connections are used, and no transaction is older than 5 min.".into())
    );
    let full = (Level::Warn, "Connections run out: 85 of 100 connections are used (85 %)".into());
    assert_eq!(of(connected(85.0)), full);
    assert_eq!(of(connected(96.0)).0, Level::Crit);
    let blind = Blind {
        collector: "connections".into(),
        needs: "pg_monitor".into(),
        effect: "sessions".into(),
        remedy: None,
    };
    let hidden = CollectorState {
        blind: vec![blind],
        ..found("connections", collectors::connections::Activity::default())
    };
    assert_eq!(of(hidden).0, Level::Unknown, "what is hidden is not good");
}

#[test]
fn the_state_says_how_far_figures_can_be_relied_on() {
    let rules = rules();
    let failed = || Outcome::Failed { sqlstate: None, message: "no".into() };
    let old = || Some((Arc::new(Vec::<u8>::new()) as Data, Families::new()));
    let down = || Up::Down { reason: "refused".into() };
    let cases = [
        (Up::Up, state("locks", Outcome::Ok, old()), 101, State::Ok),
        (Up::Up, state("locks", Outcome::Ok, old()), 200, State::Stale),
        (Up::Up, state("locks", failed(), old()), 101, State::Stale),
        (Up::Up, state("locks", failed(), None), 101, State::Error),
        (Up::Up, state("locks", Outcome::Blind, None), 101, State::Degraded),
        (Up::Up, state("locks", Outcome::Unsupported, None), 101, State::Unsupported),
        (
            Up::Up,
            state("locks", Outcome::Skipped { reason: "not run yet".into() }, None),
            101,
            State::Pending,
        ),
        (down(), state("locks", Outcome::Ok, old()), 101, State::Stale),
        (down(), state("locks", Outcome::Ok, None), 101, State::Error),
    ];
    for (up, state, mono, expected) in cases {
        let said = format!("{up:?} {:?} at {mono}", state.outcome);
        let snapshot = Snapshot { up, collectors: vec![state], ..snapshot() };
        let answer = Answer::of(&source(&snapshot, &rules, mono), &["locks"], ());
        assert_eq!(answer.state, expected, "{said}");
        assert_eq!(answer.reason.is_none(), expected == State::Ok, "{said}");
    }
    let none = Snapshot { up: Up::Pending, ..snapshot() };
    assert_eq!(Answer::of(&source(&none, &rules, 101), &["locks"], ()).state, State::Pending);
}

#[test]
fn when_a_database_is_down_its_server_is_still_known() {
    let rules = rules();
    let up = Up::Down { reason: "refused".into() };
    let snapshot = Snapshot { up, leads: false, retained: vec![connected(12.0)], ..snapshot() };
    let source = source(&snapshot, &rules, 130);
    let page = activity::page(&source);
    assert_eq!((page.verdict.level, page.panels.groups.state), (Level::Crit, State::Stale));
    assert_eq!(page.panels.groups.age_seconds, Some(30.0));
    assert_eq!(page.figures[0].value, None, "what is old is no figure");
    let target = fleet::target(&source);
    assert_eq!((target.level, target.crit, target.warn), (Level::Crit, 1, 0));
}

#[test]
fn no_index_that_something_rests_on_is_to_be_dropped() {
    let rules = rules();
    let unused = |name: &str, change: fn(&mut collectors::indexes::Row)| {
        let mut row = collectors::indexes::Row::default();
        (row.schema, row.name) = ("public".into(), name.into());
        (row.is_unused, row.bytes, row.stats_age_seconds) = (true, Some(1 << 30), Some(1e7));
        change(&mut row);
        row
    };
    let rows = vec![
        unused("plain\";DROP TABLE x", |_| {}),
        unused("unique", |r| r.is_unique = true),
        unused("identity", |r| r.is_replica_identity = true),
        unused("part", |r| r.is_partition = true),
        unused("fk", |r| r.covers_foreign_key = true),
        unused("referenced", |r| r.referenced_by_foreign_key = true),
    ];
    let snapshot = Snapshot { collectors: vec![found("indexes", rows)], ..snapshot() };
    let page = indexes::page(&source(&snapshot, &rules, 101));
    let rows = page.panels.findings.rows.unwrap();
    let drops: Vec<_> = rows.iter().filter_map(|r| r.remedy.as_ref().map(|m| m.sql.as_str())).collect();
    assert_eq!(drops, ["DROP INDEX CONCURRENTLY \"public\".\"plain\"\";DROP TABLE x\";"]);
}

#[test]
fn the_worst_counts_and_unknown_is_not_good() {
    let rules = rules();
    let mut all = vec![connected(12.0), found("locks", collectors::locks::Locks::default())];
    let judged = |collectors: &[CollectorState]| {
        let snapshot = Snapshot { collectors: collectors.to_vec(), ..snapshot() };
        overview::judge(&source(&snapshot, &rules, 101)).level()
    };
    assert_eq!(judged(&all), Level::Unknown, "nothing is known of wraparound");
    all.push(found("wraparound", Vec::<collectors::wraparound::Row>::new()));
    assert_eq!(judged(&all), Level::Ok);
    all[0] = connected(85.0);
    assert_eq!(judged(&all), Level::Warn);
    all.pop();
    assert_eq!(judged(&all), Level::Warn, "what is bad is bad, whatever else is unknown");
    let targets = [12.0, 96.0].map(|clients| {
        let snapshot = Snapshot { collectors: vec![connected(clients)], ..snapshot() };
        fleet::target(&source(&snapshot, &rules, 101))
    });
    let fleet = fleet::Fleet::new(targets.into(), "1", None);
    assert_eq!((fleet.verdict.level, fleet.counts.crit, fleet.counts.unknown), (Level::Crit, 1, 1));
    assert_eq!(fleet.targets[0].connections, Some(96.0), "the worst first");
}
