//! Rules of `services`.

use super::{load, load_with};
use crate::{Address, HttpCheck, Loaded, ServiceCheck, ServiceSpec};
use std::time::Duration;

fn faults(services: &str) -> Vec<String> {
    match load(&format!("services:\n{services}")) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("warning: {w}")).collect(),
        Err(errors) => errors.diagnostics().iter().map(ToString::to_string).collect(),
    }
}

fn spec<'l>(loaded: &'l Loaded, name: &str) -> &'l ServiceSpec {
    loaded.services.iter().find(|spec| spec.name == name).unwrap()
}

fn http<'l>(loaded: &'l Loaded, name: &str) -> &'l HttpCheck {
    match &spec(loaded, name).check {
        ServiceCheck::Http(http) => http,
        other => panic!("{other}"),
    }
}

/// Section "Service Architecture" of Alfred's document, as YAML and as it is in Python, which is JSON as well.
const OF_ALFRED: &str = r#"{"services": {
    "db-postgres": {"type": "postgres", "dsn": "postgres://postgres:password@db-postgres:5432/postgres", "version": "1.0.0"},
    "db-api": {"type": "http", "url": "http://db-api:3000", "version": "1.0.0"},
    "db-auth": {"type": "http", "url": "http://db-auth:9999", "version": "1.0.0"},
    "db-admin": {"type": "http", "url": "http://db-admin:3000", "version": "1.0.0"},
    "db-realtime": {"type": "tcp", "host": "db-realtime", "port": 4000, "version": "1.0.0"},
    "db-storage": {"type": "http", "url": "http://db-storage:5000", "version": "1.0.0"},
    "redis": {"type": "redis", "host": "redis", "port": 6379, "version": "1.0.0"}
}}"#;

#[test]
fn alfreds_dictionary_is_taken_as_it_is_without_a_database() {
    let loaded = load(OF_ALFRED).unwrap();
    assert!(loaded.entries.is_empty());
    let targets: Vec<String> = loaded.services.iter().map(|s| format!("{} {}", s.name, s.check)).collect();
    assert_eq!(
        targets,
        [
            "db-postgres postgres@db-postgres:5432/postgres",
            "db-api GET http://db-api:3000/health",
            "db-auth GET http://db-auth:9999/health",
            "db-admin GET http://db-admin:3000/health",
            "db-realtime db-realtime:4000",
            "db-storage GET http://db-storage:5000/health",
            "redis redis:6379",
        ]
    );
    for service in &loaded.services {
        assert_eq!(service.version.as_deref(), Some("1.0.0"));
        assert_eq!((service.interval, service.timeout), (Duration::from_secs(15), Duration::from_secs(5)));
        assert!(!service.critical);
    }
}

#[test]
fn alfreds_variables_make_a_service() {
    let env = |vars: &[(&str, &str)]| load_with("", vars);
    let loaded = env(&[
        ("SERVICE_NAME", "db-api"),
        ("SERVICE_URL", "http://db-api:3000"),
        ("HEALTH_PATH", "/healthz"),
        ("COLLECTION_INTERVAL", "30"),
        ("DB_POSTGRES_URL", "postgresql://u:p@db-postgres/x"),
        ("PORT", "9091"),
    ])
    .unwrap();
    assert_eq!(loaded.config.http.bind, "0.0.0.0:9091");
    let api = http(&loaded, "db-api");
    assert_eq!(api.url.to_string(), "http://db-api:3000/healthz");
    assert!(api.expected_status[0].contains(302) && !api.expected_status[0].contains(400));
    assert_eq!(spec(&loaded, "db-api").interval, Duration::from_secs(30));
    assert_eq!(spec(&loaded, "db-postgres").check.to_string(), "u@db-postgres:5432/x");
    assert!(
        loaded.services.iter().all(|service| service.critical),
        "/health fails with them, as the sidecar's does"
    );

    let tcp = [("SERVICE_NAME", "rt"), ("SERVICE_URL", "http://rt:4000"), ("CHECK_TYPE", "tcp")];
    assert_eq!(spec(&env(&tcp).unwrap(), "rt").check.to_string(), "rt:4000");
    assert!(
        env(&[("SERVICE_NAME", "x")]).is_err(),
        "a name alone is no service, and there is nothing to watch"
    );
    // The sidecar asks for the one and the other together.
    for (url, path, asked) in [
        ("http://h:1/sub", "/health", "http://h:1/sub/health"),
        ("http://h:1/sub/", "/ok", "http://h:1/sub/ok"),
        ("http://h:1", "/", "http://h:1/"),
    ] {
        let loaded = env(&[("SERVICE_NAME", "x"), ("SERVICE_URL", url), ("HEALTH_PATH", path)]).unwrap();
        assert_eq!(http(&loaded, "x").url.to_string(), asked);
    }
    // What cannot be followed is said, not replaced.
    for (name, value, url, expected) in [
        ("COLLECTION_INTERVAL", "abc", "http://h:1", "must be whole seconds"),
        ("COLLECTION_INTERVAL", "0", "http://h:1", "must be whole seconds"),
        ("CHECK_TYPE", "udp", "http://h:1", "must be http or tcp"),
        ("HEALTH_PATH", "health", "http://h:1", "must begin with a slash"),
        ("CHECK_TYPE", "tcp", "http://h", "needs a host and a port"),
    ] {
        let errors = env(&[("SERVICE_NAME", "x"), ("SERVICE_URL", url), (name, value)]).unwrap_err();
        let said: Vec<String> = errors.diagnostics().iter().map(ToString::to_string).collect();
        let named = if url == "http://h" { "SERVICE_URL" } else { name };
        assert!(said.iter().any(|s| s.contains(named) && s.contains(expected)), "{name}={value}: {said:?}");
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[test]
fn all_that_a_service_can_say() {
    let loaded = load_with(
        r#"
services:
  cache:
    type: redis
    socket: /run/redis.sock
    user: probe
    password: ${PW}
    db: 2
    interval: 1m
    timeout: 10s
    critical: true
    labels: {team: shop}
  api:
    type: http
    url: https://api.internal/health?full=1
    method: POST
    body: "{}"
    headers: {X-Api-Key: "${PW}"}
    bearer_token: ${PW}
    expected_status: [200, "300-304", 5xx]
    body_match: '^\s*\{"ok": (true|1)$'
    json: [{pointer: /status, value: ok}, {pointer: /n, value: 3}, {pointer: /there}]
    follow_redirects: false
    max_body: 64KiB
    tls: {server_name: api}
  mail:
    type: tcp
    host: "::1"
    port: 25
    query_response:
    - expect: "^220 "
    - {send: "STARTTLS\r\n", starttls: true}
  bouncer: {type: pgbouncer, host: localhost, username: stats}
"#,
        &[("PW", "hunter2")],
    )
    .unwrap();
    assert_eq!(loaded.warnings, []);
    let cache = spec(&loaded, "cache");
    assert!(cache.critical && cache.interval == Duration::from_secs(60));
    let ServiceCheck::Redis(redis) = &cache.check else { panic!() };
    assert_eq!(redis.address, Address::Unix("/run/redis.sock".into()));
    assert_eq!((redis.username.as_deref(), redis.db), (Some("probe"), Some(2)));
    assert_eq!(redis.password.as_ref().unwrap().expose(), "hunter2");
    let api = http(&loaded, "api");
    assert_eq!(api.url.path_and_query(), "/health?full=1");
    let headers: Vec<_> = api.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("x-api-key", "hunter2"), ("authorization", "Bearer hunter2")]);
    assert_eq!((api.redirects, api.max_body), (None, 65536));
    let good = |status| api.expected_status.iter().any(|range| range.contains(status));
    assert!(good(200) && good(301) && good(503) && !good(201) && !good(305));
    let ServiceCheck::Tcp(tcp) = &spec(&loaded, "mail").check else { panic!() };
    assert!(tcp.tls.is_some() && !tcp.tls_at_once && tcp.conversation.len() == 2);
    assert_eq!(spec(&loaded, "bouncer").check.to_string(), "stats@localhost:6432/pgbouncer");
    // No secret shows, whatever is shown.
    let shown = format!("{:?} {}", loaded.services, loaded.config.redacted());
    assert!(!shown.contains("hunter2") && !shown.contains("full=1"), "{shown}");
}

#[test]
fn what_does_not_go_together_is_said_with_its_place_and_what_to_do() {
    let all = faults(
        r#"
  a: {type: redis}
  b: {type: redis, host: h, socket: /x}
  c: {type: http, host: h, url: "http://u:p@h/"}
  d: {type: tcp, host: h}
  e: {type: http, url: "http://h/", body_match: "(", interval: 500ms}
  f: {type: tcp, host: h, port: 1, timeout: 20s}
  g: {type: http, url: "http://h/", username: u, bearer_token: t, body: x}
  h: {type: pgbouncer, dsn: "postgres://u@localhost/shop"}
  i: {type: tcp, host: "h:1", port: 1, labels: {service: x, le: y, "a-b": z}}
  j: {type: http, url: "http://h/", json: [{pointer: status}]}
  k: {type: mysql}
  m: {type: http, url: "http://h/", expected_status: [99]}
  l: {type: redis, host: localhost, prot: 1}
"#,
    );
    let expected = [
        "pgmon.yaml:3:3: services.a: needs a `host` or a `socket`",
        "services.b.socket: host or port is given as well; keep one of them",
        "services.c.host: is a key of type postgres, redis, tcp, pgbouncer; this service is of type http",
        "services.c.url: a URL has no user in it: set username and password beside it",
        "services.d: needs a `port`",
        "services.e.interval: must be at least 1s",
        "services.e.body_match: is no regular expression",
        "services.f.timeout: is longer than the interval (15s)",
        "services.g: several ways to log in",
        "services.g.body: needs `method: POST` or PUT",
        "services.h.dsn: the console of PgBouncer is the database pgbouncer",
        "services.i.host: the host must be a name or an IP address",
        "services.i.labels.le: pgmon gives this label itself",
        "services.i.labels.a-b: a label's name has letters",
        "services.j.json[0].pointer: a JSON Pointer begins with a slash",
        "services.m.expected_status[0]: must be at least 100",
        "services.k.type: expected one of postgres, redis, http, tcp, pgbouncer",
        "services.l.prot: unknown key; did you mean port?",
    ];
    for expected in expected {
        assert!(all.iter().any(|fault| fault.contains(expected)), "{expected}\nin\n{}", all.join("\n"));
    }
}

#[test]
fn variables_set_keys_of_services_that_are_there() {
    let vars = [
        ("PGMON_SERVICES_DB_API_CRITICAL", "true"),
        ("PGMON_SERVICES_DB_API_USER", "me"),
        ("PGMON_SERVICES_DB_API_PASSWORD", "pw"),
        ("PGMON_SERVICES_NONE_CRITICAL", "true"),
    ];
    let loaded = load_with("services: {db-api: {type: http, url: 'http://localhost/'}}", &vars).unwrap();
    assert!(spec(&loaded, "db-api").critical);
    assert_eq!(http(&loaded, "db-api").headers[0].1.expose(), "Basic bWU6cHc=");
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    // All of them in one variable, and then a key of one of them.
    let whole = "{x: {type: tcp, host: h, port: 1}}";
    let vars = [("PGMON_SERVICES", whole), ("PGMON_SERVICES_X_PORT", "2")];
    assert_eq!(load_with("", &vars).unwrap().services[0].check.to_string(), "h:2");
}

#[test]
fn a_health_path_beside_a_url_with_a_path_is_warned_of() {
    let of = |url: &str| faults(&format!("  a: {{type: http, url: 'http://h{url}', health_path: /ok}}\n"));
    assert_eq!(of(""), [""; 0]);
    for url in ["/", "/sub", "?x=1"] {
        let said = of(url);
        assert!(
            said.len() == 1 && said[0].contains("services.a.health_path: has no effect"),
            "{url}: {said:?}"
        );
    }
}

#[test]
fn files_for_tls_that_cannot_be_used_are_told_before_the_first_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let loaded = load(&format!(
        "services:\n  a: {{type: http, url: 'https://h/', tls: {{ca_file: /none/ca.pem}}}}\n  \
         b: {{type: redis, host: h, tls: {{ca_file: '{0}', cert_file: '{0}', key_file: '{0}'}}}}\n\
         clusters:\n- {{type: patroni, urls: ['https://h:8008'], tls: {{ca_file: /none/ca.pem}}}}\n",
        path.display()
    ))
    .unwrap();
    let said: Vec<String> = loaded.unready.iter().map(ToString::to_string).collect();
    let expected = [
        "services.a.tls.ca_file: ca_file /none/ca.pem cannot be read",
        "services.b.tls.ca_file: ca_file",
        "services.b.tls.cert_file: cert_file",
        "services.b.tls.key_file: key_file",
        "clusters[0].tls.ca_file: ca_file /none/ca.pem cannot be read",
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}");
    }
    assert!(said[3].contains("has no private key in PEM format"), "{said:?}");
    assert_eq!(loaded.services.len(), 2, "pgmon starts: they may come later");
}

#[test]
fn a_password_in_a_file_is_read_and_the_file_is_watched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pw");
    std::fs::write(&path, "hunter2\n").unwrap();
    let text =
        format!("services: {{r: {{type: redis, host: localhost, password_file: {}}}}}", path.display());
    let loaded = load(&text).unwrap();
    let ServiceCheck::Redis(redis) = &loaded.services[0].check else { panic!() };
    assert_eq!(redis.password.as_ref().unwrap().expose(), "hunter2");
    assert!(loaded.files.contains(&path));
}
