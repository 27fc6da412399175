//! Many services at once, and what a new configuration does to them.

use super::families::{self, Tally};
use super::probe::{Probe, pending};
use super::registry::{Roster, Services};
use super::testing::{answering, serve, specs, value};
use super::watch::{self, Places, Shared};
use pgmon_config::{SERVICE_LABELS, Secrets};
use pgmon_core::clock::{Clock as _, SystemClock};
use pgmon_core::metric::{Groups as _, Kind};
use pgmon_core::service::ServiceSnapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

fn roster() -> (Arc<Services>, Roster) {
    let services = Arc::new(Services::default());
    let timer = Arc::new(SystemClock::new());
    (services.clone(), Roster::new(services, timer, &Secrets::default(), BTreeMap::new()))
}

async fn until(services: &Services, what: &str, is_so: impl Fn(&[Arc<ServiceSnapshot>]) -> bool) {
    let wait = async {
        while !is_so(&services.snapshots()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(waited.is_ok(), "not so: {what}: {:?}", services.snapshots());
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

#[test]
fn there_are_places_for_as_many_checks_as_there_are_files() {
    let of = |files| (Places::of(files).sound, Places::of(files).failing);
    assert_eq!(of(Some(1024)), (384, 128));
    assert_eq!(of(Some(16)), (64, 64), "few files: some checks fail rather than all wait");
    assert_eq!((of(Some(1 << 20)), of(None)), ((2_000, 2_000), (2_000, 2_000)));
}

/// Services that all answer until `silent` begins; of the well ones, when each was asked.
struct Town {
    text: String,
    silent: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Vec<Duration>>>>,
    clock: SystemClock,
}

impl Town {
    async fn new(well: usize, falling: usize) -> Self {
        let (silent, asked) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![Vec::new(); well])));
        let (mut text, clock) = (String::new(), SystemClock::new());
        for n in 0..well {
            let (asked, clock) = (asked.clone(), clock.clone());
            let port = serve(move |mut stream| {
                let (asked, clock) = (asked.clone(), clock.clone());
                async move {
                    asked.lock().unwrap()[n].push(clock.mono());
                    let _ = stream.write_all(b"hello\r\n").await;
                }
            });
            let port = port.await;
            text.push_str(&format!(
                "\n  well{n}: {{type: tcp, host: 127.0.0.1, port: {port}, interval: 3s, timeout: 3s, query_response: [{{expect: hello}}]}}"
            ));
        }
        for n in 0..falling {
            let silent = silent.clone();
            let port = serve(move |mut stream| {
                let silent = silent.clone();
                async move {
                    if silent.load(Ordering::Relaxed) {
                        return std::future::pending().await;
                    }
                    let _ = stream.write_all(b"hello\r\n").await;
                }
            });
            let port = port.await;
            text.push_str(&format!(
                "\n  falls{n}: {{type: tcp, host: 127.0.0.1, port: {port}, interval: 3s, timeout: 3s, query_response: [{{expect: hello}}]}}"
            ));
        }
        Self { text, silent, asked, clock }
    }

    /// The longest time between two checks of one that is well, or from the last one to now.
    fn longest_gap(&self) -> Duration {
        let (asked, now) = (self.asked.lock().unwrap(), self.clock.mono());
        let gaps = asked.iter().flat_map(|times| {
            let ends = times.iter().skip(1).chain([&now]);
            times.iter().zip(ends).map(|(from, to)| *to - *from).collect::<Vec<_>>()
        });
        gaps.max().expect("somebody was asked")
    }

    /// The longest gap around the moment in which those that fall do so together, and how many were seen to.
    async fn fall(&self, places: Places) -> (Duration, usize) {
        let (services, timer) = (Arc::new(Services::default()), Arc::new(SystemClock::new()));
        let shared = Shared::with(timer, places);
        let mut roster = Roster::with(services.clone(), shared, &Secrets::default(), BTreeMap::new());
        roster.apply(specs(&self.text), &Secrets::default());
        until(&services, "all are good", |all| all.iter().all(|s| s.state.is_ok() == Some(true))).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        self.silent.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let all = services.snapshots();
        let (well, fallen): (Vec<_>, Vec<_>) = all.iter().partition(|s| s.name.starts_with("well"));
        assert!(well.iter().all(|s| s.state.is_ok() == Some(true)), "{well:?}");
        let seen = fallen.iter().filter(|s| s.state.is_ok() == Some(false)).count();
        let gap = self.longest_gap();
        roster.stop().await;
        (gap, seen)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_services_that_fall_silent_together_delay_none_that_is_well() {
    let (town, starved) = tokio::join!(Town::new(30, 100), Town::new(30, 100));
    let enough = Places::of(Some(1024));
    let few = Places { sound: 16, failing: 16 };
    let ((gap, seen), (late, _)) = tokio::join!(town.fall(enough), starved.fall(few));
    assert_eq!(seen, 100, "all of them are known to have fallen");
    // A check's own time would be three seconds more.
    assert!(gap < Duration::from_millis(4_500), "{gap:?}");
    assert!(late > Duration::from_millis(4_500), "it would be seen: {late:?}");
}

#[tokio::test]
async fn a_probe_that_panics_fails_its_check_and_is_asked_again() {
    let services = Services::default();
    let spec = Arc::new(specs("{x: {type: tcp, host: localhost, port: 1, interval: 1s}}").remove(0));
    let cell = services.cell(pending(&spec), Tally::default());
    let shared = Arc::new(Shared::new(Arc::new(SystemClock::new())));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let task = tokio::spawn(watch::run(shared, cell.clone(), spec, Probe::panicking(), stopped));
    let wait = async {
        while cell.snapshot().failures < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(waited.is_ok() && !task.is_finished(), "{:?}", cell.snapshot());
    let s = cell.snapshot();
    assert_eq!(s.state.reason(), Some("this check failed for a fault in pgmon: please report it"));
    assert_eq!(value(&s, "service_health", &[]), Some(0.0));
    stop.send_replace(true);
    task.await.unwrap();
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
