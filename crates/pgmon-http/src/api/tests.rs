//! What the API answers to what cannot be answered.

use crate::access::{Access, Peer};
use crate::app::App;
use crate::exposition::Look;
use crate::exposition::tests::snapshot;
use crate::server::router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::ManualClock;
use pgmon_config::Http;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Asks for a path of an API with one database.
async fn ask(method: &str, path: &str, head: &[(&str, &str)]) -> (u16, HeaderMap, Value) {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let http = Http::default();
    let (fleet, access) = (Arc::new(Fleet::new(vec![snapshot("a")])), Access::build(&http).unwrap());
    let app = App::new(fleet, clock, "1", Look::default(), access, http.bind.parse().unwrap());
    let peer = Peer { address: "127.0.0.1:5000".parse().unwrap(), tls: false, certificate: None };
    let mut request = Request::builder().method(method).uri(path).extension(Arc::new(peer));
    for (name, value) in head {
        request = request.header(*name, *value);
    }
    let response = router(Arc::new(app)).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, headers, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn every_error_is_json_with_a_hint() {
    let long = format!("/api/v1/overview?q={}", "x".repeat(9000));
    let large = [("content-length", "100000")];
    for (method, path, head, code) in [
        ("POST", "/api/v1/overview", &[][..], 405),
        ("OPTIONS", "/api/v1/history/pg_up", &[], 405),
        ("DELETE", "/api/v1/nope", &[], 404),
        ("GET", "/api", &[], 404),
        ("GET", "/api/v1/statements/%FF", &[], 400),
        ("GET", "/api/v1/overview?db=a&db=a", &[], 400),
        ("GET", "/api/v1/history/pg_up?cluster=c&cluster=c", &[], 400),
        ("GET", "/api/v1/overview?bd=a", &[], 400),
        ("GET", &long, &[], 414),
        ("POST", "/api/v1/overview", &large, 413),
        ("GET", "/api/v1/overview", &[("host", "evil.example")], 403),
    ] {
        let (status, headers, body) = ask(method, path, head).await;
        let short: String = path.chars().take(60).collect();
        assert_eq!(status, code, "{method} {short}: {body}");
        assert!(body["error"].is_string() && body["hint"].is_string(), "{method} {short}: {body}");
        assert_eq!(headers["content-type"], "application/json", "{short}");
        assert_eq!(headers["cache-control"], "no-store", "{short}");
        assert!(code != 405 || headers["allow"] == "GET,HEAD", "{short}: {headers:?}");
    }
}

#[tokio::test]
async fn a_misspelt_path_is_told_what_it_was_to_be() {
    for (path, near) in [
        ("/api/v1/overviw", "/api/v1/overview"),
        ("/api/v1/Autovaccum", "/api/v1/autovacuum"),
        ("/api/v1/statement/12", "/api/v1/statements/{queryid}"),
        ("/api/overview", "/api/v1/overview"),
        ("/api/v1/histroy/pg_up", "/api/v1/history/{metric}"),
    ] {
        let (status, _, body) = ask("GET", path, &[("accept", "text/html")]).await;
        assert!(status == 404 && body["hint"].as_str().unwrap().contains(near), "{path}: {body}");
    }
    let (_, _, body) = ask("GET", "/api/v1/xyz", &[]).await;
    assert_eq!(body["hint"], "/api/v1/openapi.json describes all paths");
}

#[tokio::test]
async fn a_metric_that_there_is_not_is_told_near_ones() {
    let (status, _, body) = ask("GET", "/api/v1/history/pg_conections", &[]).await;
    let hint = body["hint"].as_str().unwrap();
    assert!(status == 404 && hint.contains("pg_connections") && hint.contains("/api/v1/history "), "{body}");
    // Of these nothing is known yet.
    for known in ["pg_connections", "pg_up"] {
        let (status, _, body) = ask("GET", &format!("/api/v1/history/{known}"), &[]).await;
        assert!(status == 200 && body["data"]["series"].as_array().unwrap().is_empty(), "{known}: {body}");
    }
    let (status, _, body) = ask("GET", "/api/v1/history", &[]).await;
    assert!(status == 200 && body["data"]["metrics"].as_array().unwrap().is_empty(), "{body}");
}
