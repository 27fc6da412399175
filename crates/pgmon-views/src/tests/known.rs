//! What is known, and what is not: neither is to look like the other.

use super::*;
use crate::pages::{autovacuum, partitions, replication, storage, wal};
use collectors::tables::Row as Table;

fn table(change: impl Fn(&mut Table)) -> Table {
    let mut row = Table::default();
    (row.schema, row.name) = ("public".into(), "orders".into());
    change(&mut row);
    row
}

fn figure<P>(page: &crate::Page<P>, id: &str) -> Option<f64> {
    page.figures.iter().find(|f| f.id == id).unwrap().value
}

fn hidden(needs: &str, state: CollectorState) -> CollectorState {
    let collector = state.collector.clone();
    let blind = Blind { collector, needs: needs.into(), effect: "some".into(), remedy: None };
    CollectorState { blind: vec![blind], ..state }
}

#[test]
fn what_is_hidden_is_neither_good_nor_nothing() {
    let rules = rules();
    let with = |state: CollectorState| Snapshot { collectors: vec![state], ..snapshot() };
    // Rows of a standby: there, and without a count.
    for state in
        [found("tables", vec![table(|_| {})]), hidden("primary", found("tables", vec![table(|_| {})]))]
    {
        let of = with(state);
        let page = autovacuum::page(&source(&of, &rules, 101));
        assert_eq!(page.verdict.level, Level::Unknown, "{}", page.verdict.sentence);
        assert_eq!((figure(&page, "due"), figure(&page, "dead_rows")), (None, None));
    }
    let of = with(found("tables", Vec::<Table>::new()));
    let page = autovacuum::page(&source(&of, &rules, 101));
    assert_eq!((page.verdict.level, figure(&page, "due")), (Level::Ok, Some(0.0)), "no table, none due");
    let none = Vec::<collectors::sequences::Row>::new();
    let relations = || found("relations", Vec::<collectors::relations::Row>::new());
    let level = |sequences: CollectorState| {
        let of = Snapshot { collectors: vec![relations(), sequences], ..snapshot() };
        storage::page(&source(&of, &rules, 101)).verdict.level
    };
    assert_eq!(level(found("sequences", none.clone())), Level::Ok);
    assert_eq!(level(hidden("pg_read_all_data", found("sequences", none))), Level::Unknown);
}

#[test]
fn rows_that_stay_after_a_vacuum_are_somebodys() {
    let rules = rules();
    let holder = |seconds: f64| collectors::xmin_horizon::Row {
        holder: "backend".into(),
        name: Some("app-root".into()),
        pid: Some(4711),
        database: Some("shop".into()),
        state: Some("idle in transaction".into()),
        xid_age: 20_000,
        seconds: Some(seconds),
    };
    let problem = |vacuumed: f64, holder: collectors::xmin_horizon::Row| {
        let row = table(|r| {
            (r.dead_tuples, r.vacuum_pressure) = (Some(15_313), Some(255.2));
            (r.counts_known, r.autovacuumed_seconds_ago) = (true, Some(vacuumed));
        });
        let collectors = vec![found("tables", vec![row]), found("xmin_horizon", vec![holder])];
        let of = Snapshot { collectors, ..snapshot() };
        autovacuum::page(&source(&of, &rules, 101)).problems.remove(0)
    };
    let held = problem(3.0, holder(600.0));
    assert_eq!(held.title, "Dead rows cannot be removed");
    assert!(held.evidence.starts_with("pid 4711 (app-root) keeps rows"), "{}", held.evidence);
    assert_eq!(held.remedy.unwrap().sql, "SELECT pg_catalog.pg_terminate_backend(4711);");
    for (vacuumed, began) in [(3.0, 1.0), (3600.0, 7200.0)] {
        let behind = problem(vacuumed, holder(began));
        assert_eq!(behind.title, "Vacuum does not keep up", "vacuumed {vacuumed} ago, held for {began}");
        assert!(behind.remedy.unwrap().sql.starts_with("VACUUM"));
    }
}

#[test]
fn time_goes_on_after_a_horizon_was_read() {
    let rules = rules();
    let of = |horizon: f64, default: Option<&str>, mono: u64| {
        let mut row = super::remedies::events(horizon);
        row.default_partition = default.map(Into::into);
        let of = Snapshot { collectors: vec![found("partitions", vec![row])], ..snapshot() };
        // Alive all the time; the figures are of second 100.
        let of = Snapshot { alive_mono: Some(S(mono)), ..of };
        let page = partitions::page(&source(&of, &rules, mono));
        let runway = page.figures.iter().find(|f| f.id == "runway").unwrap().clone();
        let problem = &page.problems[0];
        (problem.level, problem.evidence.clone(), runway.value, runway.note)
    };
    let said = |text: &str| format!("public.events: {text}");
    assert_eq!(of(47.0, None, 120), (Level::Crit, said("in 27 s inserts fail"), Some(27.0), None));
    let (level, evidence, value, note) = of(47.0, None, 160);
    assert_eq!((level, value), (Level::Crit, None));
    assert_eq!(evidence, said("the last partition ended 13 s ago: inserts fail"));
    assert_eq!(note.as_deref(), Some("public.events ran out 13 s ago"));
    assert_eq!(of(47.0, Some("rest"), 160).0, Level::Warn);
    assert_eq!(of(3.0 * 86_400.0, None, 120).0, Level::Warn);
}

#[test]
fn a_slot_that_is_shown_is_judged() {
    let rules = rules();
    let slot = collectors::slots::Row {
        slot_name: "old".into(),
        slot_type: "physical".into(),
        plugin: None,
        database: None,
        temporary: false,
        active: false,
        retained_bytes: Some(1 << 20),
        unconfirmed_bytes: None,
        wal_status: Some("reserved".into()),
        safe_wal_bytes: None,
        inactive_seconds: None,
        invalid: Some(false),
        invalidation_reason: None,
        failover: None,
        synced: None,
        spilled_transactions: None,
        spills: None,
        spilled_bytes: None,
        streamed_transactions: None,
        streams: None,
        streamed_bytes: None,
        decoded_transactions: None,
        decoded_bytes: None,
        stats_reset: None,
    };
    let of = Snapshot { collectors: vec![found("slots", vec![slot])], ..snapshot() };
    let ids = |problems: &[crate::Problem]| problems.iter().map(|p| p.id.clone()).collect::<Vec<_>>();
    let of = source(&of, &rules, 101);
    assert_eq!(ids(&wal::page(&of).problems), ["slot:old"]);
    assert_eq!(ids(&replication::page(&of, &[]).problems), ["slot:old"]);
}

#[test]
fn a_query_that_fails_in_two_databases_is_two_problems() {
    let rules = rules();
    let failed = |datname: &str| CollectorState {
        collector: "query:shop_orders".into(),
        datname: Some(datname.into()),
        ..state("locks", Outcome::Failed { sqlstate: None, message: "no".into() }, None)
    };
    let roamed = [failed("other"), failed("postgres")];
    let of = snapshot();
    let source = Source { roamed: &roamed, ..source(&of, &rules, 101) };
    let process = crate::agent::Process {
        version: "1",
        configuration_read_at: None,
        configuration_failure: None,
        history: Default::default(),
        history_trouble: None,
        left_out: &[],
    };
    let problems = crate::agent::page(&source, &process).problems;
    let of = |p: &crate::Problem| (p.id.clone(), p.title.clone());
    let all: Vec<_> = problems.iter().filter(|p| p.id.starts_with("failing:")).map(of).collect();
    assert_ne!(all[0].0, all[1].0);
    assert!(all[0].1.ends_with("shop_orders fails in database other"), "{}", all[0].1);
    assert!(!all[1].1.contains("query:") && all[1].1.ends_with("in database postgres"), "{}", all[1].1);
}

#[test]
fn what_does_not_answer_comes_first() {
    let rules = rules();
    let of = |up: Up, clients: f64, db: &str| {
        let of = Snapshot { up, db: db.into(), collectors: vec![connected(clients)], ..snapshot() };
        fleet::target(&source(&of, &rules, 101))
    };
    let full = of(Up::Up, 96.0, "a");
    let down = of(Up::Down { reason: "refused".into() }, 12.0, "z");
    let fleet = fleet::Fleet::new(vec![fleet::Target { crit: 3, ..full }, down], "1", None);
    assert_eq!(&*fleet.targets[0].db, "z");
}

#[test]
fn a_standby_that_is_watched_and_streams_is_there_once() {
    let rules = rules();
    let sender = |pid: i32| collectors::replication::Row {
        pid,
        application_name: None,
        client_addr: None,
        state: Some("streaming".into()),
        sync_state: None,
        sync_priority: None,
        slot_name: None,
        logical: false,
        position_bytes: None,
        sent_bytes: None,
        write_bytes: None,
        flush_bytes: None,
        replay_bytes: None,
        write_lag_seconds: None,
        flush_lag_seconds: None,
        replay_lag_seconds: None,
        reply_age_seconds: None,
        connected_seconds: None,
        replica: format!("rep{pid}"),
        lag_bytes: Some(64),
        lag_seconds: Some(0.5),
        gone_seconds: None,
    };
    let standby = |db: &str| {
        let of = super::remedies::standby();
        Snapshot { db: db.into(), server_key: Some(db.into()), ..of }
    };
    let names = |senders: Vec<collectors::replication::Row>, peers: &[&Snapshot]| {
        let of = Snapshot { collectors: vec![found("replication", senders)], ..snapshot() };
        let nodes = replication::page(&source(&of, &rules, 101), peers).panels.topology.rows.unwrap();
        nodes.into_iter().skip(1).map(|n| (n.name, n.lag_seconds)).collect::<Vec<_>>()
    };
    let (one, two) = (standby("one"), standby("two"));
    assert_eq!(names(vec![sender(1)], &[&one]), [("c/one".into(), Some(0.5))]);
    let apart = [("rep1".into(), Some(0.5)), ("c/one".into(), None), ("c/two".into(), None)];
    assert_eq!(names(vec![sender(1)], &[&one, &two]), apart, "it could be either");
    let all = names(vec![sender(1), sender(2)], &[&one]);
    assert_eq!(all.len(), 3, "it could be either");
}
