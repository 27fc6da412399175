//! Queries of the configuration, in the real binary.

mod commands;

use crate::agent::Agent;
use crate::page::Page;
use crate::rig::Rig;
use anyhow::Result;
use pgmon_core::clock::Clock as _;
use pgmon_core::snapshot::Outcome;
use pgmon_testkit::{PgBouncer, Server, Tier, on_each_major};
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

const COURSES: &str = "CREATE TABLE courses (name text, location text, hole_count int); \
    INSERT INTO courses VALUES ('a', 'Portland, OR', 18), ('b', 'Estacada, OR', 27), ('c', 'Fairview, OR', 18); \
    CREATE TABLE rounds (n int)";

/// SitRep's queries, and what it could not do.
const QUERIES: &str = r#"[
  {"name": "disc_golf_course_count_by_location", "help": "Number of courses grouped by location", "type": "gauge",
   "labels": ["location"], "query": "SELECT location, COUNT(*)::int FROM courses GROUP BY location"},
  {"name": "disc_golf_total_holes", "help": "Total", "type": "gauge", "labels": [],
   "query": "SELECT SUM(hole_count)::int AS total_holes FROM courses"},
  {"name": "disc_golf_courses", "help": "Counted without a cast, and no labels", "query": "SELECT COUNT(*) FROM courses"},
  {"name": "disc_golf_rounds", "help": "A counter", "type": "counter", "labels": [], "query": "SELECT 7"},
  {"name": "disc_golf_locked", "help": "Of a table that is locked", "query": "SELECT count(*) FROM rounds"},
  {"name": "disc_golf_wrong", "help": "Fails", "labels": [], "query": "SELECT nothing FROM courses"},
  {"name": "disc_golf_writes", "help": "Writes", "labels": [], "query": "DELETE FROM courses RETURNING 1"},
  {"name": "disc_golf_evil", "help": "Acts", "labels": [], "query": "SELECT pg_cancel_backend(pg_backend_pid())::int"},
  {"name": "disc_golf_huge", "help": "Explodes", "labels": ["n"], "query": "SELECT n, 1 AS v FROM generate_series(1, 1000000) AS n"}
]"#;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// SitRep's databases.json of these databases.
fn databases(server: &Server, password: &str, names: &[(&str, &str)]) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|(name, database)| {
            format!(
                r#"{{"name": "{name}", "host": "127.0.0.1", "port": {}, "user": "pgmon", "pass": "{password}", "database": "{database}"}}"#,
                server.port()
            )
        })
        .collect();
    format!("{{\"databases\": [{}]}}", entries.join(", "))
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn of<'p>(page: &'p Page, name: &'p str, db: &str) -> Vec<(Option<&'p str>, f64)> {
    page.all(name).filter(|s| s.label("db") == Some(db)).map(|s| (s.label("location"), s.value)).collect()
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn sitreps_files_survive_all_that_broke_it(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["golf", "golf2", "closed"] {
            server.create_database(name).await?;
        }
        server.exec("golf", COURSES).await?;
        server.exec("golf2", COURSES).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        for name in ["golf", "golf2"] {
            server.exec(name, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO pgmon").await?;
        }
        server.exec("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC").await?;
        let directory = tempfile::tempdir()?;
        let entries = databases(&server, &password, &[("one", "golf"), ("two", "golf2"), ("closed", "closed")]);
        let files = [write(directory.path(), "databases.json", &entries), write(directory.path(), "queries.json", QUERIES)];
        let [dbs, queries] = files.each_ref().map(|path| path.to_str().unwrap());
        let agent = Agent::start(&[("DBS_CONFIG_FILE", dbs), ("QUERIES_FILE", queries)]);

        let page = agent.wait("figures of both", SOON, |p| {
            ["one", "two"].iter().all(|db| of(p, "disc_golf_locked", db).len() == 1)
                && p.all("pgmon_query_results_dropped_total").any(|s| s.value >= 2.0)
        });
        for db in ["one", "two"] {
            assert_eq!(of(&page, "disc_golf_course_count_by_location", db).len(), 3);
            assert_eq!(of(&page, "disc_golf_total_holes", db), [(None, 63.0)]);
            assert_eq!(of(&page, "disc_golf_courses", db), [(None, 3.0)]);
            assert_eq!(of(&page, "disc_golf_rounds", db), [(None, 7.0)], "what the query returns, not added up");
            let query = |name: &str, query: &str| page.value(name, &[("query", query), ("db", db)]);
            assert!(query("pgmon_query_errors_total", "disc_golf_wrong") >= Some(1.0));
            assert_eq!(query("pgmon_query_errors_total", "disc_golf_courses"), Some(0.0));
            assert_eq!(query("pgmon_query_success", "disc_golf_courses"), Some(1.0));
            for refused in ["disc_golf_writes", "disc_golf_evil", "disc_golf_wrong", "disc_golf_huge"] {
                assert_eq!(query("pgmon_query_success", refused), Some(0.0), "{refused}");
                assert!(!page.has(refused));
            }
            assert_eq!(
                page.value("pgmon_query_over_limit", &[("query", "disc_golf_huge"), ("label", "n"), ("db", db)]),
                Some(1.0)
            );
            assert_eq!(page.value("pg_up", &[("db", db)]), Some(1.0));
        }
        // One database without the right to connect costs itself only.
        assert_eq!(page.value("pg_up", &[("db", "closed")]), Some(0.0));
        let health = agent.get("/healthz");
        assert_eq!(health.status, 200);
        for said in [
            "query disc_golf_writes is refused: it must begin with SELECT",
            "query disc_golf_evil is refused: function pg_cancel_backend",
            "local/two: query disc_golf_huge fails: left out: the result has more than 1000 series; label n has 1001 values or more",
            "query disc_golf_wrong fails: ",
        ] {
            assert!(health.text().contains(said), "{said}: {}", health.text());
        }
        let told = agent.log().lines().filter(|l| l.contains("disc_golf_huge") && l.contains("left out")).count();
        assert_eq!(told, 2, "once a database:\n{}", agent.log());

        // Labels that are gone leave; a locked table costs its own query.
        server.exec("golf", "DELETE FROM courses WHERE location LIKE 'F%'").await?;
        let mut holder = server.connect("golf").await?;
        sqlx::raw_sql("BEGIN; LOCK TABLE rounds IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await?;
        let (locked, before) = (Instant::now(), resident_kib(agent.pid()));
        agent.wait("a location is gone", SOON, |p| of(p, "disc_golf_course_count_by_location", "one").len() == 2);
        let mut slowest = Duration::ZERO;
        while locked.elapsed() < Duration::from_secs(10) {
            let asked = Instant::now();
            let page = agent.page();
            slowest = slowest.max(asked.elapsed());
            assert_eq!(page.value("pg_up", &[("db", "one")]), Some(1.0));
            assert_eq!(of(&page, "disc_golf_total_holes", "two"), [(None, 63.0)]);
            assert!(agent.get("/healthz").status == 200, "{}", agent.get("/healthz").text());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(slowest < Duration::from_secs(2), "a scrape waits for no lock: {slowest:?}");
        let page = agent.page();
        assert!(page.value("pgmon_query_errors_total", &[("query", "disc_golf_locked"), ("db", "one")]) >= Some(1.0));
        assert_eq!(page.value("pgmon_query_errors_total", &[("query", "disc_golf_locked"), ("db", "two")]), Some(0.0));
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await?;
        agent.wait("the lock is forgotten", SOON, |p| {
            p.value("pgmon_query_success", &[("query", "disc_golf_locked"), ("db", "one")]) == Some(1.0)
        });
        let grown = resident_kib(agent.pid()).saturating_sub(before);
        assert!(grown < 4096, "a million rows a round for ten seconds: {grown} KiB more");
        assert_eq!(server.query::<i64>("golf", "SELECT count(*) FROM courses").await?, 2);
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn queries_of_the_server_and_of_visited_databases(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["golf", "golf2"] {
            server.create_database(name).await?;
            server.exec(name, COURSES).await?;
        }
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        for name in ["golf", "golf2"] {
            server.exec(name, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO pgmon").await?;
        }
        let directory = tempfile::tempdir()?;
        let config = format!(
            r#"
databases:
- {{name: all, dsn: "{}", discover: true}}
- {{name: other, dsn: "{}"}}
queries:
- {{name: shop_databases, help: D., scope: server, query: "SELECT count(*) FROM pg_database WHERE datname LIKE 'golf%'", databases: [other]}}
- {{name: shop_courses, help: C., labels: [location], query: "SELECT location, count(*) FROM courses GROUP BY 1", databases: ["golf*", other]}}
- {{name: shop_everywhere, help: E., query: "SELECT 1", interval: 1s}}
"#,
            server.dsn_as("pgmon", &password, "postgres"),
            server.dsn_as("pgmon", &password, "golf2"),
        );
        let config = write(directory.path(), "pgmon.yaml", &config);
        let agent = Agent::start(&[("PGMON_CONFIG", config.to_str().unwrap())]);
        let page = agent.wait("all of it", SOON, |p| {
            p.all("shop_databases").count() == 2 && p.all("shop_courses").count() == 9 && p.all("shop_everywhere").count() >= 4
        });
        // Once per server, under each of its entries, because one of them is meant.
        for db in ["all", "other"] {
            assert_eq!(page.value("shop_databases", &[("db", db)]), Some(2.0));
        }
        let place = |s: &crate::page::Sample| (s.label("db").unwrap().to_owned(), s.label("datname").map(str::to_owned));
        let mut courses: Vec<_> = page.all("shop_courses").map(place).collect();
        courses.dedup();
        let golf = |name: &str| ("all".to_owned(), Some(name.to_owned()));
        courses.sort();
        courses.dedup();
        assert_eq!(courses, [golf("golf"), golf("golf2"), ("other".to_owned(), None)]);
        let mut everywhere: Vec<_> = page.all("shop_everywhere").map(place).collect();
        everywhere.sort();
        for wanted in [golf("golf"), golf("golf2"), golf("postgres"), ("other".to_owned(), None)] {
            assert!(everywhere.contains(&wanted), "{everywhere:?}");
        }
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn more_queries_than_there_is_time_for_starve_no_loop(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let mut queries = String::from("[");
        for n in 0..12 {
            queries += &format!("{{name: busy_{n}, help: B., interval: 1s, query: 'SELECT count(*) FROM generate_series(1, 2000000)'}},");
        }
        queries.push(']');
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_QUERIES", &queries)]);
        agent.wait_for_all_loops();
        let last = |p: &Page, name: &str| p.value("pgmon_last_scrape_timestamp_seconds", &[("loop", name)]).unwrap();
        let begun = agent.page();
        let later = agent.wait("every loop has run again", SOON, |p| {
            ["hot_path", "workload", "storage", "hourly"].iter().all(|l| last(p, l) > last(&begun, l) + 3.0)
        });
        assert!(later.all("pgmon_query_success").filter(|s| s.value == 1.0).count() >= 3, "{}", later.text);
        let health = agent.get("/healthz");
        assert_eq!(health.status, 200, "{}", health.text());
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn queries_through_a_pooler_leave_nothing_prepared(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.exec("postgres", "CREATE TYPE mood AS ENUM ('happy'); CREATE TABLE t AS SELECT 'happy'::mood AS m").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let bouncer = PgBouncer::builder(&server).user("pgmon", &password).start().await?;
        let config = format!(
            "databases: [{{name: x, dsn: \"{}\", pooled: true}}]\nqueries: [{{name: moods, help: M., labels: [m], query: 'SELECT m, count(*) FROM t GROUP BY m', interval: 1s}}]\n",
            bouncer.dsn_as("pgmon", &password, "postgres"),
        );
        let directory = tempfile::tempdir()?;
        let config = write(directory.path(), "pgmon.yaml", &config);
        let agent = Agent::start(&[("PGMON_CONFIG", config.to_str().unwrap())]);
        agent.wait("the figure", SOON, |p| p.value("moods", &[("m", "happy")]) == Some(1.0));
        let options = bouncer.dsn_as("pgmon", &password, "postgres").parse::<sqlx::postgres::PgConnectOptions>()?;
        let mut beside = sqlx::PgConnection::connect_with(&options.extra_float_digits(None)).await?;
        let kept = sqlx::raw_sql("SELECT count(*) AS n FROM pg_prepared_statements").fetch_one(&mut beside).await?;
        assert_eq!(kept.try_get::<i64, _>("n")?, 0, "named statements left in the pool");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn queries_keep_their_intervals_and_results_outlive_failures(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.exec("postgres", COURSES).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let queries = "[{name: a, help: A., interval: 5m, query: SELECT 1}, \
            {name: b, help: B., cache: 90s, query: SELECT count(*) FROM courses}]";
        let rig = Rig::with(&[("PGMON_DSN", &dsn), ("PGMON_QUERIES", queries)]).await;
        let state = |name: &str| rig.collector(0, &format!("query:{name}"));
        let ran = |name: &str| state(name).and_then(|s| s.custom?.last_mono);
        rig.until("both have run", 5, || ran("a").is_some() && ran("b").is_some()).await;
        let mut seen = [BTreeSet::new(), BTreeSet::new()];
        for _ in 0..180 {
            rig.advance(Duration::from_secs(5)).await;
            seen[0].extend(ran("a"));
            seen[1].extend(ran("b"));
        }
        let runs = seen.map(|times| times.len());
        assert!((3..=5).contains(&runs[0]) && (15..=17).contains(&runs[1]), "in 15 minutes: {runs:?}");
        server.exec("postgres", "DROP TABLE courses").await?;
        rig.until("it fails", 61, || state("b").is_some_and(|s| s.errors == 1)).await;
        let failed = state("b").unwrap();
        let age = rig.clock.mono() - failed.good.as_ref().unwrap().at_mono;
        assert!(age >= Duration::from_secs(30) && failed.keeps(Duration::from_secs(60)) == Duration::from_secs(90));
        assert!(matches!(state("a").unwrap().outcome, Outcome::Ok));
        Ok(())
    }
}
