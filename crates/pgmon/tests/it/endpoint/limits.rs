//! What a client can do to the listener, and what it cannot.

use super::{agent, bearer, eventually};
use crate::agent::Agent;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const KEY: &str = "limits-key-canary-1";
const KEYS: (&str, &str) = ("PGMON_HTTP_AUTH_API_KEYS", KEY);

#[test]
fn requests_that_are_too_large_or_no_requests_are_refused_early() {
    let agent = agent(&[]);
    let head = |lines: &str| format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    let many = (0..200).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    for (what, request, code) in [
        ("many headers", head(&many), 431),
        ("a long header", head(&format!("x: {}\r\n", "y".repeat(20_000))), 431),
        ("an endless header", format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(200_000)), 431),
        (
            "a long path",
            format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(10_000)),
            414,
        ),
        ("no HTTP", "HELO mail.example.com\r\n\r\n".to_owned(), 400),
        ("a TLS handshake", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (
            "a large body",
            "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n"
                .to_owned(),
            413,
        ),
    ] {
        assert_eq!(agent.send(request.as_bytes()).status, code, "{what}");
    }
    assert_eq!(agent.get("/livez").status, 200);
    let page = agent.page();
    let count = |code: &str| {
        page.all("pgmon_http_requests_total")
            .filter(|s| s.label("code") == Some(code))
            .map(|s| s.value)
            .sum::<f64>()
    };
    assert_eq!((count("431"), count("414"), count("413")), (3.0, 1.0, 1.0));
    assert!(count("400") >= 2.0);
}

#[test]
fn figures_of_the_listener_are_bounded_whatever_is_asked() {
    let agent = agent(&[]);
    for n in 0..200 {
        agent.send(format!("X{n} /{n} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        agent.get(&format!("/metrics?n={n}"));
    }
    let page = agent.wait("the requests are counted", Duration::from_secs(5), |page| {
        page.value("pgmon_http_requests_total", &[("method", "GET"), ("path", "/metrics"), ("code", "200")])
            .is_some_and(|n| n >= 200.0)
    });
    assert_eq!(
        page.value("pgmon_http_requests_total", &[("method", "other"), ("path", "other"), ("code", "404")]),
        Some(200.0)
    );
    assert!(page.all("pgmon_http_requests_total").count() < 10);
    assert!(
        page.value("pgmon_http_request_duration_seconds_count", &[("path", "/metrics")])
            .is_some_and(|n| n >= 200.0)
    );
}

/// The time that 99 of 100 scrapes stay below.
fn p99(agent: &Agent, scrapes: usize) -> Duration {
    let mut times: Vec<_> = (0..scrapes)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(agent.get_with("/metrics", &bearer(KEY)).status, 200);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[(scrapes * 99).div_ceil(100) - 1]
}

/// The bound is twice the quiet value. Other tests share these processors, so that a few tries
/// are granted, and what is below the scheduler's grain counts as quiet.
fn stays_within_twice_the_quiet_value(agent: &Agent, under: impl Fn() -> Duration) {
    const GRAIN: Duration = Duration::from_millis(10);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let quiet = p99(agent, 100);
        let loaded = under();
        if loaded <= (quiet * 2).max(GRAIN) {
            return;
        }
        seen.push((quiet, loaded));
    }
    panic!("p99 of a valid scrape, quiet and under load: {seen:?}");
}

/// A thousand clients need more files than many systems give by default.
fn take_all_files_that_are_allowed() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let all = Rlimit { current: now.maximum.or(Some(65_536)), maximum: now.maximum };
    setrlimit(Resource::Nofile, all).unwrap();
}

#[test]
fn a_thousand_slow_clients_do_not_delay_a_scrape() {
    take_all_files_that_are_allowed();
    let agent = agent(&[KEYS, ("PGMON_HTTP_HEADER_TIMEOUT", "5s")]);
    let held = |what: &[u8]| -> Vec<TcpStream> {
        (0..1000)
            .map(|_| {
                let mut stream = TcpStream::connect(agent.address()).unwrap();
                // Some were closed already to make room.
                let _ = stream.write_all(what);
                stream
            })
            .collect()
    };
    for what in [&b""[..], b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        stays_within_twice_the_quiet_value(&agent, || {
            let slow = held(what);
            let under = p99(&agent, 100);
            drop(slow);
            under
        });
    }
    let slow = held(b"GET / HTTP/1.1\r\n");
    let open = || {
        let text = agent.get_with("/metrics", &bearer(KEY)).text();
        let value = |name: &str| -> f64 {
            text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
        };
        (value("pgmon_http_connections "), value("pgmon_http_connections_closed_total{reason=\"evicted\"} "))
    };
    eventually("all but 512 were closed", Duration::from_secs(5), || {
        let (open, evicted) = open();
        assert!(open <= 512.0, "{open}");
        evicted >= 488.0
    });
    eventually("the rest is closed in time", Duration::from_secs(15), || open().0 <= 3.0);
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        // Closed, not merely silent.
        assert!(
            !matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
}

#[test]
fn a_flood_of_wrong_keys_does_not_delay_a_scrape() {
    let agent = Arc::new(agent(&[KEYS]));
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    stays_within_twice_the_quiet_value(&agent, || {
        stop.store(false, Ordering::Relaxed);
        let floods: Vec<_> = (0..4)
            .map(|_| {
                let (agent, stop, sent) = (agent.clone(), stop.clone(), sent.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(agent.get_with("/metrics", &bearer("wrong")).status, 403);
                        sent.fetch_add(1, Ordering::Relaxed);
                        // The flood runs on the same processors as what it floods.
                        std::thread::sleep(Duration::from_millis(5));
                    }
                })
            })
            .collect();
        let under = p99(&agent, 200);
        stop.store(true, Ordering::Relaxed);
        floods.into_iter().for_each(|flood| flood.join().unwrap());
        under
    });
    assert!(sent.load(Ordering::Relaxed) > 50, "that was no flood");
    let refusals = agent.log().lines().filter(|line| line.contains("was refused")).count();
    assert!((1..10).contains(&refusals), "each refusal is counted, few are logged: {refusals}");
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let agent = agent(&[("PGMON_HTTP_WRITE_TIMEOUT", "1s"), ("PGMON_HTTP_IDLE_TIMEOUT", "1s")]);
    let mut stream = TcpStream::connect(agent.address()).unwrap();
    // More answers than the buffers on the way can hold.
    let requests = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let written = stream.write_all(&requests);
    agent.wait("the connection is closed", Duration::from_secs(15), |page| {
        page.value("pgmon_http_connections_closed_total", &[("reason", "timeout")]) == Some(1.0)
            && page.value("pgmon_http_connections", &[]).is_some_and(|open| open <= 1.0)
    });
    drop((written, stream));
    // An idle one is closed without being counted as an offence.
    let mut idle = TcpStream::connect(agent.address()).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    idle.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"OK\n"));
    assert!(agent.get("/metrics").text().contains("closed_total{reason=\"timeout\"} 1"));
}

#[test]
fn few_file_descriptors_do_not_end_the_process() {
    let dsn = super::DSN;
    let exe = env!("CARGO_BIN_EXE_pgmon");
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n 64; exec {exe}")])
        .env("PGMON_DSN", dsn)
        .env("PGMON_HTTP_BIND", "127.0.0.1:0")
        .env("HOME", "/nonexistent");
    let agent = Agent::spawn(command);
    let held: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(agent.address()).ok()).collect();
    for _ in 0..20 {
        assert_eq!(agent.get("/metrics").status, 200);
    }
    let open = agent.page().value("pgmon_http_connections", &[]);
    assert!(open.is_some_and(|open| open <= 32.0), "{open:?}");
    drop(held);
}
