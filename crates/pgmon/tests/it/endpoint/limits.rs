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

/// Scrapes with the right key, each of which must be answered, and the time that half of them stay below.
fn median_of_answered(agent: &Agent, scrapes: usize) -> Duration {
    let mut times: Vec<_> = (0..scrapes)
        .map(|n| {
            let start = Instant::now();
            let answer = agent.get_with("/metrics", &bearer(KEY));
            assert_eq!(answer.status, 200, "scrape {n}: {}", answer.head);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[scrapes / 2]
}

/// That every valid scrape is answered is what these tests are for. How long it takes, on processors that nothing else
/// uses, is measured by `script/bench flood`: p99 at most twice the quiet one. Here it must not be of another order.
fn is_answered_about_as_fast(agent: &Agent, under: impl Fn() -> Duration) {
    const LEAST: Duration = Duration::from_millis(2);
    let quiet = median_of_answered(agent, 100);
    let loaded = under();
    assert!(loaded <= quiet.max(LEAST) * 20, "half of the scrapes take {loaded:?}, quiet {quiet:?}");
}

/// A thousand clients need more files than many systems give by default.
fn take_all_files_that_are_allowed() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let all = Rlimit { current: now.maximum.or(Some(65_536)), maximum: now.maximum };
    setrlimit(Resource::Nofile, all).unwrap();
}

#[test]
fn a_thousand_slow_clients_leave_no_scrape_without_its_answer() {
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
    let body = b"POST /login HTTP/1.1\r\nHost: x\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nkey=";
    // Asks, and does not read.
    let unread = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{}\r\n", bearer(KEY));
    let states = [b"".as_slice(), b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ", body, unread.as_bytes()];
    for what in states {
        is_answered_about_as_fast(&agent, || {
            let slow = held(what);
            let under = median_of_answered(&agent, 100);
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
fn a_flood_of_wrong_keys_leaves_no_scrape_without_its_answer() {
    const CLIENTS: usize = 16;
    let agent = Arc::new(agent(&[KEYS]));
    let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{}\r\n", bearer("wrong"));
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    is_answered_about_as_fast(&agent, || {
        let floods: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stop, sent, request) = (stop.clone(), sent.clone(), request.clone());
                let address = agent.address();
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    // As fast as they are answered; half of them with a new connection for each.
                    while !stop.load(Ordering::Relaxed) {
                        let mut answer = [0; 4096];
                        stream.write_all(request.as_bytes()).unwrap();
                        let count = stream.read(&mut answer).unwrap();
                        assert!(answer[..count].starts_with(b"HTTP/1.1 403 "));
                        sent.fetch_add(1, Ordering::Relaxed);
                        if client % 2 == 0 {
                            stream = TcpStream::connect(address).unwrap();
                        }
                    }
                })
            })
            .collect();
        let under = median_of_answered(&agent, 500);
        eventually("the burst is used up", Duration::from_secs(20), || sent.load(Ordering::Relaxed) > 60);
        let under = under.max(median_of_answered(&agent, 500));
        stop.store(true, Ordering::Relaxed);
        floods.into_iter().for_each(|flood| flood.join().unwrap());
        under
    });
    // Sixty at once and ten a second, and of each client one a second.
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let most = 60 + (10 + CLIENTS) * seconds + CLIENTS;
    let sent = sent.load(Ordering::Relaxed);
    assert!(
        (60..=most).contains(&sent),
        "{sent} wrong keys were answered in {seconds} s, at most {most} are meant to"
    );
    let page = agent.get_with("/metrics", &bearer(KEY)).text();
    assert!(
        page.contains("pgmon_http_connections_closed_total{reason=\"evicted\"} 0"),
        "nobody had to make room"
    );
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
