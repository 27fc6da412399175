//! Streaming replication without a manager: what the watched databases show of it. No SQL of its own.

mod model;

use super::registry::Slot;
use super::roster::{Shared, told};
use model::{Names, Seen};
use pgmon_config::{ClusterSpec, StreamingSpec};
use pgmon_core::cluster::{Cluster, ClusterSnapshot, Health, Manager};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long every database has to answer or fail for the first time, before clusters are named without it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Derives the clusters from the databases' snapshots until it is told to stop.
pub async fn run(
    spec: &ClusterSpec,
    streaming: &StreamingSpec,
    shared: Shared,
    slot: Arc<Slot>,
    mut stop: watch::Receiver<bool>,
) {
    let timer = shared.timer.clone();
    let mut known = BTreeMap::<String, ClusterSnapshot>::new();
    let mut names = Names::default();
    let patience = timer.mono() + PATIENCE;
    loop {
        let (now, wall) = (timer.mono(), timer.wall());
        let seen = seen(streaming, &shared, now);
        // A name is kept, so it must not depend on who is the first to answer.
        let tried = seen.iter().all(|one| one.up.is_some() || one.error.is_some());
        if !tried && known.is_empty() && now < patience {
            tokio::select! {
                () = timer.sleep_until(now + spec.interval.min(Duration::from_secs(1))) => continue,
                () = told(&mut stop) => return,
            }
        }
        let clusters = model::clusters(spec.name.as_deref(), &seen, &mut names);
        let mut fresh: BTreeMap<String, Cluster> =
            clusters.into_iter().map(|c| (c.name.clone(), c)).collect();
        for name in fresh.keys() {
            if !known.contains_key(name) {
                let source = "the watched databases";
                let keeps = spec.interval * 3;
                let start = ClusterSnapshot::pending(Manager::Streaming, name.as_str(), source, keeps);
                known.insert(name.clone(), start);
            }
        }
        known.retain(|name, _| fresh.contains_key(name));
        for (name, snapshot) in &mut known {
            let Some(cluster) = fresh.remove(name) else { continue };
            let before = snapshot.cluster.as_ref().and_then(|c| c.leader.clone());
            if before.is_some() && cluster.leader.is_some() && cluster.leader != before {
                snapshot.failovers += 1;
            }
            let leader = cluster.leader.clone().or(before);
            let kept = Cluster { leader, ..cluster };
            let answered = kept.members.iter().any(|member| member.reachable == Some(true));
            if answered {
                snapshot.health = Health::Ok;
                (snapshot.at, snapshot.at_mono) = (Some(wall), Some(now));
            } else {
                snapshot.health = Health::Failed { reason: "none of its servers answers".to_owned() };
            }
            snapshot.cluster = Some(Arc::new(kept));
        }
        slot.publish(known.values().cloned().map(Arc::new).collect());
        let until = now + spec.interval;
        tokio::select! {
            () = timer.sleep_until(until) => {}
            () = told(&mut stop) => return,
        }
    }
}

/// The databases that are meant, each with where it is.
fn seen(streaming: &StreamingSpec, shared: &Shared, now: Duration) -> Vec<Seen> {
    let cells = shared.fleet.cells();
    let mut found = Vec::new();
    for cell in cells.iter() {
        let snapshot = cell.snapshot();
        let name = format!("{}/{}", snapshot.cluster, snapshot.db);
        if !streaming.databases.meet(&[&snapshot.db, &name]) {
            continue;
        }
        let entry = shared.entries.iter().find(|e| *e.cluster == *snapshot.cluster && *e.db == *snapshot.db);
        let place = entry.map(|e| (e.connect.host.to_string(), i64::from(e.connect.port)));
        found.push(Seen::of(&snapshot, place, now));
    }
    found
}
