//! What is said of what was found: of whom, in which words, and what is offered.

use super::*;
use crate::pages::{activity, autovacuum, io, replication, settings, statements};
use collectors::connections::{Activity, Session};
use collectors::replication::Row as Sender;
use pgmon_collect::postgres::decode::Time;

fn session(pid: i32, seconds: f64, blocked: bool) -> Session {
    Session {
        pid,
        application_name: Some(format!("app-{pid}")),
        usename: Some("web".into()),
        state: Some(if blocked { "active" } else { "idle in transaction" }.into()),
        blocked,
        transaction_seconds: seconds,
        ..Default::default()
    }
}

fn sessions(all: Vec<Session>) -> CollectorState {
    found("connections", Activity { groups: Vec::new(), sessions: all })
}

#[test]
fn who_waits_for_a_lock_is_not_blamed_and_a_chain_is_told_once() {
    let rules = rules();
    let chain = |wait: f64| {
        let edges = vec![edge(1, 11, 10, wait), edge(2, 12, 11, wait)];
        let locks = collectors::locks::Locks { blocked_sessions: 2, edges, ..Default::default() };
        let all = vec![session(10, 900.0, false), session(11, 900.0, true), session(99, 900.0, false)];
        Snapshot { collectors: vec![sessions(all), found("locks", locks)], ..snapshot() }
    };
    let of = chain(130.0);
    let problems = activity::page(&source(&of, &rules, 101)).problems;
    let victim = problems.iter().find(|p| p.object.as_deref() == Some("11")).unwrap();
    assert_eq!((victim.remedy.as_ref(), &*victim.title), (None, "Transaction waits for a lock"));
    assert!(
        victim.evidence.ends_with("waits for a lock; under Locks is who holds it"),
        "{}",
        victim.evidence
    );
    let root = problems.iter().find(|p| p.object.as_deref() == Some("10")).unwrap();
    assert!(root.remedy.is_some());
    let ids = |of: &Snapshot| {
        let all = overview::judge(&source(of, &rules, 101)).problems;
        all.into_iter().map(|p| p.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&of), ["blocking:10", "long_transaction:99"]);
    // They have waited too short a time for a problem with locks: what is long is still said.
    let all = ["long_transaction:10", "long_transaction:11", "long_transaction:99"];
    assert_eq!(ids(&chain(1.0)), all);
}

fn streaming(change: impl Fn(&mut Sender)) -> Sender {
    let mut row =
        Sender { pid: 7, state: Some("streaming".into()), replica: "rep".into(), ..Default::default() };
    (row.position_bytes, row.sent_bytes) = (Some(900), Some(900));
    change(&mut row);
    row
}

#[test]
fn what_stores_wal_is_no_replica() {
    let rules = rules();
    let judged = |row: Sender| {
        let slots = found("slots", Vec::<collectors::slots::Row>::new());
        let of = Snapshot { collectors: vec![found("replication", vec![row]), slots], ..snapshot() };
        let page = replication::page(&source(&of, &rules, 101), &[]);
        let node = page.panels.topology.rows.unwrap().remove(1);
        let titles: Vec<String> = page.problems.into_iter().map(|p| p.title).collect();
        (page.verdict.level, page.verdict.sentence, titles, (node.kind.unwrap(), node.role, node.lag_seconds))
    };
    let receiver = |written: i64, write_lag: Option<f64>, silent: f64| {
        judged(streaming(|r| {
            (r.write_bytes, r.write_lag_seconds, r.reply_age_seconds) =
                (Some(written), write_lag, Some(silent));
        }))
    };
    let (level, sentence, titles, node) = receiver(900, Some(0.001), 3.0);
    assert_eq!((level, titles.len()), (Level::Ok, 0), "{sentence}");
    assert_eq!(node, ("archive", crate::Role::Unknown, Some(0.0)));
    // It reports every ten seconds.
    assert_eq!(receiver(500, Some(9.5), 9.0).0, Level::Ok);
    let (level, sentence, titles, _) = receiver(500, Some(0.5), 100.0);
    assert_eq!((level, &titles[..]), (Level::Warn, &["WAL is stored late".to_owned()][..]));
    assert!(sentence.contains("rep has not stored the WAL of the last 1 min 30 s"), "{sentence}");

    let (level, sentence, titles, node) = judged(streaming(|r| r.lag_bytes = Some(400)));
    assert_eq!((level, titles.len()), (Level::Unknown, 0), "not known is no lag");
    assert_eq!(sentence, "It cannot be told: how far rep is behind is not known yet.");
    assert_eq!((node.0, node.1), ("physical", crate::Role::Standby));
    let (level, .., node) = judged(streaming(|r| r.state = Some("backup".into())));
    assert_eq!((level, node.0, node.1), (Level::Ok, "backup", crate::Role::Unknown));
    let lags = |r: &mut Sender| {
        (r.write_bytes, r.flush_bytes, r.replay_bytes) = (Some(900), Some(900), Some(100));
        (r.lag_bytes, r.lag_seconds) = (Some(800), Some(45.0));
    };
    assert_eq!(judged(streaming(lags)).2, ["A replica lags"]);
}

#[test]
fn a_problem_of_which_nothing_is_known_is_not_good() {
    let mut found = crate::judge::Judgement::new("All is well.");
    found.push(crate::judge::problem("x", Level::Unknown, crate::PageName::Io, "X", "x could not be read"));
    let (of, rules) = (snapshot(), rules());
    let verdict = found.verdict(&source(&of, &rules, 101));
    assert_eq!(
        (verdict.level, &*verdict.sentence),
        (Level::Unknown, "It cannot be told: x could not be read.")
    );
}

#[test]
fn bounds_that_cannot_be_read_are_no_missing_partitions() {
    let mut row = super::remedies::events(1e6);
    (row.missing, row.unreadable_bounds) = (None, 1);
    let (of, rules) = (Snapshot { collectors: vec![found("partitions", vec![row])], ..snapshot() }, rules());
    let page = crate::pages::partitions::page(&source(&of, &rules, 101));
    assert_eq!((page.verdict.level, page.problems.len()), (Level::Unknown, 0));
    assert!(
        page.verdict.sentence.contains("bounds of partitions of public.events"),
        "{}",
        page.verdict.sentence
    );
}

#[test]
fn a_number_and_its_verb_agree() {
    let rules = rules();
    let said = |clients: f64| {
        let of = Snapshot { collectors: vec![connected(clients)], ..snapshot() };
        activity::page(&source(&of, &rules, 101)).verdict.sentence
    };
    assert!(said(1.0).starts_with("1 of 100 connections is used, and"), "{}", said(1.0));
    assert!(said(2.0).starts_with("2 of 100 connections are used, and"));
    let overview = |clients: f64| {
        let row = collectors::throughput::Row { transactions_per_second: Some(3.0), ..Default::default() };
        let all = vec![connected(clients), found("throughput", vec![row])];
        overview::judge(&source(&Snapshot { collectors: all, ..snapshot() }, &rules, 101)).good
    };
    assert!(overview(1.0).contains("over 1 connection."), "{}", overview(1.0));
    assert!(overview(2.0).contains("over 2 connections."));
    let waiting = |names: &[&str]| {
        let row = |name: &&str| collectors::settings::Row {
            name: (*name).into(),
            pending_restart: true,
            ..Default::default()
        };
        let rows: Vec<_> = names.iter().map(row).collect();
        let of = Snapshot { collectors: vec![found("settings", rows)], ..snapshot() };
        settings::page(&source(&of, &rules, 101)).problems.remove(0).evidence
    };
    assert_eq!(waiting(&["a"]), "a takes effect only at a restart of the server");
    assert_eq!(waiting(&["a", "b"]), "a, b take effect only at a restart of the server");
}

#[test]
fn what_pgmon_sets_for_itself_is_not_configured() {
    let rules = rules();
    let row = |name: &str, source: &str| collectors::settings::Row {
        name: name.into(),
        source: source.into(),
        ..Default::default()
    };
    let rows = vec![
        row("lock_timeout", "session"),
        row("application_name", "client"),
        row("work_mem", "configuration file"),
        row("search_path", "database"),
        row("data_checksums", "override"),
        row("jit", "default"),
    ];
    let of = Snapshot { collectors: vec![found("settings", rows)], ..snapshot() };
    let configured = settings::page(&source(&of, &rules, 101)).panels.configured.rows.unwrap();
    let names: Vec<_> = configured.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["work_mem", "search_path"]);
}

#[test]
fn a_statement_is_named_by_how_it_begins() {
    let rules = rules();
    let row = |text: Option<&str>| collectors::statements::Row {
        queryid: "4053683739835296247".into(),
        text: text.map(Into::into),
        mean_ms: Some(50.0),
        calls_per_second: Some(20.0),
        time_share: Some(0.5),
        calls: 1000.0,
        time_seconds: 10.0,
        ..Default::default()
    };
    let evidence = |text: Option<&str>| {
        let of = Snapshot { collectors: vec![found("statements", vec![row(text)])], ..snapshot() };
        statements::page(&source(&of, &rules, 101)).problems.remove(0).evidence
    };
    let said = evidence(Some("SELECT o.id,\n  o.total FROM orders AS o WHERE o.customer = $1 AND o.at > $2"));
    let begins = "\u{201c}SELECT o.id, o.total FROM orders AS o WHERE o.customer = $1\u{2026}\u{201d} (statement 4053683739835296247) takes 50.0 ms now";
    assert!(said.starts_with(begins), "{said}");
    assert!(evidence(None).starts_with("Statement 4053683739835296247 takes"));
}

#[test]
fn partitioned_tables_are_listed_if_their_statistics_are_old() {
    let rules = rules();
    let row =
        |name: &str, parent: bool, never: Option<bool>, age: Option<f64>| collectors::stale_statistics::Row {
            schema_name: "public".into(),
            table_name: name.into(),
            partition_parent: parent,
            never_analyzed: never,
            analyzed_seconds: age,
            ..Default::default()
        };
    let rows = vec![
        row("orders", false, Some(false), Some(60.0)),
        row("nothing_known", true, None, None),
        row("recent", true, Some(false), Some(60.0)),
        row("old", true, Some(false), Some(1e6)),
        row("never", true, Some(true), None),
    ];
    let of = Snapshot { collectors: vec![found("stale_statistics", rows)], ..snapshot() };
    let rows = autovacuum::page(&source(&of, &rules, 101)).panels.stale_statistics.rows.unwrap();
    let names: Vec<_> = rows.iter().map(|r| r.row.table_name.as_str()).collect();
    assert_eq!(names, ["orders", "old", "never"]);
    assert!(rows[2].hint.as_ref().unwrap().starts_with("partitioned"));
    assert_eq!(rows[2].remedy.as_ref().unwrap().sql, "ANALYZE (VERBOSE) \"public\".\"never\";");
}

#[test]
fn the_row_of_the_shared_catalogs_is_explained() {
    let rules = rules();
    let note = |names: &[Option<&str>]| {
        let row = |name: &Option<&str>| collectors::database::Row {
            datname: name.map(Into::into),
            ..Default::default()
        };
        let rows: Vec<_> = names.iter().map(row).collect();
        let of = Snapshot { collectors: vec![found("database", rows)], ..snapshot() };
        io::page(&source(&of, &rules, 101)).panels.databases.note
    };
    assert!(note(&[None, Some("shop")]).unwrap().contains("catalogs"));
    assert_eq!(note(&[Some("shop")]), None);
}

#[test]
fn a_rate_that_is_missing_says_why() {
    let rules = rules();
    let tps = |rate: Option<f64>| {
        let row = collectors::throughput::Row { transactions_per_second: rate, ..Default::default() };
        let of = Snapshot { collectors: vec![found("throughput", vec![row])], ..snapshot() };
        let figures = overview::page(&source(&of, &rules, 101)).figures;
        figures.into_iter().find(|f| f.id == "tps").unwrap().note
    };
    assert!(tps(None).unwrap().contains("two rounds"));
    assert_eq!(tps(Some(1.0)), None);
}

/// A server that started so many seconds ago, and whose statistics began so many later.
fn started(ago: i64, statistics: i64, change: impl Fn(&mut ServerInfo)) -> Snapshot {
    let start = at().checked_sub(jiff::SignedDuration::from_secs(ago)).unwrap();
    let began = Some(Time(start.checked_add(jiff::SignedDuration::from_secs(statistics)).unwrap()));
    let of = snapshot();
    let mut server = (*of.server.clone().unwrap()).clone();
    server.started_at = start;
    change(&mut server);
    let checkpoints = collectors::checkpoints::Row { checkpointer_stats_reset: began, ..Default::default() };
    let archiver = collectors::archiver::Row { stats_reset: began, ..Default::default() };
    Snapshot {
        server: Some(Arc::new(server)),
        collectors: vec![found("checkpoints", vec![checkpoints]), found("archiver", vec![archiver])],
        ..of
    }
}

#[test]
fn a_server_that_has_just_started_says_so_and_whether_it_had_crashed() {
    let rules = rules();
    let of = |snapshot: Snapshot| {
        let source = source(&snapshot, &rules, 101);
        let found = overview::judge(&source);
        let figure = overview::page(&source).figures.into_iter().find(|f| f.id == "started").unwrap();
        (
            found.good.contains("The server started 10 s ago."),
            found.problems.iter().any(|p| p.id == "crashed"),
            figure.level,
        )
    };
    let nothing = |_: &mut ServerInfo| {};
    assert_eq!(of(started(10, -86_400, nothing)), (true, false, Level::Ok), "statistics went on");
    assert_eq!(of(started(10, 1, nothing)), (true, true, Level::Warn));
    assert!(of(started(1800, 1, nothing)).1);
    assert_eq!(of(started(90_000, 1, nothing)), (false, false, Level::Ok), "long ago");
    assert!(!of(started(10, -3, nothing)).1, "it has just been set up");
    assert!(!of(started(10, 1, |s| s.in_recovery = true)).1, "a standby always recovers");
    let old = |s: &mut ServerInfo| s.version = PgVersion::from_num(140_000);
    assert!(!of(started(10, 1, old)).1, "up to 14 it cannot be told");
    // Somebody has reset one of them.
    let mut reset = started(10, 1, nothing);
    reset.collectors[1] = found("archiver", vec![collectors::archiver::Row::default()]);
    assert!(!of(reset).1);
}

#[test]
fn names_that_look_like_others_are_written_by_their_codes() {
    let hostile = "rtl\u{202e}gnp.exe\u{202c}";
    let shown = crate::remedy::shown("public", hostile);
    assert_eq!(shown, "public.rtl\\u{202e}gnp.exe\\u{202c}");
    let sql = crate::remedy::vacuum("public", &format!("{hostile}\\\"")).sql;
    assert_eq!(sql, "VACUUM (VERBOSE, ANALYZE) \"public\".U&\"rtl\\+00202Egnp.exe\\+00202C\\\\\"\"\";");
    let gid = crate::remedy::end_prepared(&format!("{hostile}'")).sql;
    assert_eq!(gid, "ROLLBACK PREPARED U&'rtl\\+00202Egnp.exe\\+00202C''';");
    let rules = rules();
    let mut named = session(10, 900.0, false);
    named.usename = Some(hostile.into());
    let of = Snapshot { collectors: vec![sessions(vec![named])], ..snapshot() };
    let evidence = activity::page(&source(&of, &rules, 101)).problems.remove(0).evidence;
    assert!(!evidence.contains('\u{202e}') && evidence.contains("rtl\\u{202e}"), "{evidence}");
}
