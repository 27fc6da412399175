//! What is accepted, and what it comes to.

use std::time::Duration;

use proptest::prelude::*;

use super::{load, load_with, options};
use crate::{Config, Host, LoadOptions, Overrides, PasswordSource, Source, SslMode};

const DOCUMENTED: &str = r#"
cluster: "hydro-prod"
dsn: "postgres://monitor:***@pg-host:5432/postgres?sslmode=require"
sample_intervals:
  hot_path: "15s"
  workload: "60s"
  storage: "10m"
  hourly: "1h"
limits:
  top_relations: 50
  top_indexes: 50
  top_queries: 50
alerts:
  connections_warn: 0.80
  long_txn_warn_s: 300
  long_txn_crit_s: 1800
  repl_warn_s: 30
  repl_crit_s: 300
notifiers:
  slack_webhook: ""   # optional
  email_smtp: ""      # optional
http:
  bind: "0.0.0.0:8181"
security:
  read_only_enforce: true
  redact_sql_text: true
timeouts:
  statement_timeout_ms: 3000
  lock_timeout_ms: 1000
"#;

#[test]
fn the_documented_example_loads_as_it_is() {
    let loaded = load(DOCUMENTED).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.source, Source::File("pgmon.yaml".into()));
    assert_eq!(loaded.config.http.bind, "0.0.0.0:8181");
    assert_eq!(loaded.config.sample_intervals.storage.duration(), Duration::from_secs(600));
    let [entry] = &loaded.entries[..] else { panic!("one entry") };
    assert_eq!((entry.cluster.as_str(), entry.db.as_str()), ("hydro-prod", "postgres"));
    assert_eq!(entry.connect.to_string(), "monitor@pg-host:5432/postgres");
    assert_eq!(entry.connect.password, PasswordSource::Given("***".into()));
    assert_eq!(entry.connect.sslmode, Some(SslMode::Require));
}

#[test]
fn keys_of_the_public_original_are_accepted() {
    let loaded = load(
        "dsn: host=localhost user=pgmon dbname=shop\n\
         bloat: {sampling_mode: exact, top_n_tables: 10, enable_pageinspect: false, min_reclaim_bytes: 104857600}\n\
         alerts: {checkpoint_interval_crit_seconds: 180, wraparound_crit_tx_age: 1800000000, stats_stale_crit_hours: 24}\n\
         http: {static_dir: frontend/dist}\n\
         ui: {hide_postgres_defaults: true}\n\
         notifiers: {slack_webhook: null, email_smtp: }\n",
    )
    .unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "pgmon.yaml:2:49: bloat.enable_pageinspect: deprecated, has no effect: pageinspect needs a superuser",
            "pgmon.yaml:4:8: http.static_dir: deprecated, has no effect: the UI is embedded",
        ]
    );
    assert_eq!(loaded.config.bloat.min_relation_bytes.bytes(), 104_857_600);
    assert!(loaded.config.notifiers.slack_webhook.is_empty());
}

#[test]
fn no_file_is_needed() {
    let mut options = options(&[("PGMON_DSN", "postgres://pgmon@db1/shop")]);
    let loaded = Config::load(&options).unwrap();
    assert_eq!(loaded.source, Source::NoFile);
    assert_eq!((loaded.entries[0].cluster.as_str(), loaded.entries[0].db.as_str()), ("local", "shop"));

    let dsn = Some("postgres://pgmon@db2/shop".into());
    options.overrides =
        Overrides { dsn, cluster: Some("c".into()), bind: Some("[::]:1".into()), ..Overrides::default() };
    let loaded = Config::load(&options).unwrap();
    assert_eq!(loaded.entries[0].connect.host, Host::Name("db2".into()));
    assert_eq!((loaded.entries[0].cluster.as_str(), loaded.config.http.bind.as_str()), ("c", "[::]:1"));
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "# nothing\n", "---\n", "{}", "\u{feff}", "limits:\n"] {
        let loaded = load_with(text, &[("PGMON_DSN", "postgres://pgmon@localhost/shop")]).unwrap();
        assert_eq!(Config { dsn: None, ..loaded.config }, Config::default(), "{text:?}");
    }
}

#[test]
fn the_dsn_of_the_command_line_replaces_that_of_the_file() {
    let mut options = options(&[("PGMON_DSN", "postgres://a@env/env")]);
    let text = "dsn_file: /nowhere\ndatabases: [{dsn: 'postgres://a@db3/three'}]";
    let labels = |options: &LoadOptions| -> Vec<String> {
        let loaded = Config::load_text("pgmon.yaml".as_ref(), text, options).unwrap();
        loaded.entries.into_iter().map(|entry| entry.db).collect()
    };
    assert_eq!(labels(&options), ["env", "three"]);
    options.overrides.dsn = Some("postgres://a@flag/flag".into());
    assert_eq!(labels(&options), ["flag", "three"]);
}

#[test]
fn the_file_is_looked_for_where_it_may_be() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("cluster: {name}\ndsn: postgres://a@localhost/b\n")).unwrap();
        path
    };
    let (flag, env, first) = (write("flag"), write("env"), write("default"));
    let mut options = options(&[]);
    options.default_paths = vec![directory.path().join("missing"), first];
    let cluster = |options: &LoadOptions| Config::load(options).unwrap().config.cluster;
    assert_eq!(cluster(&options), "default");
    options.env.insert("PGMON_CONFIG".into(), env.display().to_string());
    assert_eq!(cluster(&options), "env");
    options.path = Some(flag);
    assert_eq!(cluster(&options), "flag");

    options.path = Some("/nowhere/pgmon.yaml".into());
    let error = Config::load(&options).unwrap_err().to_string();
    assert_eq!(error, "--config: cannot read /nowhere/pgmon.yaml: No such file or directory (os error 2)");
}

#[test]
fn entries_get_their_defaults_as_libpq_gives_them() {
    let env = [("PGHOST", "db9"), ("PGPORT", "6000"), ("PGUSER", "watcher"), ("PGPASSWORD", "pw")];
    let loaded = load_with(
        "databases: [{database: shop}, {dsn: 'postgres://x@h/y', discover: true, pooled: true}]",
        &env,
    );
    let entries = loaded.unwrap().entries;
    assert_eq!(entries[0].connect.to_string(), "watcher@db9:6000/shop");
    assert_eq!(entries[0].connect.password, PasswordSource::Given("pw".into()));
    assert_eq!(entries[1].connect.to_string(), "x@h:6000/y");
    assert!(entries[1].discover && entries[1].pooled);

    let entries = load("dsn: postgres://only@localhost").unwrap().entries;
    assert_eq!(entries[0].connect.to_string(), "only@localhost:5432/only");
}

#[test]
fn tls_is_required_of_other_machines_only() {
    let mode = |host: &str| {
        let loaded = load(&format!("databases: [{{host: '{host}', user: a, database: b}}]")).unwrap();
        loaded.entries[0].connect.effective_sslmode()
    };
    assert_eq!(mode("db1"), SslMode::Require);
    assert_eq!(mode("10.0.0.1"), SslMode::Require);
    assert_eq!(mode("127.0.0.1"), SslMode::Prefer);
    assert_eq!(mode("localhost"), SslMode::Prefer);
    assert_eq!(mode("/run/postgresql"), SslMode::Prefer);

    let loaded = load("dsn: postgres://a@db1/b?sslmode=disable").unwrap();
    assert_eq!(
        loaded.warnings[0].to_string(),
        "pgmon.yaml:1:1: dsn: sslmode=disable to another machine: the connection may go without TLS"
    );
}

#[test]
fn variables_and_aliases_are_written_out() {
    let text = "cluster: ${CLUSTER:-none}\n\
                databases:\n\
                - &one {name: one, host: localhost, user: a, password: '${PASSWORD}', port: '${PORT}'}\n\
                - {name: two, host: db2, user: '$${literal}'}\n\
                - {cluster: other, name: one, host: localhost, user: '${NUMERIC}'}\n\
                canary: {enabled: \"${CANARY}\"}\n";
    let env = [("PASSWORD", "a: b$$${X}"), ("PORT", "6000"), ("CANARY", "false"), ("NUMERIC", "12")];
    let loaded = load_with(text, &env).unwrap();
    assert_eq!(loaded.config.cluster, "none");
    assert_eq!(loaded.entries[0].connect.password, PasswordSource::Given("a: b$$${X}".into()));
    assert_eq!(loaded.entries[0].connect.port, 6000);
    assert_eq!(loaded.entries[1].connect.user, "${literal}");
    assert_eq!(loaded.entries[2].connect.user, "12");
    assert!(!loaded.config.canary.enabled);
}

#[test]
fn secrets_are_read_from_files_beside_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("password"), "p${a}ss\r\n").unwrap();
    std::fs::write(directory.path().join("dsn"), "postgres://a:b@db1/shop\n").unwrap();
    let text = "dsn_file: dsn\n\
                databases: [{host: db2, user: a, database: b, password_file: password, sslrootcert: ca.pem}]\n\
                notifiers: {slack_webhook_file: password}\n\
                history: {path: history}\n";
    let path = directory.path().join("pgmon.yaml");
    let loaded = Config::load_text(&path, text, &options(&[])).unwrap();
    assert_eq!(loaded.entries[0].connect.to_string(), "a@db1:5432/shop");
    assert_eq!(loaded.entries[0].connect.password, PasswordSource::DsnFile(directory.path().join("dsn")));
    assert_eq!(loaded.entries[1].connect.password, PasswordSource::File(directory.path().join("password")));
    assert_eq!(loaded.entries[1].connect.sslrootcert, Some(directory.path().join("ca.pem")));
    assert_eq!(loaded.config.notifiers.slack_webhook.expose(), "p${a}ss");
    assert_eq!(loaded.config.history.directory(), Some(&*directory.path().join("history")));
}

#[test]
fn odd_intervals_and_thresholds_are_warned_of() {
    let loaded = load(
        "dsn: postgres://a@localhost/b\n\
         sample_intervals: {hot_path: 1s}\n\
         budgets: {hot_path: 1500ms}\n\
         alerts: {connections_warn: 0.99, checkpoint_interval_warn_seconds: 60}\n",
    )
    .unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.key()).collect();
    assert_eq!(
        warnings,
        ["sample_intervals.hot_path", "alerts.connections_warn", "alerts.checkpoint_interval_warn_seconds"]
    );
}

#[test]
fn the_schema_describes_every_key() {
    fn walk(schema: &serde_json::Value, path: &str) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(property["description"].is_string(), "{path} has no description");
            assert!(
                property["default"] != serde_json::Value::Null || property["examples"].is_array(),
                "{path} has neither a default nor an example"
            );
            walk(property, &path);
            walk(&property["items"], &path);
        }
    }
    let schema = crate::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(
        schema["properties"]["limits"]["properties"]["top_queries"]["x-env"],
        "PGMON_LIMITS_TOP_QUERIES"
    );
    walk(&schema, "");
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", yaml in "(\\PC|[ \n:{}\\[\\]&*!|>'\"%@$-]){0,60}") {
        let _ = load(&text);
        let _ = load(&yaml);
    }

    #[test]
    fn no_value_of_a_key_panics(
        key in prop::sample::select(vec!["dsn", "databases", "http", "limits", "sample_intervals", "dsn_file"]),
        value in "(\\PC|[ \n:{}\\[\\]&*!|>'\"%@$-]){0,40}",
    ) {
        let _ = load(&format!("{key}: {value}"));
        let _ = load_with("", &[(&format!("PGMON_{}", key.to_ascii_uppercase()), &value)]);
    }
}
