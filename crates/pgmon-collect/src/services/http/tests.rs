//! Servers that hang, redirect, send garbage, never end, and show certificates that have ended.

use crate::services::testing::{answering, certificate, check, flood, head, labels, reason, serve, value};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt as _;

async fn ok(body: &str) -> u16 {
    answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()), false).await
}

fn of(port: u16, more: &str) -> String {
    format!("{{type: http, url: \"http://127.0.0.1:{port}/health\", timeout: 2s{more}}}")
}

#[tokio::test]
async fn a_good_answer_has_its_status_times_and_counters() {
    let s = check(&of(ok("{\"status\": \"ok\"}").await, "")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert_eq!(value(&s, "probe_http_status_code", &[]), Some(200.0));
    assert_eq!(
        (value(&s, "service_up", &[]), value(&s, "probe_http_redirects", &[])),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(value(&s, "http_requests_total", &["/health"]), Some(1.0));
    assert_eq!(value(&s, "http_request_duration_seconds", &["/health"]), Some(1.0), "one was observed");
    assert_eq!(value(&s, "probe_http_content_length", &[]), Some(16.0));
    let phases = labels(&s, "probe_http_duration_seconds");
    assert_eq!(phases.concat(), ["resolve", "connect", "tls", "processing", "transfer"]);
    assert_eq!(value(&s, "probe_http_duration_seconds", &["tls"]), Some(0.0));
    assert_eq!(value(&s, "probe_failed_due_to_regex", &[]), None, "there is no expression");
    assert!(s.evidence[0].asked.starts_with("GET http://127.0.0.1:"), "{s:?}");
}

#[tokio::test]
async fn conditions_on_status_body_and_json_are_told_by_name() {
    let port = ok("{\"status\": \"ok\", \"n\": 3, \"list\": [1], \"no\": false}\nERROR").await;
    let json = ok("{\"status\": \"ok\", \"n\": 3, \"list\": [{\"a\": null}], \"no\": false}").await;
    for (port, condition, expected) in [
        (port, "body_match: '\"status\": *\"ok\"'", ""),
        (port, "body_match: nothing", "its body does not match body_match"),
        (port, "body_not_match: '(?i)error'", "its body matches body_not_match"),
        (port, "json: [{pointer: /status}]", "its body is no JSON: line 2, column 1"),
        (json, "json: [{pointer: /status, value: ok}, {pointer: /n, value: 3}, {pointer: /list/0}]", ""),
        (json, "json: [{pointer: /status, value: good}]", "in its JSON /status is \"ok\", not \"good\""),
        (json, "json: [{pointer: /gone}]", "its JSON has no /gone"),
        (json, "json: [{pointer: /no}]", "in its JSON /no is null or false"),
        (json, "json: [{pointer: /list, value: x}]", "in its JSON /list is a list, not \"x\""),
        (json, "expected_status: [201, 3xx]", "it answers with status 200, not 201, 3xx"),
        (
            json,
            "max_body: 10, json: [{pointer: /status}]",
            "its body has more than 10 bytes (max_body): it is not read as JSON",
        ),
        (
            json,
            "max_body: 10, body_match: list",
            "its body does not match body_match within 10 bytes (max_body)",
        ),
        (json, "max_body: 10", ""),
    ] {
        let s = check(&of(port, &format!(", {condition}"))).await;
        assert_eq!(s.state.reason().unwrap_or_default(), expected, "{condition}");
        let by_regex = condition.contains("_match");
        let failed = by_regex && !expected.is_empty();
        assert_eq!(
            value(&s, "probe_failed_due_to_regex", &[]),
            by_regex.then_some(f64::from(u8::from(failed)))
        );
    }
}

/// Notes what was asked, and answers with what `answer` makes of it.
async fn noting(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (u16, Arc<Mutex<Vec<String>>>) {
    let (heads, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
    let seen = heads.clone();
    let port = serve(move |mut stream| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            let head = head(&mut stream).await;
            let text = answer(&head);
            seen.lock().unwrap().push(head);
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await;
    (port, heads)
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_number_and_credentials_stay_at_home() {
    let (elsewhere, heads_there) =
        noting(|_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let (port, heads) = noting(move |head| {
        let to = match head.split(' ').nth(1) {
            Some("/health") => "../next?x=1".to_owned(),
            Some("/next?x=1") => format!("http://127.0.0.1:{elsewhere}/there"),
            Some("/loop") => "/loop".to_owned(),
            Some("/away") => "ftp://127.0.0.1/".to_owned(),
            _ => "http://[bad".to_owned(),
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let s = check(&of(port, ", username: me, password: hunter2, headers: {X-Key: hunter3}")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert_eq!(value(&s, "probe_http_redirects", &[]), Some(2.0));
    assert_eq!(value(&s, "http_requests_total", &["/health"]), Some(1.0), "one check");
    let (home, there) = (heads.lock().unwrap().join("\n"), heads_there.lock().unwrap().join("\n"));
    assert!(
        home.matches("authorization: Basic bWU6aHVudGVyMg==").count() == 2 && home.contains("x-key: hunter3"),
        "{home}"
    );
    assert!(
        there.starts_with("GET /there ") && !there.contains("authorization") && !there.contains("hunter"),
        "{there}"
    );

    let at = |path: &str, more: &str| format!("{{type: http, url: \"http://127.0.0.1:{port}{path}\"{more}}}");
    let s = check(&at("/loop", "")).await;
    assert_eq!(reason(&s), "it redirects more than 5 times (max_redirects)");
    let s = check(&at("/loop", ", follow_redirects: false")).await;
    assert_eq!(reason(&s), "it answers with status 302, not 2xx");
    let s = check(&at("/loop", ", follow_redirects: false, expected_status: [302]")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    for path in ["/away", "/bad"] {
        let s = check(&at(path, "")).await;
        assert!(reason(&s).starts_with("it redirects to what cannot be asked"), "{s:?}");
    }
}

#[tokio::test]
async fn what_hangs_never_ends_or_is_no_http_costs_no_more_than_its_time() {
    let cases: [(Vec<u8>, bool, &str); 7] = [
        (b"".to_vec(), true, "no answer within 1s, while it was waited for an answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec(),
            true,
            "no answer within 1s, while its body was read",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec(), false, "its body broke off"),
        (b"".to_vec(), false, "it closed the connection before its answer was complete"),
        (b"+PONG\r\n".to_vec(), true, "its answer is no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), true, "its answer is no HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_vec(),
            true,
            "its answer is no HTTP",
        ),
    ];
    for (bytes, hangs, expected) in cases {
        let port = answering(bytes.clone(), hangs).await;
        let s = check(&of(port, "").replace("timeout: 2s", "timeout: 1s")).await;
        assert!(reason(&s).starts_with(expected), "{}: {}", String::from_utf8_lossy(&bytes), reason(&s));
        assert_eq!(value(&s, "http_requests_total", &["/health"]), Some(1.0), "it was asked: {s:?}");
    }
    let endless_head = serve(async |mut stream| {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        flood(&mut stream, &b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(20)).await;
    })
    .await;
    let s = check(&of(endless_head, "")).await;
    assert!(reason(&s).starts_with("the head of its answer is too large"), "{s:?}");
    let endless_body = serve(async |mut stream| {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        flood(&mut stream, &[b'x'; 65_536]).await;
    })
    .await;
    let s = check(&of(endless_body, "")).await;
    assert_eq!(s.state.is_ok(), Some(true), "its status is what counts: {s:?}");
    assert_eq!(value(&s, "probe_http_uncompressed_body_length", &[]), Some(1024.0 * 1024.0));
    let s = check(&of(endless_body, ", max_body: 2MiB, body_not_match: y")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert_eq!(value(&s, "probe_http_uncompressed_body_length", &[]), Some(2048.0 * 1024.0));
}

async fn over_tls(days: i64) -> (u16, tempfile::NamedTempFile) {
    let (acceptor, ca) = certificate(days);
    let port = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (port, ca)
}

#[tokio::test]
async fn certificates_are_judged_and_their_end_is_known_whatever_comes_of_it() {
    let at = |port: u16, tls: String| {
        format!("{{type: http, url: \"https://localhost:{port}/\", tls: {{{tls}}}}}")
    };
    let (port, ca) = over_tls(10).await;
    let s = check(&at(port, format!("ca_file: {}", ca.path().display()))).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert_eq!(value(&s, "probe_http_ssl", &[]), Some(1.0));
    assert!(value(&s, "probe_http_duration_seconds", &["tls"]) > Some(0.0));
    let left = value(&s, "probe_ssl_earliest_cert_expiry", &[]).unwrap() - s.at.unwrap().as_second() as f64;
    assert!((8.9 * 86_400.0..10.1 * 86_400.0).contains(&left), "{left}");

    let (port, ca) = over_tls(-2).await;
    let s = check(&at(port, format!("ca_file: {}", ca.path().display()))).await;
    assert!(reason(&s).starts_with("TLS: the certificate ended at 20"), "{s:?}");
    assert!(value(&s, "probe_ssl_earliest_cert_expiry", &[]) < s.at.map(|at| at.as_second() as f64));
    let s = check(&at(port, "insecure: true".to_owned())).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");

    let (port, _) = over_tls(10).await;
    let (_, other) = certificate(10);
    let s = check(&at(port, format!("ca_file: {}", other.path().display()))).await;
    assert!(reason(&s).starts_with("TLS: "), "{s:?}");
    let s = check(&at(port, "ca_file: /nonexistent".to_owned())).await;
    assert!(reason(&s).contains("tls.ca_file /nonexistent"), "{s:?}");
}
