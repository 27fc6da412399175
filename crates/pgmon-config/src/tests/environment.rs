//! Every key from the environment.

use super::{load_with, options};
use crate::{Config, PasswordSource, SamplingMode, Secret};

const DSN: (&str, &str) = ("PGMON_DSN", "postgres://pgmon@localhost/shop");

#[test]
fn keys_of_every_type_are_overridden() {
    let env = [
        DSN,
        ("PGMON_CLUSTER", "2024"),
        ("PGMON_ALERTS_CONNECTIONS_WARN", "0.7"),
        ("PGMON_SAMPLE_INTERVALS_HOT_PATH", "5s"),
        ("PGMON_HTTP_BIND", "0.0.0.0:80"),
        ("PGMON_SECURITY_REDACT_SQL_TEXT", "false"),
        ("PGMON_BLOAT_SAMPLING_MODE", "detailed"),
        ("PGMON_BLOAT_MIN_RECLAIM_BYTES", "1MiB"),
        ("PGMON_NOTIFIERS_SLACK_WEBHOOK", "https://x/${NOT_A_VARIABLE}"),
        ("PGMON_LIMITS", "{top_relations: 7, top_indexes: 8}"),
        ("PGMON_LIMITS_TOP_INDEXES", "9"),
        ("PGMON_LIMITS_TOP_QUERIES", ""),
    ];
    let config =
        load_with("alerts: {connections_warn: 0.6}\nlimits: {top_queries: 10}", &env).unwrap().config;
    assert_eq!(config.cluster, "2024");
    assert_eq!(config.alerts.connections_warn, 0.7);
    assert_eq!(config.sample_intervals.hot_path.to_string(), "5s");
    assert_eq!(config.http.bind, "0.0.0.0:80");
    assert!(!config.security.redact_sql_text);
    assert_eq!(config.bloat.sampling_mode, SamplingMode::Detailed);
    assert_eq!(config.bloat.min_relation_bytes.bytes(), 1 << 20);
    assert_eq!(config.notifiers.slack_webhook, Secret::new("https://x/${NOT_A_VARIABLE}"));
    let limits = &config.limits;
    assert_eq!((limits.top_relations, limits.top_indexes, limits.top_queries), (7, 9, 50));
}

#[test]
fn lists_are_set_whole_or_by_number() {
    let whole = ("PGMON_DATABASES", r#"[{"name": "a", "host": "db1", "user": "x"}]"#);
    let labels = |env: &[(&str, &str)]| -> Vec<String> {
        let loaded = load_with("databases: [{name: file, host: f, user: x}]", env).unwrap();
        loaded.entries.iter().map(|entry| format!("{} {}", entry.db, entry.connect)).collect()
    };
    assert_eq!(labels(&[whole]), ["a x@db1:5432/x"]);
    let second = ("PGMON_DATABASES_1_DSN", "postgres://y@db2/b");
    assert_eq!(labels(&[second, whole]), ["a x@db1:5432/x", "b y@db2:5432/b"]);
    let port = ("PGMON_DATABASES_0_PORT", "6000");
    assert_eq!(labels(&[port]), ["file x@f:6000/x"]);
}

#[test]
fn a_secret_of_the_environment_replaces_the_file_of_the_configuration() {
    let text = "databases: [{host: localhost, user: a, password_file: /nowhere}]";
    let loaded = load_with(text, &[("PGMON_DATABASES_0_PASSWORD", "pw")]).unwrap();
    assert_eq!(loaded.entries[0].connect.password, PasswordSource::Given("pw".into()));
}

#[test]
fn unknown_variables_are_warned_of() {
    let env = [
        DSN,
        ("PGMON_ALERT_CONNECTIONS_WARN", "0.7"),
        ("PGMON_QUUX", "1"),
        ("PGMON_DATA_DIR", "/d"),
        ("PGMON_TEST_X", "1"),
        ("PGMON_PORT", "tcp://10.0.0.1:8181"),
        ("PGMON_SERVICE_HOST", "10.0.0.1"),
        ("PGMONITOR", "1"),
    ];
    let warnings = Config::load(&options(&env)).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "PGMON_ALERT_CONNECTIONS_WARN: unknown variable, it has no effect; did you mean PGMON_ALERTS_CONNECTIONS_WARN?",
            "PGMON_QUUX: unknown variable, it has no effect",
        ]
    );
}

#[test]
fn bad_values_name_their_variable() {
    let env = [
        ("PGMON_DSN", "mysql://x"),
        ("PGMON_ALERTS_CONNECTIONS_WARN", "much"),
        ("PGMON_LIMITS_TOP_QUERIES", "0"),
        ("PGMON_SAMPLE_INTERVALS_HOT_PATH", "15"),
        ("PGMON_SECURITY_READ_ONLY_ENFORCE", "yes"),
        ("PGMON_DATABASES", "[{nam: x}"),
        ("PGMON_DATABASES_3_DSN", "x"),
        ("PGMON_LOGGING", "loud"),
        ("PGMON_LOGGING_LEVEL", "inf"),
    ];
    insta::assert_snapshot!(Config::load(&options(&env)).unwrap_err());
}
