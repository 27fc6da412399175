//! What commands say of queries: run once, checked, described, and refused at the start.

use super::{COURSES, QUERIES, write};
use crate::agent::pgmon;
use crate::page::Page;
use pgmon_testkit::{Major, Server, Tier};
use std::path::Path;
use std::process::Output;

fn test_file(file: &Path, dsn: &str) -> Output {
    pgmon().args(["query", "test", file.to_str().unwrap(), "--dsn", dsn]).output().unwrap()
}

#[tokio::test]
async fn query_test_runs_them_once_and_says_what_is_wrong() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    server.exec("postgres", COURSES).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T1).await.unwrap();
    let dsn = server.dsn_as("pgmon", &password, "postgres");
    let directory = tempfile::tempdir().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();

    let all = test_file(&write(directory.path(), "queries.json", QUERIES), &dsn);
    let (page, said) = (text(&all.stdout), text(&all.stderr));
    assert_eq!(all.status.code(), Some(1), "{said}");
    let page = Page::parse(&page);
    assert_eq!(page.value("disc_golf_total_holes", &[("db", "postgres"), ("cluster", "local")]), Some(63.0));
    assert_eq!(page.all("disc_golf_course_count_by_location").count(), 3);
    for wanted in [
        "refused: ",
        "queries.json:10: query disc_golf_writes: it must begin with SELECT",
        "query disc_golf_evil: function pg_cancel_backend is not allowed here: it acts outside",
        "local/postgres: ",
        "queries.json:9: query disc_golf_wrong: column \"nothing\" does not exist",
        "query disc_golf_huge: left out: the result has more than 1000 series; label n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains(&password) && said.matches("disc_golf_writes").count() == 1, "{said}");

    let good = "- {name: a, help: A., query: 'SELECT 1 AS n, 2 AS m'}\n- {name: b, help: B., query: SELECT 1, max_version: 12}\n";
    let good = test_file(&write(directory.path(), "good.yaml", good), &dsn);
    assert_eq!(
        (good.status.code(), text(&good.stdout)),
        (Some(0), "# HELP a A.\n# TYPE a gauge\na{cluster=\"local\",db=\"postgres\"} 1\n".into())
    );
    let said = text(&good.stderr);
    assert!(
        said.contains("query a: the value is column n, the first of n, m")
            && said.contains("query b does not run here"),
        "{said}"
    );

    let bad = test_file(&write(directory.path(), "bad.yaml", "- {name: a, query: SELECT 1, typ: x}\n"), &dsn);
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        text(&bad.stderr).contains("bad.yaml:1:30: [0].typ: unknown key; did you mean type?"),
        "{}",
        text(&bad.stderr)
    );
    assert_eq!(test_file(&directory.path().join("gone.yaml"), &dsn).status.code(), Some(2));
    let good = directory.path().join("good.yaml");
    let writer = test_file(&good, &server.dsn("postgres"));
    assert_eq!(writer.status.code(), Some(3), "{}", text(&writer.stderr));
    assert_eq!(test_file(&good, "postgres://pgmon@127.0.0.1:1/postgres").status.code(), Some(1));
}

#[test]
fn check_config_lists_all_that_is_wrong_for_programs_too() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        "queries.json",
        "[\n{\"name\": \"a b\", \"help\": \"A.\", \"query\": \"SELECT 1\"},\n{\"name\": \"c\", \"helf\": \"C.\", \"query\": \"SELECT 1\"}]",
    );
    write(
        directory.path(),
        "databases.json",
        "{\"databases\": [{\"name\": \"x\", \"host\": \"localhost\", \"prot\": 1, \"user\": \"u\"}]}",
    );
    let config = write(
        directory.path(),
        "pgmon.yaml",
        "databases_file: databases.json\nqueries_file: queries.json\nlimit: {}\n",
    );
    let run = |more: &[&str]| {
        let mut command = pgmon();
        command.args(["check-config", "--config", config.to_str().unwrap()]).args(more);
        command.output().unwrap()
    };
    let out = run(&["--format", "json"]);
    assert_eq!(out.status.code(), Some(2));
    let listed: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let said: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            let file = d["file"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{file}:{}{} {}", d["line"], d["pointer"].as_str().unwrap(), d["mend"].is_string())
        })
        .collect();
    assert_eq!(
        said,
        [
            "databases.json:1/databases/0/prot true",
            "pgmon.yaml:3/limit true",
            "queries.json:2/0/name true",
            "queries.json:3/1/helf true"
        ]
    );

    // A query that is refused is no reason not to start, but the configuration is not right.
    write(
        directory.path(),
        "queries.json",
        "[{\"name\": \"a\", \"help\": \"A.\", \"query\": \"TRUNCATE t\"}]",
    );
    write(
        directory.path(),
        "databases.json",
        "{\"databases\": [{\"name\": \"x\", \"host\": \"localhost\", \"user\": \"u\"}]}",
    );
    std::fs::write(&config, "databases_file: databases.json\nqueries_file: queries.json\n").unwrap();
    let out = run(&[]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(said.contains("queries.json:1:2: [0].query: query a is refused: it must begin with SELECT, WITH, VALUES or TABLE, not TRUNCATE; change or remove it: pgmon starts without it"), "{said}");
}

#[test]
fn schemas_of_all_files_are_printed() {
    for (kind, wanted) in
        [("main", "\"sample_intervals\""), ("queries", "\"valueField\""), ("databases", "\"pass\"")]
    {
        let out = pgmon().args(["schema", kind]).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && text.contains(wanted), "{kind}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}

#[test]
fn a_bad_file_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let queries = write(directory.path(), "queries.json", "[{\"name\": \"a\"");
    let out = pgmon()
        .args(["--dsn", "postgres://u@127.0.0.1:1/x"])
        .env("QUERIES_FILE", &queries)
        .env("PGMON_HTTP_BIND", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("queries.json:1:") && said.contains("invalid JSON"), "{said}");
}
