//! Who holds back the horizon: the cause is named, not its victims, and nothing is offered that harms them.

use super::*;
use crate::pages::{autovacuum, wraparound};
use collectors::connections::{Activity, Session};
use collectors::tables::Row as Table;
use collectors::xmin_horizon::Row as Holder;

fn table(name: &str) -> Table {
    Table {
        schema: "public".into(),
        name: name.into(),
        dead_tuples: Some(60_000),
        vacuum_pressure: Some(5.0),
        counts_known: true,
        vacuumed_seconds_ago: Some(7.0),
        ..Default::default()
    }
}

fn backend(pid: i32, state: &str) -> Holder {
    Holder {
        holder: "backend".into(),
        name: Some(format!("app-{pid}")),
        pid: Some(pid),
        database: Some("shop".into()),
        state: Some(state.into()),
        xid_age: 42_020,
        seconds: Some(600.0),
    }
}

fn slot(state: &str, xid_age: i64) -> Holder {
    let (holder, name) = ("slot".to_owned(), Some("rep1".to_owned()));
    Holder { holder, name, state: Some(state.into()), xid_age, ..Default::default() }
}

/// A server with these holders, of whose sessions some wait for a lock.
fn server(holders: Vec<Holder>, blocked: &[i32]) -> Snapshot {
    let waits = |pid: &i32| Session { pid: *pid, blocked: true, ..Default::default() };
    let activity = Activity { sessions: blocked.iter().map(waits).collect(), ..Default::default() };
    let tables = ["a", "b", "c", "d", "e"].map(table).to_vec();
    let collectors =
        vec![found("tables", tables), found("xmin_horizon", holders), found("connections", activity)];
    Snapshot { collectors, ..snapshot() }
}

fn said(holders: Vec<Holder>, blocked: &[i32]) -> (String, Option<String>) {
    let (of, rules) = (server(holders, blocked), rules());
    let mut problems = autovacuum::page(&source(&of, &rules, 101)).problems;
    assert_eq!(problems.len(), 1, "one cause is one problem: {problems:#?}");
    let problem = problems.remove(0);
    (problem.evidence, problem.remedy.map(|remedy| remedy.sql))
}

#[test]
fn of_those_that_hold_back_the_same_the_cause_is_named() {
    let all = || vec![backend(10, "idle in transaction"), backend(11, "active"), backend(12, "active")];
    let with = |more: Holder| [all(), vec![more]].concat();
    for holders in [all(), with(slot("active", 42_020)), {
        let mut turned = with(slot("active", 42_020));
        turned.reverse();
        turned
    }] {
        let (evidence, sql) = said(holders.clone(), &[11, 12]);
        assert_eq!(
            evidence,
            "pid 10 (app-10) keeps rows of the last 42020 transactions from being removed: public.a has 60000 dead rows, vacuumed 8 s ago; public.b has 60000 dead rows, vacuumed 8 s ago; public.c has 60000 dead rows, vacuumed 8 s ago; and 2 other tables"
        );
        assert_eq!(sql.unwrap(), "SELECT pg_catalog.pg_terminate_backend(10);");
        let (of, rules) = (server(holders, &[11, 12]), rules());
        let rows = wraparound::page(&source(&of, &rules, 101)).panels.xmin_holders.rows.unwrap();
        assert_eq!(rows[0].pid, Some(10), "the panel agrees");
    }
}

#[test]
fn who_waits_for_a_lock_is_not_to_be_ended() {
    let (evidence, sql) = said(vec![backend(11, "active"), slot("active", 42_020)], &[11]);
    assert!(
        evidence.starts_with("pid 11 (app-11), which itself waits for a lock (under Locks"),
        "{evidence}"
    );
    assert_eq!(sql, None);
    let (evidence, sql) = said(vec![backend(11, "active")], &[]);
    assert!(evidence.starts_with("pid 11 (app-11) keeps rows"), "{evidence}");
    assert!(sql.unwrap().starts_with("SELECT pg_catalog.pg_cancel_backend(11);"));
}

#[test]
fn a_slot_that_somebody_uses_is_not_to_be_dropped() {
    let (evidence, sql) = said(vec![slot("active", 20_000_000)], &[]);
    assert!(evidence.starts_with("a query of the standby that uses the slot rep1"), "{evidence}");
    assert_eq!(sql, None);
    // A standby that restarts uses it again in a minute.
    let (evidence, sql) = said(vec![slot("inactive", 42_020)], &[]);
    assert!(evidence.starts_with("the slot rep1, which nobody uses,"), "{evidence}");
    assert_eq!(sql, None);
    let (_, sql) = said(vec![slot("inactive", 20_000_000)], &[]);
    assert_eq!(sql.unwrap(), "SELECT pg_catalog.pg_drop_replication_slot('rep1');");
}

#[test]
fn what_is_hidden_is_no_age_of_0() {
    let rules = rules();
    let age = |state: CollectorState| {
        let of = Snapshot { collectors: vec![state], ..snapshot() };
        let figures = autovacuum::page(&source(&of, &rules, 101)).figures;
        let figure = figures.into_iter().find(|f| f.id == "xmin_age").unwrap();
        (figure.value, figure.level)
    };
    let hidden = |rows: Vec<Holder>| {
        let blind = Blind {
            collector: "xmin_horizon".into(),
            needs: "pg_monitor".into(),
            effect: "sessions".into(),
            remedy: None,
        };
        CollectorState { blind: vec![blind], ..found("xmin_horizon", rows) }
    };
    assert_eq!(age(found("xmin_horizon", vec![slot("active", 5), backend(1, "idle")])).0, Some(42_020.0));
    assert_eq!(age(found("xmin_horizon", Vec::<Holder>::new())), (Some(0.0), Level::Ok));
    assert_eq!(age(hidden(Vec::new())), (None, Level::Unknown));
    assert_eq!(age(hidden(vec![slot("active", 5)])).0, Some(5.0));
}
