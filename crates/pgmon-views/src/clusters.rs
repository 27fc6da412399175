//! Clusters: what their managers and members say, and what it comes to.

use crate::{Level, State};
use jiff::Timestamp;
use pgmon_core::cluster::{Cluster, ClusterSnapshot, Evidence, Health, Hop, Manager, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// All clusters that are asked for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Clusters {
    /// The worst first.
    pub clusters: Vec<ClusterView>,
}

/// One cluster.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ClusterView {
    /// Who manages it.
    pub manager: Manager,
    /// The label `cluster` of its metrics.
    pub name: Arc<str>,
    /// Where its state is from, without secrets.
    pub source: Arc<str>,
    /// How bad it is.
    pub level: Level,
    /// What it comes to, in a sentence.
    pub verdict: String,
    /// How far what is shown can be relied on.
    pub state: State,
    /// Why the state is not `ok`.
    pub reason: Option<String>,
    /// When its state was last known to be right.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub read_at: Option<Timestamp>,
    /// The same as an age, seconds.
    pub age_seconds: Option<f64>,
    /// Changes of the leader since pgmon started.
    pub failovers: u64,
    /// Attempts to read its state that failed since pgmon started.
    pub read_errors: u64,
    /// What was read last; null if nothing was yet.
    pub cluster: Option<Arc<Cluster>>,
    /// Who replicates from whom, with the lag of each hop.
    pub hops: Vec<Hop>,
}

/// One cluster, with the state as it was read: that may be large, and is not in the list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ClusterDetail {
    /// What the list has of it.
    #[serde(flatten)]
    pub view: ClusterView,
    /// The state as it was read.
    pub evidence: Vec<Evidence>,
}

impl ClusterDetail {
    /// What this snapshot comes to at the time `now`; and until when that holds without another one.
    pub fn new(snapshot: &ClusterSnapshot, now: Duration) -> (Self, Duration) {
        let detail = Self { view: ClusterView::new(snapshot, now), evidence: snapshot.evidence.clone() };
        (detail, ends(snapshot, now).unwrap_or(Duration::MAX))
    }
}

/// When a current snapshot stops to be one.
fn ends(snapshot: &ClusterSnapshot, now: Duration) -> Option<Duration> {
    let until = snapshot.holds_until().filter(|_| snapshot.is_current(now))?;
    Some(until + Duration::from_nanos(1))
}

impl Clusters {
    /// What these snapshots come to at the time `now`; and until when that holds without another one.
    pub fn new(snapshots: &[Arc<ClusterSnapshot>], now: Duration) -> (Self, Duration) {
        let mut clusters: Vec<ClusterView> = snapshots.iter().map(|s| ClusterView::new(s, now)).collect();
        clusters.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.name.cmp(&b.name)));
        let holds_until = snapshots.iter().filter_map(|s| ends(s, now)).min().unwrap_or(Duration::MAX);
        (Self { clusters }, holds_until)
    }

    /// How far all of it can be relied on.
    pub fn standing(&self) -> (State, Option<String>) {
        for state in [State::Error, State::Stale, State::Degraded, State::Pending] {
            if let Some(one) = self.clusters.iter().find(|cluster| cluster.state == state) {
                let all = self.clusters.iter().all(|cluster| cluster.state == state);
                let state = if all || state == State::Stale { state } else { State::Degraded };
                return (state, one.reason.as_ref().map(|reason| format!("{}: {reason}", one.name)));
            }
        }
        (State::Ok, None)
    }
}

impl ClusterView {
    fn new(snapshot: &ClusterSnapshot, now: Duration) -> Self {
        let known = snapshot.cluster.is_some();
        let (state, reason) = match &snapshot.health {
            Health::Pending => (State::Pending, Some("it was not read yet".to_owned())),
            // The members still tell how they are; that the state cannot be read is among the issues.
            Health::Failed { reason } if snapshot.told_mono.is_some() && snapshot.is_current(now) => {
                (State::Degraded, Some(reason.clone()))
            }
            Health::Failed { reason } if known => (State::Stale, Some(reason.clone())),
            Health::Failed { reason } => (State::Error, Some(reason.clone())),
            Health::Ok if snapshot.is_current(now) => (State::Ok, None),
            Health::Ok => (State::Stale, Some("it was not read again in time".to_owned())),
        };
        let (level, verdict) = judge(snapshot.cluster.as_deref(), state, reason.as_deref());
        Self {
            manager: snapshot.manager,
            name: snapshot.name.clone(),
            source: snapshot.source.clone(),
            level,
            verdict,
            state,
            reason,
            read_at: snapshot.at,
            age_seconds: snapshot.age(now).map(|age| age.as_secs_f64()),
            failovers: snapshot.failovers,
            read_errors: snapshot.errors,
            hops: snapshot.cluster.as_ref().map(|cluster| cluster.hops()).unwrap_or_default(),
            cluster: snapshot.cluster.clone(),
        }
    }
}

fn judge(cluster: Option<&Cluster>, state: State, reason: Option<&str>) -> (Level, String) {
    let Some(cluster) = cluster else {
        let level = if state == State::Pending { Level::Unknown } else { Level::Crit };
        return (level, format!("Nothing is known: {}.", reason.unwrap_or("it was not read yet")));
    };
    let first = |severity| cluster.issues.iter().find(|issue| issue.severity == severity);
    let more = |count: usize| if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let (level, mut text) = if let Some(issue) = first(Severity::Error) {
        let count = cluster.count(Severity::Error);
        (Level::Crit, format!("{}{}.", issue.text, more(count)))
    } else if let Some(issue) = first(Severity::Warning) {
        let count = cluster.count(Severity::Warning);
        (Level::Warn, format!("{}{}.", issue.text, more(count)))
    } else if let Some(paused) = &cluster.paused {
        let why = paused.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        (Level::Warn, format!("Nothing is failed over{why}."))
    } else {
        let leader = cluster.leader.as_deref().unwrap_or("nobody");
        let followers = cluster.members.len().saturating_sub(1);
        (Level::Ok, format!("{leader} leads, {followers} behind it, and nothing is wrong."))
    };
    if state == State::Stale {
        text = format!("Out of date ({}): {text}", reason.unwrap_or("it cannot be read"));
        return (level.max(Level::Warn), text);
    }
    (level, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgmon_core::cluster::{Issue, Member, Paused, Role};

    fn snapshot(name: &str, change: impl FnOnce(&mut Cluster)) -> Arc<ClusterSnapshot> {
        let mut cluster = Cluster::new(Manager::Manatee, name, "zk");
        cluster.leader = Some("a".into());
        let member = Member { upstream: Some("a".into()), ..Member::new("b", Role::Sync) };
        cluster.members = vec![Member::new("a", Role::Primary), member];
        change(&mut cluster);
        let start = ClusterSnapshot::pending(Manager::Manatee, name, "zk", Duration::from_secs(30));
        let at_mono = Some(Duration::ZERO);
        Arc::new(ClusterSnapshot { health: Health::Ok, at_mono, cluster: Some(Arc::new(cluster)), ..start })
    }

    fn issue(severity: Severity) -> Issue {
        Issue { code: "x", severity, peer: None, text: "it broke".into() }
    }

    #[test]
    fn the_worst_comes_first_and_says_why() {
        let all = [
            snapshot("good", |_| {}),
            snapshot("frozen", |c| c.paused = Some(Paused { reason: Some("by hand".into()), since: None })),
            snapshot("bad", |c| c.issues = vec![issue(Severity::Error), issue(Severity::Error)]),
        ];
        let (found, holds) = Clusters::new(&all, Duration::from_secs(1));
        let told: Vec<_> = found.clusters.iter().map(|c| (&*c.name, c.level, c.verdict.as_str())).collect();
        let expected = [
            ("bad", Level::Crit, "it broke (and 1 more)."),
            ("frozen", Level::Warn, "Nothing is failed over: by hand."),
            ("good", Level::Ok, "a leads, 1 behind it, and nothing is wrong."),
        ];
        assert_eq!(told, expected);
        assert_eq!(found.clusters[2].hops.len(), 1);
        assert_eq!(found.standing(), (State::Ok, None));
        assert!(holds > Duration::from_secs(30) && holds < Duration::from_secs(31));
    }

    #[test]
    fn what_is_out_of_date_or_unknown_is_not_good() {
        let (found, _) = Clusters::new(&[snapshot("good", |_| {})], Duration::from_secs(31));
        assert_eq!((found.clusters[0].state, found.clusters[0].level), (State::Stale, Level::Warn));
        let one = snapshot("good", |c| c.issues = vec![issue(Severity::Warning)]);
        let health = Health::Failed { reason: "no".into() };
        let told_mono = Some(Duration::from_secs(31));
        let told = ClusterSnapshot { health, told_mono, ..(*one).clone() };
        let (found, holds) = Clusters::new(&[Arc::new(told)], Duration::from_secs(32));
        let first = &found.clusters[0];
        assert_eq!((first.state, first.verdict.as_str()), (State::Degraded, "it broke."));
        assert_eq!((found.standing().0, holds > Duration::from_secs(61)), (State::Degraded, true));
        let pending = ClusterSnapshot::pending(Manager::Patroni, "p", "u", Duration::from_secs(1));
        let failed = ClusterSnapshot { health: Health::Failed { reason: "no".into() }, ..pending.clone() };
        let (found, _) = Clusters::new(&[Arc::new(pending), Arc::new(failed)], Duration::ZERO);
        let told: Vec<_> = found.clusters.iter().map(|c| (c.state, c.level)).collect();
        assert_eq!(told, [(State::Error, Level::Crit), (State::Pending, Level::Unknown)]);
        assert_eq!(found.standing().0, State::Degraded);
    }
}
