//! What should be there and is not: vacuums, standbys, grants.

use super::*;
use crate::pages::{autovacuum, replication};

const WORKERS: Desc = Desc::gauge("pg_autovacuum_workers", "", &[]);
const MAX_WORKERS: Desc = Desc::gauge("pg_autovacuum_max_workers", "", &[]);

fn waiting(seconds: Option<f64>, due: f64) -> collectors::tables::Row {
    collectors::tables::Row {
        oid: 77,
        schema: "public".into(),
        name: "orders".into(),
        counts_known: true,
        dead_tuples: Some(60),
        autovacuum_enabled: Some(true),
        vacuum_pressure: Some(1.2),
        autovacuumed_seconds_ago: seconds,
        vacuum_due_seconds: Some(due),
        ..Default::default()
    }
}

#[test]
fn a_table_that_autovacuum_does_not_come_to() {
    let rules = rules();
    let page = |row: collectors::tables::Row, running: Option<i64>| {
        let running = running.map(|oid| collectors::progress::Row {
            command: "vacuum".into(),
            relation_oid: Some(oid),
            datname: Some("shop".into()),
            ..Default::default()
        });
        let running: Vec<_> = running.into_iter().collect();
        let of = Snapshot {
            collectors: vec![found("tables", vec![row]), found("progress", running)],
            ..snapshot()
        };
        let page = autovacuum::page(&source(&of, &rules, 101));
        let figure = page.figures.iter().find(|f| f.id == "starved").unwrap().clone();
        let evidence = page.problems.first().map(|p| p.evidence.clone());
        let row = page.panels.tables.rows.unwrap().remove(0);
        assert_eq!((row.level, figure.level), (page.verdict.level, page.verdict.level));
        assert_eq!(row.remedy.is_some(), page.problems.first().is_some_and(|p| p.remedy.is_some()));
        (page.verdict.level, figure.value, evidence)
    };
    let hours = |n: f64| n * 3600.0;
    let (level, value, evidence) = page(waiting(Some(hours(7.0)), 1000.0), None);
    assert_eq!((level, value), (Level::Warn, Some(hours(7.0) + 1.0)));
    assert_eq!(
        evidence.unwrap(),
        "public.orders: not vacuumed for 7 h, at 1.2 times what brings a vacuum; the server's log may say why autovacuum does not come"
    );
    assert_eq!(page(waiting(Some(hours(5.9)), 1000.0), None).0, Level::Ok);
    assert_eq!(page(waiting(Some(hours(12.0)), 1000.0), None).0, Level::Crit);
    assert_eq!(page(waiting(Some(hours(200.0)), 60.0), None).0, Level::Ok, "it has become due just now");
    assert_eq!(page(waiting(Some(hours(7.0)), 1000.0), Some(77)).0, Level::Ok, "it is vacuumed now");
    assert_eq!(page(waiting(Some(hours(7.0)), 1000.0), Some(78)).0, Level::Warn);
    // Of one that was never vacuumed it is known for how long pgmon has seen it wait.
    assert_eq!(page(waiting(None, hours(1.0)), None).0, Level::Ok);
    assert_eq!(page(waiting(None, hours(6.0)), None).0, Level::Warn);
    // The reason, where it can be told; of several tables it is one problem.
    let reason = |busy: f64| {
        let mut workers = Families::new();
        workers.push(&WORKERS, &[], busy);
        workers.push(&MAX_WORKERS, &[], 3.0);
        let none = collectors::connections::Activity::default();
        let workers = state("connections", Outcome::Ok, Some((Arc::new(none), workers)));
        let other = collectors::tables::Row { name: "lines".into(), ..waiting(Some(hours(8.0)), 1000.0) };
        let rows = vec![waiting(Some(hours(7.0)), 1000.0), other];
        let of = Snapshot { collectors: vec![found("tables", rows), workers], ..snapshot() };
        let mut problems = autovacuum::page(&source(&of, &rules, 101)).problems;
        assert_eq!(problems.len(), 1);
        problems.remove(0).evidence
    };
    let busy = reason(3.0);
    assert!(busy.starts_with("public.lines: "), "the worst: {busy}");
    assert!(busy.ends_with("; all 3 workers of autovacuum are busy; 1 other table waits as well"), "{busy}");
    assert!(reason(2.0).contains("; a worker of autovacuum is free"));
    let off =
        collectors::tables::Row { autovacuum_enabled: Some(false), ..waiting(Some(hours(13.0)), 1000.0) };
    assert_eq!(page(off, None).0, Level::Ok, "it is not to come");
}

#[test]
fn a_standby_that_streamed_and_is_gone() {
    let rules = rules();
    let row = collectors::replication::Row {
        pid: 7,
        state: Some("streaming".into()),
        replica: "rep1".into(),
        client_addr: Some("10.0.0.7".into()),
        slot_name: Some("rep1".into()),
        gone_seconds: Some(299.0),
        ..Default::default()
    };
    let page = |slot: &str| {
        let slot = collectors::slots::Row { slot_name: slot.into(), active: true, ..Default::default() };
        let all = vec![found("replication", vec![row.clone()]), found("slots", vec![slot])];
        let of = Snapshot { collectors: all, ..snapshot() };
        let page = replication::page(&source(&of, &rules, 101), &[]);
        assert_eq!(page.panels.replicas.rows.unwrap().len(), 0);
        assert_eq!(page.panels.topology.rows.unwrap().len(), 1, "the server itself");
        let problems = page.problems.into_iter().map(|p| (p.level, p.evidence)).collect::<Vec<_>>();
        (problems, page.verdict.sentence)
    };
    let evidence = "rep1 (10.0.0.7) streamed from this server until 02:59 UTC and has not come back; it has no slot, so that the WAL that it needs may be removed";
    assert_eq!(page("other").0, [(Level::Warn, evidence.to_owned())]);
    assert_eq!(page("rep1"), (Vec::new(), "Nobody streams from this server.".to_owned()), "its slot says so");
}

#[test]
fn of_grants_that_contain_each_other_one_is_listed() {
    let rules = rules();
    let blind = |collector: &'static str, needs: &str| {
        let blind = Blind {
            collector: collector.into(),
            needs: needs.into(),
            effect: format!("what {needs} shows"),
            remedy: Some(format!("GRANT {needs} TO pgmon;")),
        };
        CollectorState { blind: vec![blind], ..found(collector, Vec::<u8>::new()) }
    };
    let grants = |all: Vec<CollectorState>| {
        let of = Snapshot { collectors: all, ..snapshot() };
        let grants = crate::agent::grants::grants(&source(&of, &rules, 101)).into_iter();
        grants.map(|g| (g.needs, g.met, g.effects.len(), g.collectors)).collect::<Vec<_>>()
    };
    let (stats, settings) = ("database_size", "settings");
    let all = grants(vec![
        blind("replication", "pg_monitor"),
        blind(stats, "pg_read_all_stats"),
        blind(settings, "pg_read_all_settings"),
    ]);
    let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let collectors = names(&["replication", settings, stats]);
    assert_eq!(all, [("pg_monitor".to_owned(), Some(false), 3, collectors)]);
    // Where the whole is there, or not asked for, the part is what is missing.
    let all = grants(vec![found("replication", Vec::<u8>::new()), blind(settings, "pg_read_all_settings")]);
    let listed: Vec<_> = all.iter().map(|g| (&*g.0, g.1)).collect();
    assert_eq!(listed, [("pg_read_all_settings", Some(false)), ("pg_monitor", Some(true))]);
    let all = grants(vec![blind(settings, "pg_read_all_settings")]);
    assert_eq!(all.len(), 1);
}
