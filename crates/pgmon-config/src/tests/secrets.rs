//! A secret is in no message, wherever it stands.

use super::{load, load_with};

const CANARY: &str = "hunter2canary";

#[test]
fn no_error_or_warning_repeats_a_secret() {
    let texts = [
        "dsn: postgres://u:{}@h:x/d",
        "dsn: postgres://u:a/{}@h/d",
        "dsn: postgres://u:a?{}=1@h/d",
        "dsn: postgres://u:a#{}@h/d",
        "dsn: postgres://h/d?{}=1",
        "dsn: host=h {}=1",
        "dsn: host=h password=a {}",
        "dsn:postgres://u:{}@h/d",
        "dsn:postgres://u:{}@h/d: 1",
        "dsn: [postgres://u:{}@h/d]",
        "dsn: {postgres://u:{}@h/d: }",
        "dsn: \"postgres://u:{}@h/d\" trailing",
        "dsn: 'postgres://u:{}@h/d",
        "dsn: *{}",
        "dsn: !{} x",
        "dsn: ${postgres://u:{}@h/d}",
        "dsn: ${{} }",
        "databases: [{password: a,{}}]",
        "databases: [{password: a,{}, {}}]",
        "databases: [{host: h, sslmode: {}}]",
        "databases: [{host: h, port: {}}]",
        "databases: [{host: h, discover: {}}]",
        "databases: [{host: '{}!'}]",
        "databases: [{host: h, password: [{}]}]",
        "databases: {password: {}}",
        "databases: {}",
        "limits: {top_queries: {}}",
        "sample_intervals: {hot_path: {}}",
        "history: {max_bytes: {}}",
        "http: {bind: {}}",
        "http: {bind: '{}:1:1'}",
        "logging: {level: {}}",
        "notifiers: {slack_webhook: {a: {}}}",
        "notifiers: {}",
        "'a {}': 1",
        "? [{}]\n: 1",
        "{}",
        "- {}",
        "a: b: {}",
        "cluster: [{}",
    ];
    for text in texts {
        let text = text.replace("{}", CANARY);
        for result in [load(&text), load_with(&text, &[("PGMON_DSN", "postgres://u@localhost/d")])] {
            let said = match result {
                Err(errors) => format!("{errors} {errors:?}"),
                Ok(loaded) => format!("{loaded:?} {}", loaded.config.redacted()),
            };
            assert!(!said.contains(CANARY), "{text}\n{said}");
        }
        // The same from a variable, with a value at every key.
        for name in [
            "PGMON_DSN",
            "PGMON_DATABASES",
            "PGMON_HTTP",
            "PGMON_LIMITS_TOP_QUERIES",
            "PGMON_DATABASES_0_PORT",
        ] {
            let Err(errors) = load_with("", &[(name, &text)]) else { continue };
            assert!(!format!("{errors} {errors:?}").contains(CANARY), "{name}={text}\n{errors}");
        }
    }
}

#[test]
fn the_view_for_showing_has_no_secrets() {
    let text = format!(
        "dsn: postgres://u:{CANARY}@localhost:1/d?sslrootcert=/ca\n\
         databases: [{{host: db1, user: x, password: {CANARY}}}]\n\
         notifiers: {{slack_webhook: {CANARY}, email_smtp: {CANARY}}}\n"
    );
    let loaded = load(&text).unwrap();
    let view = loaded.config.redacted();
    assert!(!format!("{view} {loaded:?}").contains(CANARY));
    assert_eq!(view["dsn"], "u@localhost:1/d");
    assert_eq!(view["databases"][0]["password"], "[redacted]");
    assert_eq!(view["notifiers"]["slack_webhook"], "[redacted]");
    assert_eq!(view["http"]["bind"], "127.0.0.1:8181");
}
