//! Keys, users, certificates and SitRep's variables.

use super::{load, load_with};
use crate::{Config, Scope, key_digest};

const DSN: &str = "dsn: postgres://pgmon@localhost/shop\n";
const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn http(text: &str, env: &[(&str, &str)]) -> Config {
    load_with(&format!("{DSN}{text}"), env).unwrap().config
}

fn faults(text: &str) -> String {
    load(&format!("{DSN}{text}")).unwrap_err().to_string()
}

/// Name, digest and scope of each key.
fn keys(config: &Config) -> Vec<(Option<&str>, &str, Scope)> {
    let keys = &config.http.auth.api_keys;
    keys.iter().map(|k| (k.name.as_deref(), k.sha256.as_ref().unwrap().expose(), k.scope)).collect()
}

#[test]
fn a_key_is_a_text_or_has_a_name_a_file_or_a_digest_and_only_the_digest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "from-a-file-hunter2\n").unwrap();
    let digest = key_digest("by-its-digest-hunter2");
    let config = http(
        &format!(
            "http:\n  auth:\n    api_keys:\n    - plain-text-hunter2\n    - {{name: b, key: \"${{KEY}}\", scope: admin}}\n    \
             - {{name: c, key_file: {}}}\n    - {{name: d, sha256: {digest}}}\n",
            file.display()
        ),
        &[("KEY", "from-a-variable-hunter2")],
    );
    let digests =
        ["plain-text-hunter2", "from-a-variable-hunter2", "from-a-file-hunter2", "by-its-digest-hunter2"]
            .map(key_digest);
    assert_eq!(
        keys(&config),
        [
            (None, digests[0].as_str(), Scope::Read),
            (Some("b"), &digests[1], Scope::Admin),
            (Some("c"), &digests[2], Scope::Read),
            (Some("d"), &digests[3], Scope::Read),
        ]
    );
    assert!(config.http.auth.api_keys.iter().all(|key| key.key.is_none()));
    let shown = format!("{} {config:?}", config.redacted());
    assert!(!shown.contains("hunter2\"") && digests.iter().all(|digest| !shown.contains(digest)), "{shown}");
}

#[test]
fn keys_come_from_variables_in_every_form() {
    let one = key_digest("one-long-enough-key");
    for value in ["one-long-enough-key", "[one-long-enough-key]", "[{key: one-long-enough-key}]"] {
        assert_eq!(
            keys(&http("", &[("PGMON_HTTP_AUTH_API_KEYS", value)])),
            [(None, one.as_str(), Scope::Read)]
        );
    }
    let env = [
        ("PGMON_HTTP_AUTH_API_KEYS_0", "one-long-enough-key"),
        ("PGMON_HTTP_AUTH_API_KEYS_1_KEY", "two: {long} enough"),
        ("PGMON_HTTP_AUTH_API_KEYS_1_NAME", "two"),
    ];
    let error = load_with(DSN, &env).unwrap_err().to_string();
    assert!(error.contains("api_keys[1]") && !error.contains("enough}"), "{error}");
}

#[test]
fn sitreps_variables_count_where_nothing_else_is_set() {
    let env = [("EXPORTER_API_KEY", "sitreps-long-enough-key"), ("PORT", "9187")];
    let digest = key_digest("sitreps-long-enough-key");
    let config = http("", &env);
    assert_eq!(config.http.bind, "0.0.0.0:9187");
    assert_eq!(keys(&config), [(Some("EXPORTER_API_KEY"), digest.as_str(), Scope::Read)]);
    let config = http("", &[("EXPORTER_PORT", "9188"), ("PORT", "9187")]);
    assert_eq!(config.http.bind, "0.0.0.0:9188", "the documented name comes first");

    let env = [
        env[0],
        env[1],
        ("PGMON_HTTP_BIND", "127.0.0.1:1"),
        ("PGMON_HTTP_AUTH_API_KEYS", "pgmons-long-enough-key"),
    ];
    let config = http("", &env);
    assert_eq!(
        (config.http.bind.as_str(), keys(&config)[0].1),
        ("127.0.0.1:1", &*key_digest("pgmons-long-enough-key"))
    );
    let config = http("http: {bind: '127.0.0.1:2'}", &[env[1]]);
    assert_eq!(config.http.bind, "127.0.0.1:2");
    let config = http("", &[("PORT", "tcp://10.0.0.1:80")]);
    assert_eq!(config.http.bind, "127.0.0.1:8181", "not a port, not ours");
}

#[test]
fn what_does_not_go_together_is_said_at_once() {
    let text = format!(
        "http:\n  auth:\n    api_keys:\n    - {{name: a}}\n    - {{name: a, key: sixteen-characters, sha256: {}}}\n    - sixteen-characters-x\n    - sixteen-characters-x\n    \
         - two words hunter2\n    basic:\n    - {{user: 'a:b', password_hash: {HASH}}}\n    - {{user: c}}\n  tls: {{cert_file: /c}}\n  web_config_file: /nowhere/web.yml\n",
        key_digest("x")
    );
    let said = faults(&text);
    for wanted in [
        "pgmon.yaml:5:7: http.auth.api_keys[0]: needs a key",
        "http.auth.api_keys[1]: has both",
        "http.auth.api_keys[3]: is the same key as api_keys[2]",
        "http.auth.api_keys[4]: a key has",
        "has the name of api_keys[0]",
        "http.auth.basic[0]: needs a `user`",
        "http.auth.basic[1]: needs a password_hash",
        "http.tls: cert_file and key_file go together",
        "cannot read /nowhere/web.yml",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let said = faults(
        "http: {auth: {api_keys: [1234], basic: [{user: a, password_hash: hunter2hunter2}]}, rate_limit: {burst: 0}}",
    );
    assert!(said.contains("api_keys[0]") && said.contains("bcrypt") && said.contains("at least 1"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("1234"), "{said}");
}

#[test]
fn a_key_that_can_be_guessed_is_warned_of() {
    let loaded = load(&format!("{DSN}http: {{auth: {{api_keys: [short]}}, allow_anonymous: true}}")).unwrap();
    let keys: Vec<_> = loaded.warnings.iter().map(|warning| warning.key()).collect();
    assert_eq!(keys, ["http.auth.api_keys[0]", "http.allow_anonymous"]);
}

#[test]
fn default_labels_must_be_labels_of_their_own() {
    let config =
        http("default_labels: {exporter: custom_pg_exporter}", &[("PGMON_DEFAULT_LABELS", "{site: ams}")]);
    assert_eq!(config.default_labels["site"], "ams");
    let said = faults("default_labels: {db: x, '1a': x, __name__: x, ok: '', number: 1}");
    for name in ["db", "1a", "__name__", "ok", "number"] {
        assert!(
            said.contains(&format!("default_labels.{name}")) || name == "number" || said.contains("number"),
            "{name}: {said}"
        );
    }
    let said = faults("default_labels: {number: 1}");
    assert!(said.contains("put it in quotes"), "{said}");
}
