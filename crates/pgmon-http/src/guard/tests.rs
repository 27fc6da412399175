use super::*;
use crate::access::Access;
use crate::exposition::Look;
use crate::server::router;
use axum::body::{Body, to_bytes};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::ManualClock;
use pgmon_config::{ApiKey, Http, RateLimit, key_digest};
use std::time::Duration;
use tower::ServiceExt as _;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

#[test]
fn a_request_of_another_site_is_told_from_ones_own() {
    assert!(same_origin(&headers(&[])));
    assert!(same_origin(&headers(&[("sec-fetch-site", "same-origin"), ("origin", "null")])));
    assert!(same_origin(&headers(&[("origin", "https://pgmon:8181"), ("host", "pgmon:8181")])));
    for other in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "null"), ("host", "pgmon:8181")],
        &[("origin", "https://pgmon:8182"), ("host", "pgmon:8181")],
        &[("origin", "https://pgmon:8181")],
    ] {
        assert!(!same_origin(&headers(other)), "{other:?}");
    }
}

#[test]
fn only_who_is_here_is_local_whatever_headers_say() {
    let peer = |text: &str| Peer { address: text.parse().unwrap(), tls: false, certificate: None };
    assert!(is_local(&peer("127.0.0.1:1"), &headers(&[])) && is_local(&peer("[::1]:1"), &headers(&[])));
    assert!(is_local(&peer("[::ffff:127.0.0.1]:1"), &headers(&[])));
    assert!(!is_local(&peer("192.0.2.1:1"), &headers(&[("x-forwarded-for", "127.0.0.1")])));
    assert!(!is_local(&peer("127.0.0.1:1"), &headers(&[("x-forwarded-for", "127.0.0.1")])));
    assert!(!is_local(&peer("127.0.0.1:1"), &headers(&[("sec-fetch-site", "cross-site")])));
}

const HERE: &str = "127.0.0.1:5000";
const ELSEWHERE: &str = "192.0.2.1:5000";

/// An app without databases, at a time that stands still.
struct Served {
    app: Arc<App>,
    clock: Arc<ManualClock>,
}

impl Served {
    fn new(http: &Http) -> Self {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let fleet = Arc::new(Fleet::new(Vec::new()));
        let access = Access::build(http).unwrap();
        let listen = http.bind.parse().unwrap();
        Self {
            app: Arc::new(App::new(fleet, clock.clone(), "1.2.3", Look::default(), access, listen)),
            clock,
        }
    }

    async fn get(&self, from: &str, path: &str, key: &str) -> Response {
        let peer = Peer { address: from.parse().unwrap(), tls: false, certificate: None };
        let mut request = Request::get(path).extension(Arc::new(peer));
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        router(self.app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn codes(&self, from: &str, path: &str, key: &str, requests: usize) -> Vec<u16> {
        let mut codes = Vec::new();
        for _ in 0..requests {
            codes.push(self.get(from, path, key).await.status().as_u16());
        }
        codes
    }
}

fn keys(http: Http, keys: &[&str]) -> Http {
    let key = |key: &&str| ApiKey { sha256: Some(key_digest(key).into()), ..ApiKey::default() };
    let auth = pgmon_config::Auth { api_keys: keys.iter().map(key).collect(), ..Default::default() };
    Http { auth, ..http }
}

fn open_to_all() -> Http {
    Http { bind: "0.0.0.0:8181".to_owned(), ..Http::default() }
}

fn text<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_client_gets_its_burst_and_then_its_rate() {
    let served = Served::new(&open_to_all());
    let first = served.get(ELSEWHERE, "/metrics", "").await;
    let told = ["ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
    assert_eq!(told.map(|name| text(&first, name)), [Some("60;w=6"), Some("60"), Some("59"), Some("1")]);
    let codes = served.codes(ELSEWHERE, "/metrics", "", 70).await;
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 59);
    let refused = served.get(ELSEWHERE, "/metrics", "").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(
        (text(&refused, "retry-after"), text(&refused, "ratelimit-remaining")),
        (Some("1"), Some("0"))
    );
    // Others are not affected, nor are health checks, nor this machine.
    assert_eq!(served.get("192.0.2.2:5000", "/metrics", "").await.status(), 200);
    assert_eq!(served.codes(ELSEWHERE, "/livez", "", 100).await, [200; 100]);
    assert_eq!(served.codes(HERE, "/metrics", "", 100).await, [200; 100]);
    let here = served.get("[::ffff:127.0.0.1]:5000", "/metrics", "").await;
    assert!(told.iter().all(|name| text(&here, name).is_none()));
    served.clock.advance(Duration::from_millis(500));
    let codes = served.codes(ELSEWHERE, "/metrics", "", 10).await;
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 5);
    // The refused scrapes are counted: 11 and 1 before, 5 now.
    served.clock.advance(Duration::from_secs(30));
    let page = to_bytes(served.get(HERE, "/metrics", "").await.into_body(), usize::MAX).await.unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains("\nexporter_scrape_lockouts_total 17\n"), "{page}");
}

#[tokio::test]
async fn who_is_refused_again_and_again_has_to_wait_and_nobody_else_does() {
    let served = Served::new(&keys(open_to_all(), &["right"]));
    let waits = async |from: &str, key: &str, requests: usize| {
        let mut waits = 0;
        for _ in 0..requests {
            let response = served.get(from, "/metrics", key).await;
            waits += usize::from(response.extensions().get::<Nuisance>().is_some());
        }
        waits
    };
    // Refused with 403 here, and with 429 from elsewhere.
    for from in [HERE, ELSEWHERE] {
        assert_eq!(waits(from, "wrong", 60).await, 0, "{from}");
        assert_eq!(waits(from, "wrong", 20).await, 20, "{from}");
        assert_eq!(waits(from, "", 5).await, 5, "{from}: a key that is not there is as wrong");
        assert_eq!(
            waits(from, "right", 100).await,
            0,
            "{from}: a refusal for its rate alone is told at once"
        );
    }
    assert_eq!(waits("192.0.2.2:5000", "wrong", 60).await, 0, "each address has a share of its own");
    let health = served.get(HERE, "/livez", "wrong").await;
    assert!(health.status() == 200 && health.extensions().get::<Nuisance>().is_none());
    served.clock.advance(Duration::from_secs(1));
    assert_eq!(waits(HERE, "wrong", 15).await, 5, "ten a second");
}

#[tokio::test]
async fn a_key_has_a_bucket_of_its_own_wherever_it_is_used() {
    let limit = RateLimit { per_second: 1.0, burst: 5, ..RateLimit::default() };
    let served = Served::new(&keys(Http { rate_limit: limit, ..open_to_all() }, &["one", "two"]));
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "one", 3).await, [200; 3]);
    assert_eq!(served.codes("192.0.2.2:5000", "/metrics", "one", 3).await, [200, 200, 429]);
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "two", 1).await, [200]);
    // What has no key spends its address's bucket, not the keys'.
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "", 7).await, [403, 403, 403, 403, 403, 429, 429]);
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "two", 1).await, [200]);
    let off = RateLimit { enabled: false, ..RateLimit::default() };
    let served = Served::new(&Http { rate_limit: off, ..open_to_all() });
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "", 200).await, [200; 200]);
}

#[tokio::test]
async fn wrong_keys_are_locked_out_sooner_than_right_ones() {
    let served = Served::new(&keys(open_to_all(), &["right"]));
    let codes = served.codes(ELSEWHERE, "/metrics", "wrong", 20).await;
    assert_eq!(codes, [[403; 10], [429; 10]].concat());
    assert_eq!(served.get(ELSEWHERE, "/metrics", "right").await.status(), 200);
    assert_eq!(served.codes(HERE, "/metrics", "wrong", 20).await, [403; 20]);
    served.clock.advance(Duration::from_secs(2));
    assert_eq!(served.codes(ELSEWHERE, "/metrics", "wrong", 3).await, [403, 403, 429]);
}

#[tokio::test]
async fn rules_are_replaced_while_pgmon_runs() {
    let served = Served::new(&keys(open_to_all(), &["old"]));
    assert_eq!(served.get(HERE, "/", "old").await.status(), 200);
    served.app.set_access(Access::build(&keys(open_to_all(), &["new"])).unwrap());
    assert_eq!(served.get(HERE, "/", "old").await.status(), 401);
    assert_eq!(served.get(HERE, "/", "new").await.status(), 200);
    served.app.set_access(Access::build(&open_to_all()).unwrap());
    assert_eq!(served.get(HERE, "/", "").await.status(), 403);
    assert_eq!(served.get(HERE, "/metrics", "").await.status(), 200);
}

async fn health(served: &Served) -> String {
    let response = served.get(ELSEWHERE, "/healthz", "").await;
    assert_eq!(response.status(), 200);
    String::from_utf8(to_bytes(response.into_body(), 100_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn doors_that_open_while_pgmon_runs_are_named_in_health() {
    let served = Served::new(&keys(open_to_all(), &["old"]));
    let open = || Access::build(&open_to_all()).unwrap();
    assert!(served.app.would_open(&open()) && !health(&served).await.contains("http:"));
    served.app.set_access(open());
    let said = health(&served).await;
    assert!(
        said.contains("degraded")
            && said.contains("authentication was taken away while pgmon listens on 0.0.0.0"),
        "{said}"
    );
    // Another reload changes nothing about it; keys do.
    served.app.set_access(open());
    assert!(health(&served).await.contains("taken away"));
    served.app.set_access(Access::build(&keys(open_to_all(), &["new"])).unwrap());
    assert!(!health(&served).await.contains("taken away"));

    let here = Served::new(&keys(Http::default(), &["old"]));
    assert!(!here.app.would_open(&Access::build(&Http::default()).unwrap()));
    here.app.set_access(Access::build(&Http::default()).unwrap());
    assert!(!health(&here).await.contains("taken away"));
}

#[tokio::test]
async fn a_session_ends_with_the_key_it_was_begun_with() {
    let served = Served::new(&keys(open_to_all(), &["old"]));
    let peer = Peer { address: HERE.parse().unwrap(), tls: true, certificate: None };
    let access = served.app.access();
    let Identity::Known(principal) = served.app.by_key(&access, &peer, "old") else { panic!("known") };
    let token = served.app.sessions.begin(principal.credential, Duration::ZERO).unwrap();
    let cookie = format!("__Host-pgmon_session={token}");
    let ask = async || {
        let request = Request::get("/").header(header::COOKIE, &cookie).extension(Arc::new(peer.clone()));
        router(served.app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    assert_eq!(ask().await, 200);
    served.clock.advance(Duration::from_secs(11 * 3600));
    assert_eq!(ask().await, 200);
    served.app.set_access(Access::build(&keys(open_to_all(), &["new"])).unwrap());
    assert_eq!(ask().await, 401);
    served.app.set_access(Access::build(&keys(open_to_all(), &["old"])).unwrap());
    assert_eq!(ask().await, 200);
    served.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(ask().await, 401, "twelve hours are over");
}

#[tokio::test]
async fn a_reload_is_asked_for_and_its_outcome_told() {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let access = Access::build(&Http::default()).unwrap();
    let mut app = App::new(
        Arc::new(Fleet::new(Vec::new())),
        clock,
        "1.2.3",
        Look::default(),
        access,
        HERE.parse().unwrap(),
    );
    let (sender, mut requests) = tokio::sync::mpsc::channel::<crate::reload::ReloadRequest>(1);
    app.reload = Some(sender);
    let app = Arc::new(app);
    tokio::spawn(async move {
        for outcome in [Ok("1 database added".to_owned()), Err("pgmon.yaml:3: unknown key".to_owned())] {
            let request = requests.recv().await.unwrap();
            assert_eq!(request.by, "nobody known from 127.0.0.1");
            request.answer.send(outcome).unwrap();
        }
    });
    let ask = async |method: Method| {
        let peer = Peer { address: HERE.parse().unwrap(), tls: false, certificate: None };
        let request = Request::builder().method(method).uri("/-/reload").extension(Arc::new(peer));
        let response = router(app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        (code, String::from_utf8(to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap())
    };
    assert_eq!(ask(Method::POST).await, (200, "1 database added\n".to_owned()));
    assert_eq!(ask(Method::PUT).await, (500, "pgmon.yaml:3: unknown key\n".to_owned()));
    assert_eq!(ask(Method::POST).await.0, 503, "nobody is there any more");
}

#[test]
fn a_name_that_somebody_else_can_point_here_is_not_local() {
    let host = |host: &'static str| is_local_name(&headers(&[("host", host)]));
    for own in ["127.0.0.1:8181", "127.0.0.1", "[::1]:8181", "localhost:8181", "db1", "pgmon.localhost:1"] {
        assert!(host(own), "{own}");
    }
    for other in
        ["evil.example:8181", "evil.example.:8181", "127.0.0.1.evil.example", "localhost.evil.example:8181"]
    {
        assert!(!host(other), "{other}");
    }
}

#[tokio::test]
async fn who_asks_for_a_reload_is_noted() {
    let mut http = keys(open_to_all(), &["key"]);
    http.auth.api_keys[0].name = Some("ops".to_owned());
    http.auth.api_keys[0].scope = Scope::Admin;
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let (fleet, access) = (Arc::new(Fleet::new(Vec::new())), Access::build(&http).unwrap());
    let listen = http.bind.parse().unwrap();
    let mut app = App::new(fleet, clock, "1.2.3", Look::default(), access, listen);
    let (sender, mut requests) = tokio::sync::mpsc::channel::<crate::reload::ReloadRequest>(1);
    app.reload = Some(sender);
    let noted = tokio::spawn(async move {
        let request = requests.recv().await.unwrap();
        request.answer.send(Ok("done".to_owned())).unwrap();
        request.by
    });
    let peer = Peer { address: ELSEWHERE.parse().unwrap(), tls: false, certificate: None };
    let request =
        Request::post("/-/reload").extension(Arc::new(peer)).header(header::AUTHORIZATION, "Bearer key");
    let response = router(Arc::new(app)).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(noted.await.unwrap(), "ops from 192.0.2.1");
}
