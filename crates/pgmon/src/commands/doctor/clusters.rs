//! What the doctor says of clusters: each manager is asked once. Streaming replication without a manager is seen by an
//! agent alone, which has looked at its databases for a while.

use pgmon_collect::clusters::{Clusters, Roster};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_config::{ClusterSpec, Loaded, ManagerSpec};
use pgmon_core::clock::SystemClock;
use pgmon_core::cluster::{ClusterSnapshot, Health, Manager};
use pgmon_views::Level;
use pgmon_views::clusters::ClusterView;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Beside the time that questions may take.
const SPARE: Duration = Duration::from_secs(2);

/// Asks each manager, and the members that it names, once.
pub async fn check(loaded: &Loaded) -> Vec<ClusterView> {
    let managed = |spec: &&ClusterSpec| !matches!(spec.manager, ManagerSpec::Streaming(_));
    let specs: Vec<ClusterSpec> = loaded.clusters.iter().filter(managed).cloned().collect();
    let Some(timeout) = specs.iter().map(|spec| spec.timeout).max() else { return Vec::new() };
    let timer: Arc<dyn Timer> = Arc::new(SystemClock::new());
    let clusters = Arc::new(Clusters::new(timer.clone()));
    let fleet = Arc::new(Fleet::new(Vec::new()));
    let mut roster = Roster::new(clusters.clone(), fleet, timer.clone(), crate::commands::environment());
    let mut version = clusters.subscribe();
    roster.apply(&loaded.config, &specs, &[]);
    // The manager first, then the members at the same time.
    let until = timer.mono() + timeout * 2 + SPARE;
    loop {
        // Each source, not each cluster: one may have found several before another has answered.
        let slots = clusters.slots();
        let found: Vec<_> = slots.iter().map(|slot| slot.snapshots()).collect();
        if found.iter().all(|of| !of.is_empty() && of.iter().all(|snapshot| is_told(snapshot))) {
            break;
        }
        tokio::select! {
            _ = version.changed() => {}
            () = timer.sleep_until(until) => break,
        }
    }
    let (found, _) = pgmon_views::clusters::Clusters::new(&clusters.snapshots(), timer.mono());
    roster.stop().await;
    found.clusters
}

/// Whether all that one round tells is known.
fn is_told(snapshot: &ClusterSnapshot) -> bool {
    let members = snapshot.cluster.as_ref().map(|cluster| cluster.members.as_slice()).unwrap_or_default();
    match snapshot.health {
        Health::Pending => false,
        Health::Failed { .. } => true,
        // The peers of Manatee are asked after its state was read.
        Health::Ok => {
            snapshot.manager != Manager::Manatee || members.iter().all(|member| member.reachable.is_some())
        }
    }
}

/// Whether one of them is not well.
pub fn failed(clusters: &[ClusterView]) -> bool {
    clusters.iter().any(|cluster| cluster.level == Level::Crit || cluster.cluster.is_none())
}

/// For people.
pub fn text(clusters: &[ClusterView]) -> String {
    let mut out = String::new();
    for cluster in clusters {
        let word = match cluster.level {
            Level::Ok => "ok",
            Level::Warn => "WARN",
            Level::Crit | Level::Unknown => "FAIL",
        };
        let ClusterView { name, manager, source, verdict, .. } = cluster;
        out.push_str(&format!("cluster {name} ({manager}, {source}): {word}\n  {verdict}\n"));
    }
    out
}

/// For programs.
pub fn json(clusters: &[ClusterView]) -> Value {
    let one = |c: &ClusterView| {
        json!({
            "name": c.name,
            "manager": c.manager,
            "source": c.source,
            "level": c.level,
            "verdict": c.verdict,
            "reason": c.reason,
            "issues": c.cluster.as_ref().map(|cluster| &cluster.issues),
        })
    };
    clusters.iter().map(one).collect()
}
