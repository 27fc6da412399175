//! Verdicts that are right in a moment's sight, and neither shout nor keep silent.

use super::*;
use crate::pages::{autovacuum, partitions, replication, settings, statements, wal};

fn checkpoints(minutes: f64, timed: i64, requested: i64) -> (Level, String) {
    let row = collectors::checkpoints::Row {
        // What came in all the years before says nothing of now.
        timed: 7,
        requested: 90_000,
        recent_seconds: Some(minutes * 60.0),
        recent_timed: Some(timed),
        recent_requested: Some(requested),
        ..Default::default()
    };
    let all = vec![
        found("checkpoints", vec![row]),
        found("wal", Vec::<collectors::wal::Row>::new()),
        found("slots", Vec::<collectors::slots::Row>::new()),
    ];
    let (of, rules) = (Snapshot { collectors: all, ..snapshot() }, rules());
    let page = wal::page(&source(&of, &rules, 101));
    (page.verdict.level, page.verdict.sentence)
}

#[test]
fn checkpoints_are_judged_by_the_last_hour() {
    assert_eq!(checkpoints(60.0, 12, 0).0, Level::Ok);
    assert_eq!(checkpoints(60.0, 60, 9).0, Level::Ok, "by time they come as often as it is configured");
    assert_eq!(checkpoints(60.0, 1, 4).0, Level::Ok, "a restore asks for a few");
    let (level, sentence) = checkpoints(60.0, 0, 30);
    assert_eq!(level, Level::Crit);
    assert_eq!(
        sentence,
        "Checkpoints come too often: 30 of 30 checkpoints of the last 1 h were asked for (max_wal_size was reached, or by CHECKPOINT, a backup or the like), one came every 2 min"
    );
}

#[test]
fn each_threshold_of_checkpoints_has_its_effect() {
    // Of all, the share that was asked for ...
    assert_eq!(checkpoints(60.0, 41, 10).0, Level::Ok);
    assert_eq!(checkpoints(60.0, 39, 10).0, Level::Warn);
    assert_eq!(checkpoints(60.0, 10, 10).0, Level::Crit);
    // ... and how far they are apart: 7 of them, 6 times as far.
    assert_eq!(checkpoints(31.0, 0, 7).0, Level::Ok);
    assert_eq!(checkpoints(29.0, 0, 7).0, Level::Warn);
    assert_eq!(checkpoints(17.0, 0, 7).0, Level::Crit);
}

#[test]
fn a_statement_that_nobody_feels_has_not_become_slower() {
    let rules = rules();
    let problems = |calls_per_second: f64, before_ms: f64, mean_ms: f64| {
        let row = collectors::statements::Row {
            queryid: "1".into(),
            calls_per_second: Some(calls_per_second),
            mean_ms: Some(mean_ms),
            time_share: Some(0.49),
            calls: 1000.0,
            time_seconds: before_ms,
            ..Default::default()
        };
        let of = Snapshot { collectors: vec![found("statements", vec![row])], ..snapshot() };
        statements::page(&source(&of, &rules, 101)).problems.len()
    };
    assert_eq!(problems(60.0, 0.3, 0.65), 0, "0.04 sessions' work");
    assert_eq!(problems(600.0, 0.3, 0.65), 1);
    assert_eq!(problems(0.001, 500.0, 2000.0), 1, "rare, and who calls it waits");
}

#[test]
fn where_a_partition_is_missing_inserts_fail() {
    let rules = rules();
    let mut row = super::remedies::events(0.0);
    (row.strategy, row.missing, row.horizon_seconds, row.gaps) = ("hash".into(), None, None, Some(1));
    let of = Snapshot { collectors: vec![found("partitions", vec![row.clone()])], ..snapshot() };
    let problem = partitions::page(&source(&of, &rules, 101)).problems.remove(0);
    assert_eq!((problem.level, &*problem.title), (Level::Crit, "Inserts fail"));
    assert_eq!(
        problem.evidence,
        "public.events: 1 remainder has no partition: inserts of such rows fail now"
    );
    row.strategy = "range".into();
    let empty = collectors::partitions::Parent { partitions: 0, gaps: None, ..row.clone() };
    let of = Snapshot { collectors: vec![found("partitions", vec![empty])], ..snapshot() };
    let problem = partitions::page(&source(&of, &rules, 101)).problems.remove(0);
    assert_eq!((problem.level, &*problem.title), (Level::Warn, "Inserts fail"));
    assert_eq!(problem.evidence, "public.events: it has no partition: every insert fails");
    let of = Snapshot { collectors: vec![found("partitions", vec![row])], ..snapshot() };
    let problem = partitions::page(&source(&of, &rules, 101)).problems.remove(0);
    assert_eq!((problem.level, &*problem.title), (Level::Warn, "Partitions are missing"));
}

#[test]
fn autovacuum_is_turned_on_where_it_was_turned_off() {
    let rules = rules();
    let of = |server: &str, option: Option<&str>| {
        let table = collectors::tables::Row {
            schema: "public".into(),
            name: "orders".into(),
            dead_tuples: Some(60_000),
            counts_known: true,
            autovacuum_enabled: Some(false),
            options: option.map(|option| vec![option.to_owned()]),
            ..Default::default()
        };
        let setting = collectors::settings::Row {
            name: "autovacuum".into(),
            setting: Some(server.into()),
            source: "configuration file".into(),
            ..Default::default()
        };
        let all = vec![found("tables", vec![table]), found("settings", vec![setting])];
        let of = Snapshot { collectors: all, ..snapshot() };
        let source = source(&of, &rules, 101);
        let page = autovacuum::page(&source);
        let row = page.panels.tables.rows.unwrap().remove(0);
        let problems: Vec<_> =
            page.problems.into_iter().map(|p| (p.id, p.remedy.map(|remedy| remedy.sql))).collect();
        (problems, row.hint.unwrap(), row.remedy.unwrap().sql)
    };
    let on = Some("ALTER SYSTEM SET autovacuum = 'on';\nSELECT pg_catalog.pg_reload_conf();".to_owned());
    let (problems, hint, sql) = of("off", None);
    assert_eq!(problems, [("autovacuum_off".to_owned(), on)]);
    assert_eq!(hint, "autovacuum is off for the whole server, and it has 60000 dead rows");
    assert!(sql.starts_with("VACUUM"), "{sql}");
    let (problems, hint, sql) = of("on", Some("autovacuum_enabled=off"));
    let reset = "ALTER TABLE \"public\".\"orders\" RESET (autovacuum_enabled);";
    assert_eq!(problems, [("vacuum:public.orders".to_owned(), Some(reset.to_owned()))]);
    assert_eq!((&*hint, &*sql), ("autovacuum is off for it, and it has 60000 dead rows", reset));
}

#[test]
fn a_dangerous_setting_is_set_right_where_that_helps() {
    let rules = rules();
    let remedy = |source_of: &str| {
        let row = collectors::settings::Row {
            name: "fsync".into(),
            setting: Some("off".into()),
            source: source_of.into(),
            ..Default::default()
        };
        let of = Snapshot { collectors: vec![found("settings", vec![row])], ..snapshot() };
        settings::page(&source(&of, &rules, 101)).problems.remove(0).remedy.map(|remedy| remedy.sql)
    };
    let on = "ALTER SYSTEM SET fsync = 'on';\nSELECT pg_catalog.pg_reload_conf();";
    assert_eq!(remedy("configuration file").as_deref(), Some(on));
    assert_eq!(remedy("command line"), None, "that wins over all files");
}

#[test]
fn the_slot_of_a_standby_that_restarts_is_not_to_be_dropped() {
    let rules = rules();
    let of = |bytes: i64, invalid: bool| {
        let slot = collectors::slots::Row {
            slot_name: "rep1".into(),
            slot_type: "physical".into(),
            retained_bytes: Some(bytes),
            invalid: Some(invalid),
            ..Default::default()
        };
        let of = Snapshot { collectors: vec![found("slots", vec![slot])], ..snapshot() };
        let problem = replication::page(&source(&of, &rules, 101), &[]).problems.remove(0);
        (problem.level, problem.title, problem.remedy.is_some())
    };
    assert_eq!(of(0, false), (Level::Warn, "Nobody uses a slot".into(), false));
    assert_eq!(of(20 << 30, false), (Level::Warn, "A slot keeps WAL".into(), true));
    assert_eq!(of(0, true), (Level::Crit, "A slot is invalid".into(), true));
}

#[test]
fn what_is_hidden_is_not_said_to_be_good() {
    let rules = rules();
    let blind = Blind {
        collector: "locks".into(),
        needs: "pg_monitor".into(),
        effect: "sessions".into(),
        remedy: None,
    };
    let whole = found("locks", collectors::locks::Locks::default());
    let empty = |state: CollectorState| {
        let of = Snapshot { collectors: vec![state], ..snapshot() };
        crate::pages::locks::page(&source(&of, &rules, 101)).panels.tree.empty
    };
    assert_eq!(empty(CollectorState { blind: vec![blind], ..whole.clone() }), Some(crate::source::HIDDEN));
    assert_ne!(empty(whole), Some(crate::source::HIDDEN));
}

fn refused() -> Snapshot {
    let up = Up::Refused { rights: vec!["is SUPERUSER".into()], remedy: "CREATE ROLE pgmon2 LOGIN;".into() };
    Snapshot { up, alive_mono: None, ..snapshot() }
}

#[test]
fn a_role_that_can_write_is_told_what_it_can_and_what_mends_it() {
    let (of, rules) = (refused(), rules());
    let source = source(&of, &rules, 101);
    let page = overview::page(&source);
    let sentence = "The role can write, so that nothing is read with it: is SUPERUSER.";
    assert_eq!(page.verdict.sentence, sentence);
    let said: Vec<_> = page.problems.iter().map(|p| (&*p.id, &*p.evidence)).collect();
    assert_eq!(said, [("refused", "it is SUPERUSER")]);
    assert_eq!(page.problems[0].remedy.as_ref().unwrap().sql, "CREATE ROLE pgmon2 LOGIN;");
    assert_eq!((page.panels.pages.state, page.panels.pages.rows.is_none()), (State::Error, true));
    assert_eq!(fleet::target(&source).crit, 1);
    let process = crate::agent::Process {
        version: "1",
        configuration_read_at: None,
        configuration_failure: None,
        history: Default::default(),
        history_trouble: None,
        left_out: &[],
    };
    let page = crate::agent::page(&source, &process);
    assert!(page.problems.iter().any(|p| p.id == "refused"));
    for (state, known) in [
        (page.panels.grants.state, page.panels.grants.rows.is_some()),
        (page.panels.warnings.state, page.panels.warnings.rows.is_some()),
    ] {
        assert_eq!((state, known), (State::Error, false), "what was not read is not good");
    }
}

#[test]
fn a_statement_that_did_not_run_says_so() {
    let row = collectors::statements::Row { queryid: "1".into(), ..Default::default() };
    let (of, rules) = (Snapshot { collectors: vec![found("statements", vec![row])], ..snapshot() }, rules());
    let page = statements::statement(&source(&of, &rules, 101), "1").unwrap();
    assert_eq!(page.verdict.sentence, "It has not run since the figures were read before.");
}

#[test]
fn ages_go_on_after_they_were_read() {
    let rules = rules();
    let table = collectors::tables::Row {
        schema: "public".into(),
        name: "orders".into(),
        dead_tuples: Some(60_000),
        vacuum_pressure: Some(5.0),
        counts_known: true,
        vacuumed_seconds_ago: Some(600.0),
        ..Default::default()
    };
    let stale = collectors::stale_statistics::Row { analyzed_seconds: Some(35.0), ..Default::default() };
    let all = vec![found("tables", vec![table]), found("stale_statistics", vec![stale])];
    // Alive all the time; the figures are of second 100.
    let of = Snapshot { collectors: all, alive_mono: Some(S(160)), ..snapshot() };
    let page = autovacuum::page(&source(&of, &rules, 160));
    assert!(page.problems[0].evidence.ends_with("vacuumed 11 min ago"), "{}", page.problems[0].evidence);
    let row = &page.panels.tables.rows.unwrap()[0];
    assert_eq!((row.last_vacuum_seconds_ago, row.row.vacuumed_seconds_ago), (Some(660.0), Some(660.0)));
    assert_eq!(page.panels.stale_statistics.rows.unwrap()[0].row.analyzed_seconds, Some(95.0));
}

#[test]
fn the_figure_is_as_bad_as_what_it_shows() {
    let rules = rules();
    let row = super::remedies::events(3000.0);
    let of = Snapshot { collectors: vec![found("partitions", vec![row])], ..snapshot() };
    let of = Snapshot { alive_mono: Some(S(160)), ..of };
    let page = partitions::page(&source(&of, &rules, 160));
    let runway = page.figures.iter().find(|f| f.id == "runway").unwrap();
    assert_eq!((runway.level, runway.value), (Level::Crit, Some(2940.0)));
    assert_eq!(page.panels.tables.rows.unwrap()[0].row.horizon_seconds, Some(2940.0), "the table agrees");
}

#[test]
fn a_surge_of_temporary_files_is_told_while_it_lasts() {
    const RATE: Desc = Desc::gauge("pg_temp_bytes_per_second", "", &[]);
    let rules = rules();
    let level = |rate: f64| {
        let mut families = Families::new();
        families.push(&RATE, &[], rate);
        let rows = Vec::<collectors::temp::Row>::new();
        let throughput = found("throughput", Vec::<collectors::throughput::Row>::new());
        let temp = state("temp", Outcome::Ok, Some((Arc::new(rows), families)));
        let of = Snapshot { collectors: vec![throughput, temp], ..snapshot() };
        crate::pages::io::page(&source(&of, &rules, 101)).verdict.level
    };
    assert_eq!([0.0, 50e6, 60e6, 110e6].map(level), [Level::Ok, Level::Ok, Level::Warn, Level::Crit]);
}

#[test]
fn since_when_does_not_move_while_nothing_is_read() {
    let rules = rules();
    let session = collectors::connections::Session {
        pid: 10,
        state: Some("idle in transaction".into()),
        transaction_seconds: 900.0,
        ..Default::default()
    };
    let all = collectors::connections::Activity { groups: Vec::new(), sessions: vec![session] };
    let of = Snapshot { collectors: vec![found("connections", all)], ..snapshot() };
    let since = |seconds: u64| {
        let mono = S(101 + seconds);
        let wall = at().checked_add(jiff::SignedDuration::try_from(S(seconds)).unwrap()).unwrap();
        let source = Source { now: Now { mono, wall }, ..source(&of, &rules, 101) };
        activity::page(&source).problems.remove(0).since.unwrap()
    };
    assert_eq!(since(0), since(4));
}
