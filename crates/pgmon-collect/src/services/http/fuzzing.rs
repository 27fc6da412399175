//! What a web server sends, taken apart without one.

use super::{Http, Times, evidence, redirect, send};
use crate::services::net::Names;
use crate::services::probe::{Found, Probing};
use crate::services::redact::Redactor;
use crate::services::tls::Authorities;
use hyper::header::LOCATION;
use pgmon_config::{Config, HttpCheck, HttpMethod, HttpUrl, LoadOptions, ServiceCheck};
use pgmon_core::clock::{Clock as _, SystemClock};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Looks at all that a body can be looked at for.
const SERVICE: &str = r#"services: {x: {type: http, url: "https://home.example/a/b?c", max_body: 1KiB,
    expected_status: [1xx, 2xx, 3xx, 4xx, 5xx], body_match: "^.*ok", body_not_match: "(a|b)+c$",
    json: [{pointer: /status, value: ok}, {pointer: /list/0}]}}"#;

/// What the service above may send of its body.
const MOST: f64 = 1024.0;

fn check() -> Option<&'static HttpCheck> {
    static CHECK: OnceLock<Option<HttpCheck>> = OnceLock::new();
    let make = || {
        let options = LoadOptions { default_paths: Vec::new(), ..LoadOptions::default() };
        let loaded = Config::load_text("pgmon.yaml".as_ref(), SERVICE, &options).ok()?;
        match &loaded.services.first()?.check {
            ServiceCheck::Http(check) => Some(check.clone()),
            _ => None,
        }
    };
    CHECK.get_or_init(make).as_ref()
}

/// Takes bytes for the answer to a request: its head, where it leads, its body and whether that is as it must be.
pub fn answer(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let taken = runtime.ok().zip(check()).map(|(runtime, check)| runtime.block_on(take(check, bytes)));
    assert!(taken.flatten().is_some(), "there is nothing to try it with");
}

async fn take(check: &HttpCheck, bytes: &[u8]) -> Option<()> {
    let clock = SystemClock::new();
    let (authorities, names, redactor) = (Authorities::default(), Names::default(), Redactor::default());
    let probing = Probing {
        timer: &clock,
        deadline: clock.mono() + Duration::from_secs(5),
        authorities: &authorities,
        names: &names,
        redactor: &redactor,
    };
    let http = Http::new(check);
    let mut origin = redirect::Origin::new(&check.url);
    let request = http.request(&check.url, check.method, &origin).ok()?;
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let bytes = bytes.to_vec();
    tokio::spawn(async move {
        // What comes before the request is no answer to it.
        let _ = theirs.read(&mut [0; 4096]).await;
        let _ = theirs.write_all(&bytes).await;
        let _ = theirs.shutdown().await;
        let _ = theirs.read(&mut [0; 4096]).await;
    });
    let Ok(answer) = send(Box::new(ours), request).await else { return Some(()) };
    let (mut found, mut times) = (Found::default(), Times::default());
    found.keep(evidence(&check.url, check.method, &answer.response, Duration::ZERO));
    if let Some(location) = answer.response.headers().get(LOCATION).and_then(|value| value.to_str().ok())
        && let Ok(next) = check.url.join(location)
    {
        let _ = origin.leaves_for(&next);
        let _ = http.request(&next, redirect::method(check.method, answer.response.status()), &origin);
    }
    let _ = http.judge(&check.url, HttpMethod::Get, answer, &probing, &mut times, &mut found).await;
    let cells = found.evidence.iter().flat_map(|evidence| evidence.rows.iter().flatten());
    assert!(cells.map(|cell| cell.chars().count()).all(|length| length <= 200), "evidence without end");
    for family in found.families.into_vec() {
        let of_body = family.desc.name() == "probe_http_uncompressed_body_length";
        for sample in &family.samples {
            let pgmon_core::metric::Value::Number(number) = &sample.value else { continue };
            assert!(number.is_finite() && (!of_body || *number <= MOST), "{sample:?}");
        }
    }
    Some(())
}

/// Takes a text for where an answer leads.
pub fn redirect(location: &str) {
    for home in ["https://home.example/a/b?c", "http://[::1]:8080/"] {
        let home = home.parse::<HttpUrl>();
        assert!(home.is_ok(), "{home:?}");
        let Ok(home) = home else { continue };
        let Ok(next) = home.join(location) else { continue };
        let path = next.path_and_query();
        assert!(path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()), "{path:?}");
        assert!(next.port() > 0 && !next.host().is_empty(), "{next:?}");
        // What it is shown as and asked with is one line.
        let authority = next.authority();
        assert!(
            !authority.contains(|c: char| c.is_control() || c == ' ' || c == '@' || c == '/'),
            "{authority:?}"
        );
        assert_eq!(home.has_origin_of(&next), next.has_origin_of(&home));
    }
}
