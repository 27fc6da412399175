//! Many services at once, and what a new configuration does to them.

use super::families;
use super::registry::{Roster, Services};
use super::testing::{answering, serve, specs, value};
use pgmon_config::{SERVICE_LABELS, Secrets};
use pgmon_core::clock::SystemClock;
use pgmon_core::metric::{Groups as _, Kind};
use pgmon_core::service::ServiceSnapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn roster() -> (Arc<Services>, Roster) {
    let services = Arc::new(Services::default());
    let timer = Arc::new(SystemClock::new());
    (services.clone(), Roster::new(services, timer, &Secrets::default(), BTreeMap::new()))
}

async fn until(services: &Services, what: &str, is_so: impl Fn(&[Arc<ServiceSnapshot>]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so(&services.snapshots()) {
        assert!(Instant::now() < deadline, "not so: {what}: {:?}", services.snapshots());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn named<'s>(all: &'s [Arc<ServiceSnapshot>], name: &str) -> &'s Arc<ServiceSnapshot> {
    all.iter().find(|s| *s.name == *name).unwrap()
}

#[test]
fn families_have_names_of_their_own_and_labels_that_no_service_may_have() {
    let mut names = BTreeSet::new();
    for desc in families::all() {
        assert!(names.insert(desc.name), "{} twice", desc.name);
        assert_eq!(desc.kind == Kind::Counter, desc.name.ends_with("_total"), "{}", desc.name);
        assert!(desc.help.ends_with('.'), "{}", desc.name);
        for label in desc.labels {
            assert!(SERVICE_LABELS.contains(label), "{}: a service could have the label {label}", desc.name);
        }
    }
    // Those of Alfred's document, and of the issue.
    for name in [
        "service_health",
        "service_info",
        "service_up",
        "service_requests_total",
        "postgres_up",
        "postgres_connections",
        "postgres_max_connections",
        "postgres_queries_total",
        "postgres_query_duration_seconds",
        "redis_up",
        "redis_memory_used_bytes",
        "redis_connected_clients",
        "redis_commands_total",
        "http_requests_total",
        "http_request_duration_seconds",
        "probe_success",
        "probe_duration_seconds",
        "probe_http_status_code",
        "probe_ssl_earliest_cert_expiry",
    ] {
        assert!(families::has(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_dead_services_delay_none_of_four_hundred_and_fifty_others() {
    let silent = answering("", true).await;
    let good = serve(async |stream| drop(stream)).await;
    let mut text = String::new();
    for n in 0..500 {
        let (port, more) = match n % 10 {
            // It takes the connection and says nothing, for as long as it is waited for.
            0 => (silent, ", query_response: [{expect: x}]"),
            _ => (good, ""),
        };
        text.push_str(&format!(
            "\n  s{n}: {{type: tcp, host: 127.0.0.1, port: {port}, interval: 2s, timeout: 2s{more}}}"
        ));
    }
    let (services, mut roster) = roster();
    roster.apply(specs(&text), &Secrets::default());
    tokio::time::sleep(Duration::from_millis(11_000)).await;
    let all = services.snapshots();
    let dead: Vec<_> = all.iter().filter(|s| s.state.is_ok() == Some(false)).collect();
    assert_eq!(dead.len(), 50, "{:?}", dead.first());
    // The first check, one within an interval of it, and one every two seconds.
    let late: Vec<_> = all.iter().filter(|s| s.state.is_ok() == Some(true) && s.checks < 5).collect();
    assert!(late.is_empty(), "{} of 450 were late: {:?}", late.len(), late.first());
    assert!(dead.iter().all(|s| s.checks >= 2), "the dead are checked as well");
    roster.stop().await;
}

#[tokio::test]
async fn a_new_configuration_touches_nothing_but_what_is_other_in_it() {
    let good = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).await;
    let (services, mut roster) = roster();
    let of = |name: &str, more: &str| {
        format!("\n  {name}: {{type: http, url: \"http://127.0.0.1:{good}/x\", interval: 1s{more}}}")
    };
    let before = specs(&[of("stays", ""), of("changes", ""), of("goes", "")].concat());
    let changes = roster.apply(before.clone(), &Secrets::default());
    assert_eq!(changes.added, ["stays", "changes", "goes"]);
    until(&services, "all were checked twice", |all| all.iter().all(|s| s.checks >= 2)).await;
    let layout = services.layout();
    assert_eq!(roster.apply(before, &Secrets::default()), Default::default(), "nothing is other");
    assert_eq!(services.layout(), layout);

    let now = services.snapshots();
    let counted = value(named(&now, "changes"), "http_request_duration_seconds", &["/x"]).unwrap();
    let after = specs(&[of("stays", ""), of("changes", ", timeout: 500ms"), of("comes", "")].concat());
    let changes = roster.apply(after, &Secrets::default());
    assert_eq!(
        (changes.added, changes.removed, changes.changed),
        (vec!["comes".into()], vec!["goes".into()], vec!["changes".into()])
    );
    let now = services.snapshots();
    assert!(services.layout() > layout && now.iter().all(|s| &*s.name != "goes"));
    assert!(named(&now, "stays").checks >= 2, "it goes on");
    assert_eq!(named(&now, "comes").state.is_ok(), None);
    until(&services, "it was checked again", |all| named(all, "changes").state.is_ok() == Some(true)).await;
    let now = services.snapshots();
    let histogram = value(named(&now, "changes"), "http_request_duration_seconds", &["/x"]).unwrap();
    assert!(histogram > counted, "the histogram goes on: {counted}, {histogram}");
    assert!(named(&now, "changes").checks > 2);
    roster.stop().await;
}
