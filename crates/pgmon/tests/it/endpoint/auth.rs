//! Keys, passwords, and what is open without them.

use super::{agent, basic, bearer, eventually, output, shape};
use crate::agent::{Agent, pgmon};
use std::time::Duration;

const KEYS: (&str, &str) = (
    "PGMON_HTTP_AUTH_API_KEYS",
    "[{name: prometheus, key: read-key-canary-1}, {name: ops, key: admin-key-canary-2, scope: admin}]",
);
const READ: &str = "read-key-canary-1";
const ADMIN: &str = "admin-key-canary-2";

#[test]
fn a_key_opens_and_everything_else_gets_one_answer() {
    let agent = agent(&[KEYS]);
    let missing = agent.get("/metrics");
    assert_eq!(missing.status, 403);
    assert_eq!(missing.text(), "Forbidden\n");
    for path in ["/metrics", "/configz"] {
        for key in [READ, ADMIN] {
            assert_eq!(agent.get_with(path, &bearer(key)).status, 200, "{path} {key}");
        }
        assert_eq!(agent.get_with(path, "aUTHORIZATION: bEARER read-key-canary-1\r\n").status, 200);
        let wrong = [
            bearer("wrong"),
            bearer(""),
            bearer("read-key-canary-"),
            bearer("read-key-canary-11"),
            bearer("READ-KEY-CANARY-1"),
            format!("Authorization: {READ}\r\n"),
            basic("prometheus", READ),
            format!("Authorization: Digest {READ}\r\n"),
            format!("X-Api-Key: {READ}\r\n"),
            "Authorization: Bearer \u{fffd}\r\n".to_owned(),
        ];
        for head in &wrong {
            assert_eq!(shape(&agent.get_with(path, head)), shape(&missing), "{path} {head}");
        }
        assert_eq!(shape(&agent.get_with(&format!("{path}?key={READ}"), "")), shape(&missing));
    }
    for path in ["/healthz", "/livez", "/readyz", "/-/healthy", "/-/ready"] {
        assert_ne!(agent.get(path).status, 403, "{path}");
    }
    // What does not exist is not told from what may not be seen.
    let nowhere = agent.get("/nowhere");
    assert_eq!((nowhere.status, shape(&agent.get("/"))), (401, shape(&nowhere)));
    assert!(nowhere.text().contains("\"error\"") && nowhere.header("www-authenticate").is_some());
    assert_eq!(agent.get_with("/nowhere", &bearer(READ)).status, 404);
    assert!(!agent.log().contains("canary"), "{}", agent.log());
    let page = agent.get_with("/metrics", &bearer(READ)).text();
    assert!(
        page.contains("pgmon_http_auth_failures_total{kind=\"key\"}") && !page.contains("canary"),
        "{page}"
    );
}

#[test]
fn a_reload_needs_the_scope_admin_or_this_machine() {
    let with_keys = agent(&[KEYS]);
    assert_eq!(with_keys.post("/-/reload", &bearer(READ), "").status, 403);
    assert_eq!(with_keys.post("/-/reload", &bearer("wrong"), "").status, 403);
    assert_ne!(with_keys.post("/-/reload", &bearer(ADMIN), "").status, 403);
    assert_eq!(with_keys.get_with("/-/reload", &bearer(ADMIN)).status, 405);
    for agent in [agent(&[("PGMON_HTTP_BIND", "0.0.0.0:0")]), with_keys] {
        assert_ne!(agent.post("/-/reload", "", "").status, 403, "from this machine");
        // What claims to be from this machine and is not, or is sent by a page of another site.
        for head in
            ["X-Forwarded-For: 127.0.0.1\r\n", "Origin: http://evil\r\n", "Sec-Fetch-Site: cross-site\r\n"]
        {
            assert_eq!(agent.post("/-/reload", head, "").status, 403, "{head}");
        }
    }
}

#[test]
fn beyond_this_machine_only_metrics_and_health_are_open() {
    let open = agent(&[("PGMON_HTTP_BIND", "0.0.0.0:0")]);
    assert!(open.log().contains("without authentication"), "{}", open.log());
    for path in ["/metrics", "/healthz", "/livez", "/readyz"] {
        assert_ne!(open.get(path).status, 403, "{path}");
    }
    for path in ["/", "/configz", "/api/v1/overview"] {
        let answer = open.get(path);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("http.auth") && answer.text().contains("allow_anonymous"), "{path}");
    }
    // A key that nobody asks for changes nothing.
    assert_eq!(open.get_with("/metrics", &bearer("any")).status, 200);
    let anonymous = agent(&[("PGMON_HTTP_BIND", "0.0.0.0:0"), ("PGMON_HTTP_ALLOW_ANONYMOUS", "true")]);
    for path in ["/", "/configz"] {
        assert_eq!(anonymous.get(path).status, 200, "{path}");
    }
    // A page of another site may have its name point to this machine.
    let here = agent(&[]);
    let renamed = b"GET /configz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(here.send(renamed).status, 403);
    for path in ["/", "/configz", "/metrics"] {
        assert_eq!(here.get(path).status, 200, "{path}");
    }
}

#[test]
fn passwords_of_both_kinds_open_and_nothing_else() {
    let bcrypt = output(&["hash-password"], "correct horse\n");
    let argon2 = output(&["hash-password", "--algorithm", "argon2id"], "battery:staple");
    assert!(bcrypt.starts_with("$2b$12$") && argon2.starts_with("$argon2id$"), "{bcrypt} {argon2}");
    let users = format!(
        "[{{user: alice, password_hash: '{bcrypt}'}}, {{user: bob, password_hash: '{argon2}', scope: admin}}]"
    );
    let agent = agent(&[("PGMON_HTTP_AUTH_BASIC", &users)]);
    let (alice, bob) = (basic("alice", "correct horse"), basic("bob", "battery:staple"));
    for head in [&alice, &bob] {
        assert_eq!(agent.get_with("/metrics", head).status, 200);
        assert_eq!(agent.get_with("/", head).status, 200);
    }
    assert_eq!(agent.post("/-/reload", &alice, "").status, 403);
    assert_ne!(agent.post("/-/reload", &bob, "").status, 403);
    let missing = agent.get("/metrics");
    assert_eq!((missing.status, missing.header("www-authenticate").is_some()), (401, true));
    let wrong = agent.get_with("/metrics", &basic("alice", "wrong"));
    assert_eq!(shape(&wrong), shape(&missing));
    assert_eq!(shape(&agent.get_with("/metrics", &basic("eve", "wrong"))), shape(&wrong));
    assert_eq!(agent.get_with("/metrics", "Authorization: Basic !!!\r\n").status, 401);
    assert!(!agent.log().contains("horse") && !agent.log().contains("staple"), "{}", agent.log());
}

#[test]
fn guessing_is_slowed_down_and_who_was_right_before_gets_in() {
    // Made by libxcrypt, at the least cost: guesses must come faster than they are allowed to.
    let hash = "$2b$04$Xccx7DW1s126RiifOSV8feoCxs6nlALyS8Dve7834o0oJ9SWJiWY2";
    let agent = agent(&[("PGMON_HTTP_AUTH_BASIC", &format!("[{{user: alice, password_hash: {hash}}}]"))]);
    let alice = basic("alice", "correct horse");
    assert_eq!(agent.get_with("/metrics", &alice).status, 200);
    let mut locked = None;
    for n in 0..100 {
        let answer = agent.get_with("/metrics", &basic("alice", &n.to_string()));
        if answer.status == 429 {
            locked = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let locked = locked.expect("guessing is stopped");
    assert_eq!(locked.header("retry-after"), Some("1"));
    // Without looking at the password.
    assert_eq!(agent.get_with("/metrics", &alice).status, 200);
}

#[test]
fn files_with_keys_are_read_again_and_the_last_good_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "first-key-of-the-file\n").unwrap();
    let keys = format!("[{{name: ops, key: {ADMIN}}}, {{key_file: {}}}]", file.display());
    let agent = agent(&[("PGMON_HTTP_AUTH_API_KEYS", &keys)]);
    let status = |key: &str| agent.get_with("/metrics", &bearer(key)).status;
    let well = |value: &str| {
        let line = format!("pgmon_http_files_last_reload_successful {value}");
        agent.get_with("/metrics", &bearer(ADMIN)).text().contains(&line)
    };
    assert_eq!(status("first-key-of-the-file"), 200);
    // As Kubernetes does it: another file takes the name.
    std::fs::write(dir.path().join("new"), "second-key-of-the-file").unwrap();
    std::fs::rename(dir.path().join("new"), &file).unwrap();
    eventually("the new key opens", Duration::from_secs(10), || status("second-key-of-the-file") == 200);
    assert_eq!(status("first-key-of-the-file"), 403);
    eventually("success is told", Duration::from_secs(10), || well("1"));
    std::fs::write(&file, "").unwrap();
    eventually("failure is told", Duration::from_secs(10), || well("0"));
    assert_eq!(status("second-key-of-the-file"), 200);
    assert!(
        agent.log().contains("stay in use") && !agent.log().contains("key-of-the-file"),
        "{}",
        agent.log()
    );
    std::fs::write(&file, "third-key-of-the-file").unwrap();
    eventually("the third key opens", Duration::from_secs(10), || status("third-key-of-the-file") == 200);
}

#[test]
fn a_key_is_known_by_its_digest_alone() {
    let made = output(&["hash-key", "--generate"], "");
    let field = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (key, digest) = (field("key:"), field("sha256:"));
    assert_eq!(output(&["hash-key"], &format!("{key}\n")), digest);
    let agent = agent(&[("PGMON_HTTP_AUTH_API_KEYS", &format!("[{{sha256: {digest}}}]"))]);
    assert_eq!(agent.get_with("/metrics", &bearer(&key)).status, 200);
    assert_eq!(agent.get_with("/metrics", &bearer(&digest)).status, 403);
}

#[test]
fn sitreps_variables_work_as_they_are() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = pgmon();
    command.env("PGMON_DSN", super::DSN).env("PORT", port.to_string()).env("EXPORTER_API_KEY", READ);
    let agent = Agent::spawn(command);
    assert_eq!(agent.address().to_string(), format!("0.0.0.0:{port}"));
    assert_eq!(agent.get("/metrics").status, 403);
    let page = agent.get_with("/metrics", &bearer(READ)).text();
    for family in ["exporter_up 1", "exporter_errors_total ", "exporter_scrape_lockouts_total 0"] {
        assert!(page.lines().any(|line| line.starts_with(family)), "{family}: {page}");
    }
    // A page is made anew every ten seconds at least.
    eventually("the last scrape's time is told", Duration::from_secs(15), || {
        let text = agent.get_with("/metrics", &bearer(READ)).text();
        let seconds = text.lines().find_map(|line| line.strip_prefix("exporter_scrape_duration_seconds "));
        seconds.is_some_and(|seconds| seconds.parse::<f64>().unwrap() > 0.0)
    });
}

#[test]
fn configz_lists_what_is_watched_and_no_secret() {
    let databases = "[{name: a, dsn: 'postgres://u:password-canary@127.0.0.1:1/x'}, {name: b, host: 127.0.0.1, port: 1, user: u, password: password-canary, database: y}]";
    let agent = Agent::start(&[
        ("PGMON_DATABASES", databases),
        KEYS,
        ("PGMON_DEFAULT_LABELS", "{exporter: custom_pg_exporter}"),
    ]);
    let answer = agent.get_with("/configz", &bearer(READ));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let shown: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(shown, serde_json::json!({ "databases": ["a", "b"], "customMetrics": [] }));
    let mut said = agent.log();
    for path in ["/metrics", "/configz", "/healthz", "/"] {
        said.push_str(&agent.get_with(path, &bearer(READ)).text());
    }
    assert!(!said.contains("password-canary") && !said.contains(READ), "{said}");
    let page = agent.get_with("/metrics", &bearer(READ)).text();
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    for line in samples {
        assert!(line.contains("exporter=\"custom_pg_exporter\""), "{line}");
    }
}
