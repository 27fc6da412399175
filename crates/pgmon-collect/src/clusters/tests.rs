//! The real programs: ZooKeeper with Manatee's states in it, Patroni, and PostgreSQL behind both.

pub(super) mod json;
mod lag;
mod manatee;
mod patroni;
mod patroni_store;
mod streaming;

use super::{Clusters, Roster};
use crate::poller::fleet::Fleet;
use crate::poller::timer::Timer;
use anyhow::{Result, bail};
use pgmon_config::{Config, LoadOptions};
use pgmon_core::Value;
use pgmon_core::clock::SystemClock;
use pgmon_core::cluster::{Cluster, ClusterSnapshot, Health, Severity};
use pgmon_core::metric::Groups as _;
use std::sync::Arc;
use std::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;

/// What a configuration has asked for.
pub(super) struct Rig {
    pub(super) clusters: Arc<Clusters>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) timer: Arc<dyn Timer>,
    roster: Roster,
}

impl Rig {
    /// Asks for what this configuration has under `clusters`.
    pub(super) fn new(yaml: &str) -> Self {
        let timer: Arc<dyn Timer> = Arc::new(SystemClock::new());
        let fleet = Arc::new(Fleet::new(Vec::new()));
        let clusters = Arc::new(Clusters::new(timer.clone()));
        let roster = Roster::new(clusters.clone(), fleet.clone(), timer.clone(), Default::default());
        let mut rig = Self { clusters, fleet, timer, roster };
        rig.apply(yaml);
        rig
    }

    /// Asks for what another configuration has.
    pub(super) fn apply(&mut self, yaml: &str) -> (usize, usize) {
        let options = LoadOptions { default_paths: Vec::new(), ..LoadOptions::default() };
        let loaded = Config::load_text("pgmon.yaml".as_ref(), yaml, &options).unwrap();
        self.roster.apply(&loaded.config, &loaded.clusters, &loaded.entries)
    }

    /// Waits until the first cluster is so.
    pub(super) async fn snapshot(
        &self,
        what: &str,
        is: impl Fn(&ClusterSnapshot) -> bool,
    ) -> Result<Arc<ClusterSnapshot>> {
        let until = self.timer.mono() + S(40);
        let mut version = self.clusters.subscribe();
        loop {
            let now = self.clusters.snapshots();
            if let Some(found) = now.first().filter(|snapshot| is(snapshot)) {
                return Ok(found.clone());
            }
            tokio::select! {
                _ = version.changed() => {}
                () = self.timer.sleep_until(until) => bail!("not within 40 s: {what}; it is {now:#?}"),
            }
        }
    }

    /// Waits until what is known of the first cluster is so.
    pub(super) async fn until(&self, what: &str, is: impl Fn(&Cluster) -> bool) -> Result<Arc<Cluster>> {
        let known = |snapshot: &ClusterSnapshot| {
            snapshot.health == Health::Ok && snapshot.cluster.as_ref().is_some_and(|cluster| is(cluster))
        };
        let snapshot = self.snapshot(what, known).await?;
        Ok(snapshot.cluster.clone().unwrap())
    }

    /// Waits until just this is wrong: `E` or `W` and the text, or its beginning.
    pub(super) async fn wrong(&self, expected: &[&str]) -> Result<Arc<Cluster>> {
        let fits = |cluster: &Cluster| {
            let said = said(cluster);
            said.len() == expected.len() && said.iter().zip(expected).all(|(a, b)| a.starts_with(b))
        };
        self.until(&format!("{expected:?}"), fits).await
    }

    /// The value of a sample on the page.
    pub(super) fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let groups = self.clusters.groups();
        let family = groups.iter().flat_map(|g| &g.families).find(|f| f.desc.name() == name)?;
        let fits = |s: &&pgmon_core::Sample| s.labels.iter().map(|l| &**l).eq(labels.iter().copied());
        match family.samples.iter().find(fits)?.value {
            Value::Number(n) => Some(n),
            _ => None,
        }
    }

    pub(super) async fn stop(mut self) {
        self.roster.stop().await;
    }
}

fn said(cluster: &Cluster) -> Vec<String> {
    let kind = |severity| if severity == Severity::Error { "E" } else { "W" };
    cluster.issues.iter().map(|issue| format!("{} {}", kind(issue.severity), issue.text)).collect()
}
