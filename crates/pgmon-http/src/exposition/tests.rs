use super::*;
use crate::health::{self, Status};
use jiff::Timestamp;
use pgmon_core::metric::{Kind, OwnDesc};
use pgmon_core::snapshot::{Blind, Loop, LoopState, Output, ServerInfo};
use pgmon_core::text::Format;
use pgmon_core::version::PgVersion;

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

fn collected(
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
    let page = render(fleet, now, "1.2.3", &look, Writer::new(Format::Text, 1024), &|_| {}).text;
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
fn what_is_lacking_twice_is_one_series() {
    let mut s = leader();
    s.collectors[0].blind = vec![lacks("CONNECT", "sizes"), lacks("CONNECT", "growth"), lacks("ext", "x")];
    let text = page(&Fleet::new(vec![s]), S(101));
    assert_eq!(
        lines(&text, "pgmon_blind{"),
        [
            r#"pgmon_blind{cluster="c",db="a",collector="connections",needs="CONNECT"} 1"#,
            r#"pgmon_blind{cluster="c",db="a",collector="connections",needs="ext"} 1"#,
        ]
    );
}

fn visited(datname: &str, value: f64) -> CollectorState {
    let mut dead = Families::new();
    dead.push(&DEAD, &["public.t"], value);
    CollectorState { datname: Some(datname.into()), ..collected("tables", Loop::Storage, false, dead) }
}

#[test]
fn visited_databases_add_their_failures_and_what_they_lack() {
    let mut s = leader();
    s.collectors[1].errors = 2;
    s.dropped = 3;
    let mut roamed = vec![visited("x", 1.0), visited("y", 2.0)];
    for state in &mut roamed {
        state.errors = 3;
        state.blind = vec![lacks("pg_read_all_data", "rows")];
    }
    let fleet = Fleet::new(vec![s]);
    fleet.cells()[0].publish_roamed(roamed, 5);
    let text = page(&fleet, S(101));
    assert_eq!(
        lines(&text, "pgmon_collector_errors_total{"),
        [
            r#"pgmon_collector_errors_total{cluster="c",db="a",collector="connections"} 0"#,
            r#"pgmon_collector_errors_total{cluster="c",db="a",collector="tables"} 8"#,
        ]
    );
    assert_eq!(
        lines(&text, "pgmon_blind{"),
        [r#"pgmon_blind{cluster="c",db="a",collector="tables",needs="pg_read_all_data"} 1"#]
    );
    assert_eq!(
        lines(&text, "pgmon_series_dropped_total{"),
        [r#"pgmon_series_dropped_total{cluster="c",db="a"} 8"#]
    );
    // What was counted stays when the databases go.
    fleet.cells()[0].publish_roamed(Vec::new(), 5);
    assert!(page(&fleet, S(101)).contains(r#"collector="tables"} 8"#));
}

#[test]
fn names_of_visited_databases_are_made_safe_and_stay_distinct() {
    let fleet = Fleet::new(vec![leader()]);
    fleet.cells()[0]
        .publish_roamed(vec![visited("a\nb", 1.0), visited("a\"b", 2.0), visited("shop", 4.0)], 0);
    let text = page(&fleet, S(101));
    let dead = lines(&text, "pg_table_dead_tuples{");
    for (name, value) in [("a\nb", 1), ("a\"b", 2), ("shop", 4)] {
        let datname = label::name(name);
        let line = format!(
            r#"pg_table_dead_tuples{{cluster="c",db="a",datname="{datname}",relation="public.t"}} {value}"#
        );
        assert!(dead.contains(&line.as_str()), "{line} in {dead:?}");
    }
    assert!(!text.contains('\\'), "{text}");
}

#[test]
fn a_series_is_written_once_whatever_collectors_give() {
    let mut s = leader();
    let twice = |values: &[(&str, f64)]| {
        let mut dead = Families::new();
        values.iter().for_each(|(relation, value)| dead.push(&DEAD, &[relation], *value));
        collected("tables", Loop::Storage, false, dead)
    };
    s.collectors = vec![
        // Twice in one collector's round, side by side and apart.
        twice(&[("public.b", 1.0), ("public.b", 2.0), ("public.a", 3.0), ("public.b", 4.0)]),
        // And in another's.
        twice(&[("public.a", 5.0), ("public.c", 6.0)]),
    ];
    let mut other = snapshot("b");
    other.collectors = vec![twice(&[("public.a", 7.0), ("public.a", 8.0)])];
    let fleet = Fleet::new(vec![s, other]);
    // The same relation in a database that is visited is another series.
    fleet.cells()[0]
        .publish_roamed(vec![CollectorState { datname: Some("x".into()), ..twice(&[("public.a", 9.0)]) }], 0);
    assert_eq!(
        lines(&page(&fleet, S(101)), "pg_table_dead_tuples{"),
        [
            r#"pg_table_dead_tuples{cluster="c",db="a",relation="public.b"} 1"#,
            r#"pg_table_dead_tuples{cluster="c",db="a",relation="public.a"} 3"#,
            r#"pg_table_dead_tuples{cluster="c",db="a",relation="public.c"} 6"#,
            r#"pg_table_dead_tuples{cluster="c",db="a",datname="x",relation="public.a"} 9"#,
            r#"pg_table_dead_tuples{cluster="c",db="b",relation="public.a"} 7"#,
        ]
    );
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

#[test]
fn the_databases_of_postgres_itself_are_left_out_if_wanted() {
    const COMMITS: Desc = Desc::counter("pg_stat_database_xact_commit_total", "Commits.", &["datname"]);
    const SIZE: Desc = Desc::gauge("pg_database_size_bytes", "Bytes.", &["datname", "database"]);
    const PROGRESS: Desc = Desc::gauge("pg_progress_ratio", "Share.", &["command", "datname"]);
    const AGE: Desc = Desc::gauge("pg_database_xid_age", "Transactions.", &["datname"]);
    let own = Arc::new(OwnDesc {
        name: "own".into(),
        kind: Kind::Gauge,
        help: "Asked for.".into(),
        labels: ["datname".into()].into(),
    });
    let names = ["", "postgres", "shop", "template0", "template1", "template2"];
    let mut figures = Families::new();
    let mut ages = Families::new();
    for name in names {
        figures.push(&COMMITS, &[name], 1.0);
        figures.push(&SIZE, &[name, name], 2.0);
        // The label of another column tells nothing.
        figures.push(&PROGRESS, &["postgres", name], 0.5);
        ages.push(&AGE, &[name], 3.0);
    }
    let mut figures = figures.into_vec();
    figures.push(Family {
        desc: own.into(),
        samples: vec![Sample { labels: ["postgres".into()].into(), value: Value::Number(4.0) }],
    });
    let mut s = leader();
    let mut database = collected("database", Loop::Workload, true, Families::new());
    database.good = Some(Arc::new(Output {
        at: at(),
        at_mono: S(100),
        families: figures,
        data: None,
        executed: Vec::new(),
    }));
    s.collectors.extend([database, collected("wraparound", Loop::Hourly, true, ages)]);
    let mut follower = snapshot("b");
    follower.leads = false;
    let fleet = Fleet::new(vec![s, follower]);
    fleet.cells()[0].publish_roamed(vec![visited("postgres", 1.0), visited("shop", 2.0)], 0);

    let all = page_of(&fleet, S(101), false);
    let some = page_of(&fleet, S(101), true);
    let datnames = |page: &str, family: &str| -> Vec<String> {
        let of_family = lines(page, &format!("{family}{{cluster=\"c\",db=\"a\""));
        // A label without a value is not written.
        let datname = |l: &&str| {
            l.split("datname=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap()).to_owned()
        };
        of_family.iter().map(datname).collect()
    };
    for family in ["pg_stat_database_xact_commit_total", "pg_database_size_bytes", "pg_progress_ratio"] {
        assert_eq!(datnames(&all, family), names, "{family}");
        assert_eq!(datnames(&some, family), ["", "shop", "template2"], "{family}");
    }
    assert_eq!(datnames(&some, "pg_database_xid_age"), names, "template0 can stop the server, too");
    assert_eq!(datnames(&some, "own"), ["postgres"]);
    // The entry's own database without such a label stays; other entries of the server hide the same.
    assert_eq!(datnames(&all, "pg_table_dead_tuples"), ["", "postgres", "shop"]);
    assert_eq!(datnames(&some, "pg_table_dead_tuples"), ["", "shop"]);
    assert!(
        !some.contains("db=\"b\",datname=\"postgres\"} 1")
            && all.contains("db=\"b\",datname=\"postgres\"} 1")
    );
}

/// A state of a query, in a database of a server that is watched whole.
fn query(name: &str, datname: &str, outcome: Outcome) -> CollectorState {
    let collector: Arc<str> = format!("query:{name}").into();
    CollectorState {
        collector: collector.into(),
        datname: Some(datname.into()),
        outcome,
        ..collected("x", Loop::Workload, false, Families::new())
    }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { sqlstate: None, message: message.into() }
}

#[test]
fn reasons_name_the_database_are_said_once_and_are_bounded() {
    let missing = || failed("relation \"orders\" does not exist");
    let refused = || failed("refused: DELETE FROM is not read-only");
    let mut s = leader();
    s.collectors.extend([query("orders", "own", missing()), query("writes", "own", refused())]);
    let fleet = Fleet::new(vec![s.clone(), Snapshot { db: "b".into(), ..s.clone() }]);
    let names: Vec<String> = (0..8).map(|n| format!("d{n}")).collect();
    let visited = names.iter().flat_map(|d| {
        [query("orders", d, missing()), query("writes", d, refused()), query("late", d, failed(d))]
    });
    fleet.cells()[0].publish_roamed(visited.collect(), 0);
    let health = health::judge(&fleet, S(101), "1.2.3");
    let reasons: Vec<&str> = health.reasons.iter().map(String::as_str).collect();
    assert_eq!(
        reasons.iter().filter(|r| r.contains("writes")).copied().collect::<Vec<_>>(),
        ["query writes is refused: DELETE FROM is not read-only"]
    );
    assert_eq!(
        reasons.iter().filter(|r| r.contains("orders")).copied().collect::<Vec<_>>(),
        [
            "c/a: own, d0, d1, d2, d3 and 4 more: query orders fails: relation \"orders\" does not exist",
            "c/b: own: query orders fails: relation \"orders\" does not exist",
        ]
    );
    assert!(reasons.contains(&"c/a: d3: query late fails: d3"), "{reasons:#?}");
    let json = serde_json::to_value(&health).unwrap();
    let failing = json["databases"][0]["failing"].as_array().unwrap();
    assert_eq!(failing.iter().filter(|f| f["collector"] == "query:writes").count(), 1);
    assert!(failing.iter().any(|f| f["collector"] == "query:orders" && f["datname"] == "d7"));

    let many = (0..1000).map(|n| query("late", "x", failed(&n.to_string())));
    fleet.cells()[0].publish_roamed(many.collect(), 0);
    let health = health::judge(&fleet, S(101), "1.2.3");
    assert!(health.reasons.len() < 300, "{}", health.reasons.len());
    assert!(health.reasons.last().unwrap().starts_with("and "), "{:?}", health.reasons.last());
    assert!(health.databases.iter().all(|d| d.failing.len() <= 200));
}

#[test]
fn results_from_before_a_query_became_another_one_do_not_stand_among_those_of_now() {
    let desc = |kind: Kind, labels: &[&str]| {
        let labels = labels.iter().map(|l| (*l).into()).collect();
        Arc::new(OwnDesc { name: "morph".into(), kind, help: "M.".into(), labels })
    };
    let state = |desc: Arc<OwnDesc>, labels: &[&str], at_mono: Duration, value: f64| {
        let mut state = collected("query:morph", Loop::Workload, false, Families::new());
        let labels: Box<[Box<str>]> = labels.iter().map(|l| (*l).into()).collect();
        let families =
            vec![Family { desc: desc.into(), samples: vec![Sample { labels, value: Value::Number(value) }] }];
        state.good = Some(Arc::new(Output { at: at(), at_mono, families, data: None, executed: Vec::new() }));
        state
    };
    let before = || state(desc(Kind::Gauge, &["a"]), &["old"], S(90), 1.0);
    let now = || state(desc(Kind::Counter, &["b", "c"]), &["x", "y"], S(100), 2.0);
    for (first, second) in [(before(), now()), (now(), before())] {
        let entry = |db: &str, state| Snapshot { collectors: vec![state], ..snapshot(db) };
        let text = page(&Fleet::new(vec![entry("a", first), entry("b", second)]), S(101));
        let of_morph: Vec<&str> =
            text.lines().filter(|l| l.contains("morph") && !l.contains("query")).collect();
        assert_eq!(of_morph.len(), 3, "{of_morph:#?}");
        assert!(
            of_morph[1] == "# TYPE morph counter" && of_morph[2].contains("b=\"x\",c=\"y\"} 2"),
            "{of_morph:#?}"
        );
    }
}
