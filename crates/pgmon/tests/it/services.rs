//! Services, as a running pgmon shows them.

use crate::agent::{Agent, pgmon};
use crate::promtool::objections;
use anyhow::Result;
use pgmon_testkit::{Redis, RedisKind, promtool};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

/// A web server that answers 200 as long as it is there.
fn web() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    address
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not so: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn services_alone_are_watched_and_a_critical_one_turns_health() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut redis = runtime.block_on(Redis::builder(RedisKind::Redis).start())?;
    let (web, metrics, port) = (web(), free_port(), redis.port());
    let text = |more: &str| {
        format!(
            "http: {{bind: '127.0.0.1:0', metrics_bind: '127.0.0.1:{metrics}'}}\nlogging: {{format: json}}\nservices:\n  \
             cache: {{type: redis, host: 127.0.0.1, port: {port}, interval: 1s, critical: true, labels: {{team: shop}}}}\n  \
             api: {{type: http, url: 'http://{web}', interval: 1s, version: '1.0.0'}}\n{more}"
        )
    };
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("pgmon.yaml");
    std::fs::write(&file, text(""))?;
    let mut command = pgmon();
    command.arg("--config").arg(&file).arg("agent");
    let agent = Agent::spawn(command);
    let health = || -> (u16, Value) {
        let answer = agent.get_with("/health?detail=1", "");
        (answer.status, serde_json::from_str(&answer.text()).unwrap())
    };
    let (status, body) = until("both are good", || Some(health()).filter(|(_, b)| b["status"] == "ok"));
    assert_eq!(
        (status, &body["services"]["cache"], &body["services"]["api"]),
        (200, &"ok".into(), &"ok".into())
    );
    let check = &body["checks"]["cache"];
    assert_eq!(
        (&check["status"], &check["critical"], &check["type"]),
        (&"pass".into(), &true.into(), &"redis".into())
    );
    assert!(check["age_seconds"].as_f64() < Some(5.0) && check["last_success"].is_string(), "{check}");
    let plain: Value = serde_json::from_str(&agent.get_with("/health", "").text())?;
    let keys: Vec<_> = plain.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["status", "version", "services"], "as Alfred documents it");
    assert_eq!(agent.get_with("/healthz", "").status, 200);

    // The second listener has metrics and health, and nothing else.
    let ask = |path: &str| -> String {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", metrics)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask("/metrics");
    for line in [
        "service_health{service=\"cache\",team=\"shop\"} 1",
        "service_info{service=\"api\",version=\"1.0.0\"} 1",
        "service_up{service=\"api\"} 1",
        "redis_up{service=\"cache\",team=\"shop\"} 1",
        "probe_http_status_code{service=\"api\"} 200",
        "http_request_duration_seconds_bucket{service=\"api\",endpoint=\"/health\",le=\"+Inf\"}",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert!(ask("/health").starts_with("HTTP/1.1 200") && ask("/").starts_with("HTTP/1.1 404"));
    let body = page.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(objections(body)?, [], "promtool has nothing to say");

    let services: Value = serde_json::from_str(&agent.get_with("/api/v1/services", "").text())?;
    assert_eq!(services["data"]["verdict"]["sentence"], "All is well with 2 services.");
    let one: Value = serde_json::from_str(&agent.get_with("/api/v1/services/cache", "").text())?;
    assert_eq!(one["data"]["evidence"][1]["asked"], "INFO");
    let wrong = agent.get_with("/api/v1/services/cach", "");
    assert!(wrong.status == 404 && wrong.text().contains("did you mean cache?"), "{}", wrong.text());

    // What its checks found is kept.
    let history = |metric: &str| -> Value {
        serde_json::from_str(&agent.get_with(&format!("/api/v1/history/{metric}?service=cache"), "").text())
            .unwrap()
    };
    until("two checks are in the history", || {
        let checks = history("service_health")["data"]["series"][0]["mean"].as_array()?.clone();
        (checks.iter().filter(|value| value.as_f64() == Some(1.0)).count() >= 2).then_some(())
    });
    assert!(history("probe_duration_seconds")["data"]["series"][0]["max"].as_array().is_some());
    assert!(agent.get_with("/api/v1/history?service=cache", "").text().contains("service_health"));
    for (path, status) in [
        ("service_health?service=cach", 404),
        ("service_health", 400),
        ("redis_up?service=cache", 404),
        ("service_health?service=cache&service=api", 400),
    ] {
        assert_eq!(agent.get_with(&format!("/api/v1/history/{path}"), "").status, status, "{path}");
    }

    redis.kill();
    let (_, body) =
        until("the critical one is missed", || Some(health()).filter(|(status, _)| *status == 503));
    assert_eq!((&body["status"], &body["services"]["cache"]), (&"degraded".into(), &"error".into()));
    assert!(body["checks"]["cache"]["output"].as_str().unwrap().starts_with("cannot connect"), "{body}");
    assert_eq!(agent.get_with("/healthz", "").status, 200, "pgmon itself is well");
    let page = until("the page follows", || {
        Some(ask("/metrics")).filter(|page| page.contains("redis_up{service=\"cache\",team=\"shop\"} 0"))
    });
    assert!(!page.contains("redis_memory_used_bytes"), "unknown is absent");

    runtime.block_on(redis.start_again(&[], true))?;
    std::fs::write(
        &file,
        text(&format!("  port: {{type: tcp, host: 127.0.0.1, port: {}, interval: 1s}}\n", web.port())),
    )?;
    let (status, body) = until("it is back, and there is another one", || {
        Some(health()).filter(|(_, b)| b["status"] == "ok" && b["services"]["port"] == "ok")
    });
    assert!(status == 200 && body["checks"]["api"]["checks"].as_u64() > Some(2), "others go on: {body}");
    Ok(())
}

#[test]
fn check_config_lists_services_and_the_doctor_checks_each_once() {
    let web = web();
    let text = format!(
        "{{good: {{type: http, url: 'http://{web}'}}, bad: {{type: redis, host: 127.0.0.1, port: {}}}}}",
        free_port()
    );
    let run = |what: &str| {
        let output = pgmon().arg(what).env("PGMON_SERVICES", &text).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run("check-config");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("2 services to check") && said.contains("service good  http  GET http://127.0.0.1"),
        "{said}"
    );
    let (code, said) = run("doctor");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("service good (http, GET") && said.contains(": ok, "), "{said}");
    assert!(said.contains(": FAIL, ") && said.contains("  cannot connect to 127.0.0.1:"), "{said}");
}

#[test]
fn the_rules_for_prometheus_are_read_and_fire_as_they_should() -> Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/prometheus");
    for (verb, what, file) in
        [("check", "rules", "rules/services.yml"), ("test", "rules", "tests/services.yml")]
    {
        let output = Command::new(promtool()?).args([verb, what, &format!("{root}/{file}")]).output()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    // Every metric that they name is one that pgmon exports.
    let rules = std::fs::read_to_string(format!("{root}/rules/services.yml"))?;
    let words = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let words = words.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let metrics = words.filter(|word| {
        ["service_", "probe_", "redis_", "postgres_", "pgbouncer_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    });
    for metric in metrics {
        assert!(pgmon_collect::services::families::has(metric), "{metric}");
    }
    Ok(())
}

/// Answers each request with what it was asked with.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut bytes = [0; 4096];
            let n = stream.read(&mut bytes).unwrap_or(0);
            let asked = String::from_utf8_lossy(&bytes[..n]).into_owned();
            let (first, last) = (asked.lines().next().unwrap_or_default(), asked.trim().lines().last());
            let last = last.unwrap_or_default();
            let body = serde_json::json!({ "status": format!("rejected {last} {first}") }).to_string();
            let answer = match asked.starts_with("GET") {
                true => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                false => format!("-ERR rejected {last}\r\n"),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn credentials_that_a_service_repeats_are_shown_nowhere() {
    let echo = echo();
    let port = echo.port();
    let json = "json: [{pointer: /status, value: ok}]";
    let text = format!(
        "http: {{bind: '127.0.0.1:0'}}\nservices:\n  \
         bearer: {{type: http, url: 'http://{echo}/', bearer_token: zqBEARERcanary, {json}, interval: 1s}}\n  \
         basic: {{type: http, url: 'http://{echo}/', username: joe, password: zqBASICcanary, {json}, interval: 1s}}\n  \
         query: {{type: http, url: 'http://{echo}/?key=zqQUERYcanary', {json}, interval: 1s}}\n  \
         pop: {{type: tcp, host: 127.0.0.1, port: {port}, query_response: [{{send: \"PASS zqPOPcanary\\r\\n\"}}, {{expect: '^-ERR .*'}}], interval: 1s}}\n  \
         redis: {{type: redis, host: 127.0.0.1, port: {port}, password: zqREDIScanary, interval: 1s}}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgmon.yaml");
    std::fs::write(&file, text).unwrap();
    let absent = |from: &str, said: &str| {
        // The base64 of joe:zqBASICcanary, without its last characters, is that of Basic.
        for secret in ["zqBEARER", "zqBASIC", "zqQUERY", "zqPOP", "zqREDIS", "am9lOnpxQkFTSUNjYW5hc"] {
            assert!(!said.contains(secret), "{from} shows {secret}: {said}");
        }
    };
    let mut command = pgmon();
    command.arg("--config").arg(&file).arg("agent").env("RUST_LOG", "trace");
    let agent = Agent::spawn(command);
    let detail = until("all were checked", || {
        let text = agent.get_with("/health?detail=1", "").text();
        let body: Value = serde_json::from_str(&text).unwrap();
        let all = ["bearer", "basic", "query", "redis"].iter().all(|name| body["services"][name] == "error");
        (all && body["services"]["pop"] == "ok").then_some(text)
    });
    assert!(detail.contains("[redacted]") && detail.contains("rejected"), "they do repeat it: {detail}");
    absent("/health", &detail);
    for name in ["", "/bearer", "/basic", "/query", "/pop", "/redis"] {
        let said = agent.get_with(&format!("/api/v1/services{name}"), "").text();
        assert!(name != "/pop" || said.contains("[redacted]"), "{said}");
        absent(name, &said);
    }
    for path in ["/metrics", "/healthz", "/status", "/configz"] {
        absent(path, &agent.get_with(path, "").text());
    }
    absent("the log", &agent.log());
    for arguments in [&["doctor"][..], &["doctor", "--format", "json"], &["check-config", "--show"]] {
        let output = pgmon().args(arguments).arg("--config").arg(&file).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("bearer"), "{said}");
        absent(&format!("{arguments:?}"), &said);
    }
}
