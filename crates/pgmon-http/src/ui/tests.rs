use super::*;
use crate::access::{Access, Peer};
use crate::app::App;
use crate::exposition::Look;
use crate::server::router;
use axum::body::{Body, to_bytes};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::ManualClock;
use pgmon_config::{Config, Http};
use std::sync::Arc;
use tower::ServiceExt as _;

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Asks from this machine.
async fn ask(http: Http, path: &str, head: &[(&str, &str)]) -> Answer {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let access = Access::build(&http).unwrap();
    let fleet = Arc::new(Fleet::new(Vec::new()));
    let app = App::new(fleet, clock, "1.2.3", Look::default(), access, http.bind.parse().unwrap());
    app.set_rules(&Config { http, ..Config::default() });
    let peer = Peer { address: "127.0.0.1:5000".parse().unwrap(), tls: false, certificate: None };
    let mut request = Request::get(path).extension(Arc::new(peer));
    for (name, value) in head {
        request = request.header(*name, *value);
    }
    let response = router(Arc::new(app)).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec() }
}

async fn plain(path: &str, head: &[(&str, &str)]) -> Answer {
    ask(Http::default(), path, head).await
}

#[tokio::test]
async fn a_page_is_always_asked_for_and_never_sent_twice() {
    let page = plain("/", &[HTML]).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-cache"));
    assert!(page.header("content-type").starts_with("text/html") && page.text().contains(BASE));
    for directive in ["default-src 'self'", "frame-ancestors 'none'"] {
        assert!(page.header("content-security-policy").contains(directive));
    }
    assert!(!page.header("content-security-policy").contains("unsafe"));
    assert_eq!(
        (page.header("x-content-type-options"), page.header("referrer-policy")),
        ("nosniff", "same-origin")
    );
    let again = plain("/", &[HTML, ("if-none-match", page.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let elsewhere = plain("/", &[HTML, ("if-none-match", "W/\"0\"")]).await;
    assert_eq!(elsewhere.status, 200);
}

#[tokio::test]
async fn paths_of_pages_are_the_pages_and_all_others_are_nothing() {
    let index = plain("/", &[]).await;
    for path in ["/queries/-9007199254740993?db=a", "/storage", "/a/b.c"] {
        let page = plain(path, &[HTML]).await;
        assert_eq!((page.status, page.text()), (200, index.text()), "{path}");
        assert_eq!(plain(path, &[("accept", "application/json")]).await.status, 404, "{path}");
    }
    for path in ["/api/v1/nothing", "/api", "/assets/nothing.js", "/assets/", "/-/nothing"] {
        let nothing = plain(path, &[HTML]).await;
        assert_eq!((nothing.status, nothing.header("content-type")), (404, "application/json"), "{path}");
        assert!(nothing.text().contains("\"hint\""), "{path}");
    }
    let posted = Request::post("/storage").header(HTML.0, HTML.1).body(Body::empty()).unwrap();
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let access = Access::build(&Http::default()).unwrap();
    let app = App::new(
        Arc::new(Fleet::new(Vec::new())),
        clock,
        "1",
        Look::default(),
        access,
        "127.0.0.1:1".parse().unwrap(),
    );
    let (mut parts, body) = posted.into_parts();
    let peer = Peer { address: "127.0.0.1:5000".parse().unwrap(), tls: false, certificate: None };
    parts.extensions.insert(Arc::new(peer));
    let answer = router(Arc::new(app)).oneshot(Request::from_parts(parts, body)).await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn under_a_prefix_everything_is_found_whether_the_proxy_takes_it_away_or_not() {
    let http = || Http { path_prefix: "/db/pgmon".to_owned(), ..Http::default() };
    for path in ["/db/pgmon", "/db/pgmon/", "/db/pgmon/storage", "/storage", "/"] {
        let page = ask(http(), path, &[HTML]).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains("<base href=\"/db/pgmon/\" />"), "{path}");
    }
    for path in ["/db/pgmon/metrics", "/metrics", "/db/pgmon/livez", "/db/pgmon/status"] {
        assert_eq!(ask(http(), path, &[]).await.status, 200, "{path}");
    }
    assert_eq!(ask(http(), "/db/pgmon/api/v1/nothing", &[HTML]).await.status, 404);
    let locked = Http { auth: pgmon_config::Auth { api_keys: vec![key()], ..Default::default() }, ..http() };
    let sent_away = ask(locked, "/db/pgmon/storage?db=a", &[HTML]).await;
    assert_eq!(
        (sent_away.status, sent_away.header("location")),
        (303, "/db/pgmon/login?next=/storage%3Fdb%3Da")
    );
}

fn key() -> pgmon_config::ApiKey {
    let digest = pgmon_config::key_digest("a-key-that-is-long-enough");
    pgmon_config::ApiKey { sha256: Some(digest.into()), ..pgmon_config::ApiKey::default() }
}

/// They are there whenever the pages were built; `script/test` builds them before.
#[tokio::test]
async fn files_are_sent_as_they_are_kept_and_last_for_ever() {
    for file in files::FILES {
        let path = format!("/{}", file.path);
        let packed = plain(&path, &[("accept-encoding", "gzip, deflate, br, zstd")]).await;
        assert_eq!((packed.status, packed.body.as_slice()), (200, file.bytes), "{path}");
        assert_eq!(packed.header("content-encoding"), if file.packed { "gzip" } else { "" });
        let hashed = file.path.starts_with(HASHED);
        assert_eq!(packed.header("cache-control").contains("immutable"), hashed, "{path}");
        let unpacked = plain(&path, &[]).await;
        assert_eq!((unpacked.status, unpacked.header("content-encoding")), (200, ""), "{path}");
        assert_eq!(unpacked.body.len() > file.bytes.len(), file.packed, "{path}");
        assert_ne!(unpacked.header("content-type"), "application/octet-stream", "{path}");
        let again = plain(&path, &[("if-none-match", packed.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    if BUILT {
        assert!(files::FILES.len() > 10, "the pages have more files");
        let scripts = files::INDEX.matches("<script").count();
        let with_source = files::INDEX.matches("src=\"./assets/").count();
        assert!(scripts > 0 && scripts <= with_source, "no script stands in the page: {}", files::INDEX);
    }
    assert_eq!(files::INDEX.matches(BASE).count(), 1);
}
