//! The command line without a server.

use crate::agent::pgmon;
use std::process::Output;

fn run(args: &[&str]) -> Output {
    pgmon().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_a_database_it_says_what_to_do() {
    let out = run(&[]);
    assert_eq!(out.status.code(), Some(2));
    let error = text(&out.stderr);
    assert!(error.contains("--dsn") || error.contains("PGMON_DSN"), "{error}");
}

#[test]
fn a_bad_file_is_told_with_line_and_suggestion_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pgmon.yaml");
    std::fs::write(&file, "cluster: x\ndsn: postgres://pgmon:canary-7@db1/shop\nsample_intervalls: {hot_path: 1s}\nlimits: {top_queries: many}\n").unwrap();
    let out = run(&["check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    let error = text(&out.stderr);
    assert!(error.contains("pgmon.yaml:3") && error.contains("sample_intervals"), "{error}");
    assert!(error.contains("pgmon.yaml:4") && error.contains("top_queries"), "all errors at once: {error}");
    assert!(!error.contains("canary-7"), "{error}");
}

#[test]
fn the_documents_example_works_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pgmon.yaml");
    std::fs::write(&file, include_str!("document.yaml")).unwrap();
    let out = run(&["check-config", "--show", "--config", file.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let shown = text(&out.stdout);
    assert!(
        shown.contains("hydro-prod/postgres") && shown.contains("monitor@pg-host:5432/postgres"),
        "{shown}"
    );
    assert!(shown.contains("sslmode=require") && !shown.contains("***"), "{shown}");
}

#[test]
fn every_key_can_be_given_by_the_environment() {
    let out = pgmon()
        .args(["check-config", "--show"])
        .env("PGMON_DSN", "postgres://pgmon@db1/shop")
        .env("PGMON_ALERTS_CONNECTIONS_WARN", "0.7")
        .env("PGMON_SAMPLE_INTERVALS_HOT_PATH", "5s")
        .output()
        .unwrap();
    let shown = text(&out.stdout);
    assert!(
        out.status.success()
            && shown.contains("\"connections_warn\": 0.7")
            && shown.contains("\"hot_path\": \"5s\""),
        "{shown}"
    );
    assert!(shown.contains("sslmode=require"), "a remote database is not asked in clear text: {shown}");
}

#[test]
fn help_schema_completions_and_manual_are_there() {
    for (args, wanted) in [
        (&["--help"][..], "pgmon doctor"),
        (&["schema"][..], "\"sample_intervals\""),
        (&["completions", "bash"][..], "_pgmon"),
        (&["man"][..], ".TH pgmon"),
        (&["sql", "locks", "--pg", "13"][..], "pg_blocking_pids"),
        (&["setup-sql"][..], "pg_monitor"),
    ] {
        let out = run(args);
        assert!(out.status.success() && text(&out.stdout).contains(wanted), "{args:?}: {out:?}");
    }
    // A sentence, whatever its figures are called.
    let sql = text(&run(&["sql"]).stdout);
    assert!(sql.contains("not seen without: what autovacuum") && !sql.contains("no what"), "{sql}");
    let wrong = run(&["sql", "lokcs"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("locks"), "{wrong:?}");
}

#[test]
fn a_canary_that_would_write_is_refused_before_anything_starts() {
    for (statement, ok) in
        [("SELECT 1 FROM orders", true), ("SELECT lo_create(0)", false), ("SELECT 1; DROP TABLE t", false)]
    {
        let out = pgmon()
            .args(["check-config", "--dsn", "postgres://pgmon@127.0.0.1/shop"])
            .env("PGMON_CANARY_STATEMENT", statement)
            .output()
            .unwrap();
        assert_eq!(out.status.success(), ok, "{statement}: {out:?}");
        assert!(ok || text(&out.stderr).contains("canary.statement"), "{out:?}");
    }
}

#[test]
fn check_config_reports_a_root_certificate_that_is_not_there() {
    let dsn = "postgres://u@127.0.0.1/x?sslmode=verify-ca&sslrootcert=/none/ca.pem";
    let out = run(&["check-config", "--dsn", dsn]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("error: --dsn: dsn: sslrootcert /none/ca.pem cannot be read"), "{said}");
}
