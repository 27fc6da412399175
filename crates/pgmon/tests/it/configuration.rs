//! What is wrong with a configuration, and reading it again when that goes wrong.

use crate::agent::{Agent, pgmon};
use crate::reload::{Configured, FAST};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nobody listens there: what these tests look at needs no server.
const NOBODY: &str = "dsn: postgres://u@127.0.0.1:1/d\n";

/// Something wrong in every part of a configuration; each line with a fault ends in a number.
const ALL_WRONG: &str = "\
dsn: postgres://u@localhost/d
sample_intervals: {hot_path: 10ms}  # interval
limits: {top_querys: 1}  # unknown
default_labels: {db: x}  # label
canary: {enabled: true, statement: DELETE FROM t}  # canary
secrets: {vault: {address: vault:8200, token: t}}  # vault
queries_file: queries.json
http:
  auth:
    api_keys:
    - {name: a}  # key
    - {name: b, key_file: nokey}  # key_file
    basic:
    - {user: c, password_hash: nonsense}  # hash
  tls:
    cert_file: nocert  # cert
    key_file: nokey  # tlskey
    client_ca_file: noca  # ca
  web_config_file: web.yml
queries:
- {name: writes, help: W., query: DELETE FROM t}  # query
- {name: 'a b', help: A., query: SELECT 1}  # name
";

const WEB: &str = "\
tls_server_config:
  cert_file: nowebcert
  key_file: nowebkey
  min_version: TLS10  # tls10
  cipher_suites: [TLS_NULL]
basic_auth_users:
  alice: nonsense  # webhash
";

const QUERIES: &str = "[\n{\"name\": \"q\", \"helf\": \"Q.\", \"query\": \"TRUNCATE t\"}]";

#[test]
fn everything_that_is_wrong_is_told_at_once_with_place_and_mend() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("pgmon.yaml", ALL_WRONG);
    write("web.yml", WEB);
    write("queries.json", QUERIES);
    let out = pgmon()
        .args(["check-config", "--format", "json", "--config"])
        .arg(directory.path().join("pgmon.yaml"))
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&out.stdout).unwrap();
    let text = |d: &serde_json::Value, key: &str| d[key].as_str().unwrap_or_default().to_owned();
    let told = |file: &str, line: usize, pointer: &str| {
        let found = listed
            .iter()
            .find(|d| text(d, "file").ends_with(file) && d["line"] == line && text(d, "pointer") == pointer);
        let Some(found) = found else { panic!("{file}:{line} {pointer}\n{listed:#?}") };
        assert!(text(found, "mend").len() > 3, "{found}");
    };
    let line = |text: &str, mark: &str| text.lines().position(|l| l.ends_with(mark)).unwrap() + 1;
    for (mark, pointer) in [
        ("# interval", "/sample_intervals/hot_path"),
        ("# unknown", "/limits/top_querys"),
        ("# label", "/default_labels/db"),
        ("# canary", "/canary/statement"),
        ("# vault", "/secrets/vault/address"),
        ("# key", "/http/auth/api_keys/0"),
        ("# key_file", "/http/auth/api_keys/1/key_file"),
        ("# hash", "/http/auth/basic/0/password_hash"),
        ("# cert", "/http/tls/cert_file"),
        ("# tlskey", "/http/tls/key_file"),
        ("# ca", "/http/tls/client_ca_file"),
        ("# query", "/queries/0/query"),
        ("# name", "/queries/1/name"),
    ] {
        told("pgmon.yaml", line(ALL_WRONG, mark), pointer);
    }
    told("web.yml", line(WEB, "# tls10"), "/tls_server_config/min_version");
    told("web.yml", line(WEB, "# webhash"), "/basic_auth_users/alice");
    told("queries.json", 2, "/0/helf");
    told("queries.json", 2, "/0/query");
    // Nothing twice, and nothing that merely follows.
    let mut places: Vec<_> = listed.iter().map(|d| (text(d, "file"), text(d, "pointer"))).collect();
    let all = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), all, "{listed:#?}");
    assert!(!listed.iter().any(|d| text(d, "message").contains("no usable")), "{listed:#?}");
}

#[test]
fn what_only_the_files_of_the_toolkit_have_wrong_is_told_with_its_lines() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("pgmon.yaml", &format!("{NOBODY}http:\n  web_config_file: web.yml\n"));
    write(
        "web.yml",
        "tls_server_config:\n  cert_file: nocert\n  key_file: nokey\n  cipher_suites:\n  - TLS_NULL\n  curve_preferences: [X448]\n",
    );
    let out =
        pgmon().args(["check-config", "--config"]).arg(directory.path().join("pgmon.yaml")).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    for wanted in [
        "web.yml:2:3: tls_server_config.cert_file: cannot read",
        "web.yml:3:3: tls_server_config.key_file: cannot read",
        "web.yml:5:5: tls_server_config.cipher_suites[0]: TLS_NULL is not offered",
        "web.yml:6:23: tls_server_config.curve_preferences[0]: X448 is not offered",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_one_from_the_shell_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (config, pipe) = (directory.path().join("pgmon.yaml"), directory.path().join("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::write(&config, format!("{NOBODY}queries_file: pipe\n")).unwrap();
    let out = pgmon().args(["check-config", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        said.contains("pgmon.yaml:2:1: queries_file: cannot read") && said.contains("no regular file"),
        "{said}"
    );

    let mut command = pgmon();
    command.args(["check-config", "--config", "/dev/stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), NOBODY.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn a_reload_that_hangs_holds_up_neither_health_nor_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("pgmon.yaml");
    std::fs::write(&config, format!("{FAST}{NOBODY}")).unwrap();
    let mut command = pgmon();
    // Standard input stands for a file system that does not answer: nobody ever writes into it.
    command.arg("--config").arg(&config).stdin(Stdio::piped());
    let mut agent = Agent::spawn(command);
    std::fs::write(&config, format!("{FAST}{NOBODY}queries_file: /dev/stdin\n")).unwrap();
    agent.signal("HUP");
    std::thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    assert_eq!(agent.get("/livez").status, 200);
    assert!(agent.get("/healthz").text().contains("\"status\""));
    assert!(!agent.log().contains("reloaded"), "{}", agent.log());
    agent.signal("TERM");
    agent.wait_exit(Duration::from_secs(5));
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[test]
fn a_reload_that_takes_too_long_is_given_up_and_the_next_one_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("pgmon.yaml");
    std::fs::write(&config, format!("{FAST}{NOBODY}")).unwrap();
    let mut command = pgmon();
    command.arg("--config").arg(&config).stdin(Stdio::piped());
    let agent = Agent::spawn(command);
    std::fs::write(&config, format!("{FAST}{NOBODY}queries_file: /dev/stdin\n")).unwrap();
    agent.signal("HUP");
    let until = |text: &str| {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !agent.log().contains(text) {
            assert!(Instant::now() < deadline, "{text}\n{}", agent.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("configuration not reloaded: it was not read within 20s");
    assert!(agent.get("/healthz").text().contains("was not read within"), "{}", agent.get("/healthz").text());
    std::fs::write(&config, format!("{FAST}{NOBODY}limits: {{top_queries: 7}}\n")).unwrap();
    agent.signal("HUP");
    until("configuration reloaded");
    assert!(!agent.get("/healthz").text().contains("was not read within"));
}

#[test]
fn doors_stay_shut_until_the_address_that_was_to_make_up_for_it_is_in_force() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let of = |bind: &str, auth: &str| {
        FAST.replace("{bind: '127.0.0.1:0'}", &format!("{{bind: '{bind}'{auth}}}")) + NOBODY
    };
    let auth = format!(", auth: {{api_keys: [{KEY}]}}");
    let config = Configured::start(&of("0.0.0.0:0", &auth));
    assert_eq!(config.agent.get("/metrics").status, 403);
    // Both at once: the address is in force after a restart only.
    config.write(&of("127.0.0.1:0", ""));
    config.reload();
    assert_eq!(config.agent.get("/metrics").status, 403, "{}", config.agent.log());
    assert_eq!(config.agent.get_with("/metrics", &format!("Authorization: Bearer {KEY}\r\n")).status, 200);
    assert!(
        config.agent.log().contains("only in force after a restart: http.bind, http.auth"),
        "{}",
        config.agent.log()
    );
    // Another change leaves it so.
    config.write(&format!("{}limits: {{top_queries: 7}}\n", of("127.0.0.1:0", "")));
    config.reload();
    assert_eq!(config.agent.get("/metrics").status, 403);
    // Who only takes the keys away is heard, and it is said.
    config.write(&of("0.0.0.0:0", ""));
    config.reload();
    assert_eq!(config.agent.get("/metrics").status, 200);
    assert!(
        config.said("authentication was taken away while pgmon listens on 0.0.0.0") > 0,
        "{}",
        config.agent.log()
    );
    assert!(config.agent.get("/healthz").text().contains("authentication was taken away"));
    config.write(&of("0.0.0.0:0", &auth));
    config.reload();
    assert_eq!(config.agent.get("/metrics").status, 403);
    assert!(!config.agent.get("/healthz").text().contains("authentication was taken away"));
}

#[test]
fn the_audit_line_names_queries_and_who_asked() {
    let query = |name: &str, n: u8| format!("- {{name: {name}, help: X., query: SELECT {n}}}\n");
    let config =
        Configured::start(&format!("{FAST}{NOBODY}queries:\n{}{}", query("gone", 1), query("other", 2)));
    config.write(&format!("{FAST}{NOBODY}queries:\n{}{}", query("fresh", 1), query("other", 3)));
    let answer = config.agent.post("/-/reload", "", "");
    assert!(answer.text().contains("queries: added fresh; removed gone; changed other"), "{}", answer.text());
    let log = config.agent.log();
    let line = log.lines().find(|l| l.contains("configuration reloaded")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["queries_added"], &line["queries_removed"], &line["queries_changed"]),
        (&"fresh".into(), &"gone".into(), &"other".into())
    );
    assert_eq!(line["by"], "nobody known from 127.0.0.1");
    // The file that changed is the one that was read.
    config.write(&format!("{FAST}{NOBODY}queries:\n\n{}{}", query("fresh", 1), query("other", 3)));
    let answer = config.agent.post("/-/reload", "", "");
    assert!(answer.text().contains("nothing changed"), "{}", answer.text());
}
