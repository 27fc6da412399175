//! Several collectors and databases whose figures stand in one family.

use super::*;
use pgmon_core::metric::{Kind, OwnDesc, Sample, Value};

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
