//! What the checks of services found, over time.

use super::{HistoryStore, Recorder, millis, offset};
use crate::services::Services;
use pgmon_core::clock::Clock;
use pgmon_core::history::{Answer, History, Id, Name, Query, Round, Source};
use pgmon_core::metric::Family;
use pgmon_core::service::ServiceSnapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Beyond the configured limit, for each service: two series over a week.
pub(super) const FOR_A_SERVICE: u64 = 64 * 1024;

/// Metrics of a service that have a past: whether it is good, and how long its checks take.
pub const KEPT_OF_SERVICES: [&str; 2] = ["service_health", "probe_duration_seconds"];

/// Who has found it.
const SOURCE: Source<'_> = Source { collector: "service", datname: None, server_wide: false };

/// Under what the history of a service is kept. No database has a cluster without a name.
fn id_of(name: &str) -> Id {
    Id::new("", name)
}

/// Whether this is the history of a service.
pub(super) fn is_service(id: &Id) -> bool {
    id.cluster.is_empty()
}

impl HistoryStore {
    /// What series of a service did between two times: Unix times in milliseconds, as in the answer.
    pub fn range_of_service(&self, clock: &dyn Clock, name: &str, query: &Query<'_>) -> Answer {
        self.range_of(&id_of(name), &[], offset(clock), query)
    }

    /// The names of a service's series.
    pub fn names_of_service(&self, name: &str) -> Vec<Name> {
        self.read(|h| h.names(&id_of(name), &[]))
    }
}

/// The services that a recorder watches.
pub(super) struct Watched {
    services: Arc<Services>,
    version: watch::Receiver<u64>,
    layout: Option<u64>,
    names: BTreeSet<Arc<str>>,
}

impl Watched {
    pub(super) fn new(services: Arc<Services>) -> Self {
        let version = services.subscribe();
        Self { services, version, layout: None, names: BTreeSet::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.services.snapshots().len()
    }

    /// Whether this is the history of one of them.
    pub(super) fn has(&self, id: &Id) -> bool {
        is_service(id) && self.names.contains(&id.db)
    }

    /// Takes the checks that are new. Whether there are other services than before.
    pub(super) fn take(&mut self, history: &HistoryStore) -> bool {
        use pgmon_core::metric::Groups as _;
        // Before the snapshots: what comes meanwhile is seen the next time.
        let layout = self.services.layout();
        let snapshots = self.services.snapshots();
        history.write(|h| snapshots.iter().for_each(|snapshot| record(h, snapshot)));
        if self.layout == Some(layout) {
            return false;
        }
        self.layout = Some(layout);
        self.names = snapshots.iter().map(|snapshot| snapshot.name.clone()).collect();
        true
    }
}

impl Recorder {
    /// Keeps what the checks of these find as well.
    pub fn with_services(mut self, services: Arc<Services>) -> Self {
        self.services = Some(Watched::new(services));
        self
    }

    /// Waits for a check of a service to end.
    pub(super) async fn checked(services: &mut Option<Watched>) {
        let Some(watched) = services else { return std::future::pending().await };
        if watched.version.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Takes a service's check, if it is new.
fn record(history: &mut History, snapshot: &ServiceSnapshot) {
    let Some(at) = snapshot.at_mono.map(millis) else { return };
    let id = id_of(&snapshot.name);
    if history.last(&id, SOURCE).is_some_and(|last| last >= at) {
        return;
    }
    let kept = snapshot.group.families.iter().filter(|family| KEPT_OF_SERVICES.contains(&family.desc.name()));
    let families: Vec<Family> = kept.cloned().collect();
    let round = Round { source: SOURCE, at, interval: millis(snapshot.interval), families: &families };
    // It was just looked at whether it is later.
    let _ = history.record(&id, round);
}

/// Room for so many services.
pub(super) fn room(services: usize) -> u64 {
    FOR_A_SERVICE.saturating_mul(u64::try_from(services).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poller::fleet::Fleet;
    use crate::poller::timer::ManualClock;
    use crate::services::fixture;
    use jiff::Timestamp;
    use std::time::Duration;

    #[test]
    fn checks_are_kept_once_each_and_go_with_their_service() {
        let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap()));
        let fleet = Arc::new(Fleet::new(Vec::new()));
        let services = Arc::new(Services::default());
        let mut recorder = Recorder::new(fleet.clone(), clock.clone(), pgmon_config::History::default())
            .with_services(services.clone());
        let publish = |good: bool| fixture::arrange(&services, &["api"], &*clock, good);
        recorder.take();
        for good in [true, true, false] {
            clock.advance(Duration::from_secs(15));
            publish(good);
            recorder.take();
            recorder.take();
        }
        let start = clock.wall().as_millisecond() - 60_000;
        let read = |name: &str| {
            let (from, to) = (start, start + 120_000);
            let query = Query { name, matchers: &[], from, to, points: 1_000, series: 10 };
            let answer = fleet.history().range_of_service(&*clock, "api", &query);
            let points = answer.curves.iter().flat_map(|curve| &curve.points);
            points.map(|point| ((point.at - start) / 1000, point.mean)).collect::<Vec<_>>()
        };
        assert_eq!(read("service_health"), [(30, 1.0), (45, 1.0), (60, 0.0)]);
        assert_eq!(read("probe_duration_seconds").len(), 3);
        assert!(read("service_up").is_empty(), "the same as another one");
        let names =
            || fleet.history().names_of_service("api").into_iter().map(|n| n.name).collect::<Vec<_>>();
        assert_eq!(names(), ["probe_duration_seconds", "service_health"]);
        fixture::arrange(&services, &["other"], &*clock, true);
        recorder.take();
        assert!(names().is_empty(), "it is watched no more");
        assert_eq!(fleet.history().names_of_service("other").len(), 2);
    }
}
