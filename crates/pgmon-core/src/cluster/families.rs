//! From clusters to samples: the one place where their families are made.

use super::{Cluster, ClusterSnapshot, Health, Manager, Member, Role, Severity};
use crate::label;
use crate::metric::{Desc, Families, Family};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const OF_CLUSTER: &[&str] = &["manager", "cluster"];
const OF_MEMBER: &[&str] = &["manager", "cluster", "member", "role"];
const OF_SHARD: &[&str] = &["shard"];
const OF_PEER: &[&str] = &["shard", "peer", "role"];

const UP: Desc = Desc::gauge(
    "pg_cluster_up",
    "Whether the cluster's state can be read from its manager, and was in time: 1 or 0.",
    OF_CLUSTER,
);
const STATE_TIME: Desc = Desc::gauge(
    "pg_cluster_state_timestamp_seconds",
    "When the cluster's state was last known to be right, as a Unix time in seconds; absent if it never was read.",
    OF_CLUSTER,
);
const ERRORS: Desc = Desc::counter(
    "pg_cluster_read_errors_total",
    "Attempts to read the cluster's state that failed.",
    OF_CLUSTER,
);
const FAILOVERS: Desc = Desc::counter(
    "pg_cluster_failovers_total",
    "Changes of the cluster's leader that pgmon has seen since it started.",
    OF_CLUSTER,
);
const GENERATION: Desc = Desc::gauge(
    "pg_cluster_generation",
    "The manager's count of changes of the topology; absent if it has none.",
    OF_CLUSTER,
);
const TIMELINE: Desc = Desc::gauge(
    "pg_cluster_timeline",
    "The timeline of the cluster's leader; absent if it is not known.",
    OF_CLUSTER,
);
const TIMELINES: Desc = Desc::gauge(
    "pg_cluster_timelines",
    "On how many timelines the members are that take part: more than one for longer is a fork; absent if none could be asked.",
    OF_CLUSTER,
);
const MEMBERS: Desc = Desc::gauge(
    "pg_cluster_members",
    "Members of the cluster, by what the manager has them do.",
    &["manager", "cluster", "role"],
);
const LEADERS: Desc = Desc::gauge(
    "pg_cluster_leaders",
    "Members that the manager takes for the one that leads: 1 in a cluster that is well.",
    OF_CLUSTER,
);
const PRIMARIES: Desc = Desc::gauge(
    "pg_cluster_primaries",
    "Members whose PostgreSQL takes writes by its own account, of those that could be asked; absent if none could.",
    OF_CLUSTER,
);
const PAUSED: Desc = Desc::gauge(
    "pg_cluster_paused",
    "Whether nothing is failed over because somebody said so (frozen, maintenance): 1 or 0.",
    OF_CLUSTER,
);
const SINGLETON: Desc = Desc::gauge(
    "pg_cluster_singleton",
    "Whether the cluster takes writes with one member alone (one-node-write mode): 1 or 0.",
    OF_CLUSTER,
);
const LOCKED: Desc = Desc::gauge(
    "pg_cluster_leader_locked",
    "Whether somebody holds the lock of the leader: 1 or 0; absent if the manager does not tell.",
    OF_CLUSTER,
);
const FAILSAFE: Desc = Desc::gauge(
    "pg_cluster_failsafe_active",
    "Whether the cluster goes on without the store of its state because its members agree: 1 or 0; absent if not told.",
    OF_CLUSTER,
);
const PENDING: Desc = Desc::gauge(
    "pg_cluster_failover_pending",
    "Whether a change of roles is asked for and has not happened: 1 or 0.",
    OF_CLUSTER,
);
const ISSUES: Desc = Desc::gauge(
    "pg_cluster_issues",
    "What is wrong with the cluster, counted by severity.",
    &["manager", "cluster", "severity"],
);
const MEMBER_UP: Desc = Desc::gauge(
    "pg_cluster_member_up",
    "Whether the member answers: 1 or 0; absent if it was not asked.",
    OF_MEMBER,
);
const MEMBER_REGISTERED: Desc = Desc::gauge(
    "pg_cluster_member_registered",
    "Whether the manager hears of the member: 1 or 0; absent if it does not tell.",
    OF_MEMBER,
);
const MEMBER_RECOVERY: Desc = Desc::gauge(
    "pg_cluster_member_in_recovery",
    "Whether the member's PostgreSQL is a standby by its own account: 1 or 0.",
    OF_MEMBER,
);
const MEMBER_MISMATCH: Desc = Desc::gauge(
    "pg_cluster_member_role_mismatch",
    "Whether the member's PostgreSQL contradicts the manager about its role: 1 or 0.",
    OF_MEMBER,
);
const MEMBER_TIMELINE: Desc =
    Desc::gauge("pg_cluster_member_timeline", "The timeline that the member is on.", OF_MEMBER);
const MEMBER_POSITION: Desc = Desc::gauge(
    "pg_cluster_member_wal_position_bytes",
    "Where the member's log of changes ends, in bytes: written on a primary, replayed on a standby.",
    OF_MEMBER,
);
const MEMBER_LAG_BYTES: Desc = Desc::gauge(
    "pg_cluster_member_lag_bytes",
    "What of its upstream's log the member has not replayed, in bytes; absent if it is not known.",
    OF_MEMBER,
);
const MEMBER_LAG_SECONDS: Desc = Desc::gauge(
    "pg_cluster_member_lag_seconds",
    "How far the member's replay is behind, in seconds: 0 only if it has caught up; absent if it is not known.",
    OF_MEMBER,
);
const MEMBER_STREAMING: Desc = Desc::gauge(
    "pg_cluster_member_streaming",
    "Whether the member receives changes as they happen: 1 or 0; absent on the primary, and where nobody can tell.",
    OF_MEMBER,
);
const MEMBER_RESTART: Desc = Desc::gauge(
    "pg_cluster_member_pending_restart",
    "Whether a setting that was changed waits for a restart of the member: 1 or 0.",
    OF_MEMBER,
);
const MEMBER_STORE: Desc = Desc::gauge(
    "pg_cluster_member_store_seen_timestamp_seconds",
    "When the member's manager last reached the store of the cluster's state, as a Unix time in seconds.",
    OF_MEMBER,
);
const M_PEERS: Desc = Desc::gauge(
    "manatee_cluster_peers_total",
    "Peers in the cluster's state, deposed ones as well.",
    OF_SHARD,
);
const M_GENERATION: Desc = Desc::gauge(
    "manatee_cluster_generation",
    "The cluster's generation: rises with every takeover.",
    OF_SHARD,
);
const M_FROZEN: Desc =
    Desc::gauge("manatee_cluster_frozen", "Whether the cluster is frozen: 1 or 0.", OF_SHARD);
const M_SINGLETON: Desc = Desc::gauge(
    "manatee_cluster_singleton",
    "Whether the cluster is in one-node-write mode: 1 or 0.",
    OF_SHARD,
);
const M_ERRORS: Desc = Desc::gauge(
    "manatee_cluster_errors_total",
    "Errors of the cluster as manatee-adm counts them: service is likely down.",
    OF_SHARD,
);
const M_WARNINGS: Desc = Desc::gauge(
    "manatee_cluster_warnings_total",
    "Warnings of the cluster as manatee-adm counts them: service goes on.",
    OF_SHARD,
);
const M_UP: Desc = Desc::gauge(
    "manatee_peer_postgres_up",
    "Whether the peer's PostgreSQL can be queried: 1 or 0; deposed peers are asked as well.",
    OF_PEER,
);
const M_LAG: Desc = Desc::gauge(
    "manatee_peer_replication_lag_seconds",
    "How far the peer's replay is behind, in seconds: 0 on the primary and on who has caught up; absent if it is not known.",
    OF_PEER,
);
const M_STATE: Desc = Desc::gauge(
    "manatee_peer_replication_state",
    "Whether the peer streams from the peer before it in the chain: 1 or 0; absent on the primary, and if that one cannot be asked.",
    OF_PEER,
);
const M_POSITION: Desc = Desc::gauge(
    "manatee_peer_wal_position",
    "Where the peer's log of changes ends, in bytes: written on the primary, replayed on the others.",
    OF_PEER,
);

/// Every family that is made of clusters, for documentation.
pub const FAMILIES: &[&Desc] = &[
    &UP,
    &STATE_TIME,
    &ERRORS,
    &FAILOVERS,
    &GENERATION,
    &TIMELINE,
    &TIMELINES,
    &MEMBERS,
    &LEADERS,
    &PRIMARIES,
    &PAUSED,
    &SINGLETON,
    &LOCKED,
    &FAILSAFE,
    &PENDING,
    &ISSUES,
    &MEMBER_UP,
    &MEMBER_REGISTERED,
    &MEMBER_RECOVERY,
    &MEMBER_MISMATCH,
    &MEMBER_TIMELINE,
    &MEMBER_POSITION,
    &MEMBER_LAG_BYTES,
    &MEMBER_LAG_SECONDS,
    &MEMBER_STREAMING,
    &MEMBER_RESTART,
    &MEMBER_STORE,
    &M_PEERS,
    &M_GENERATION,
    &M_FROZEN,
    &M_SINGLETON,
    &M_ERRORS,
    &M_WARNINGS,
    &M_UP,
    &M_LAG,
    &M_STATE,
    &M_POSITION,
];

/// The samples of all clusters at the monotonic time `now`.
///
/// What is older than its cluster keeps is left out: then only whether the state can be read, and since when
/// not, is known.
pub fn families(snapshots: &[Arc<ClusterSnapshot>], now: Duration) -> Vec<Family> {
    let mut out = Families::new();
    for snapshot in snapshots {
        of_snapshot(snapshot, now, &mut out);
    }
    out.into_vec()
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

fn of_snapshot(snapshot: &ClusterSnapshot, now: Duration, out: &mut Families) {
    let name = label::name(&snapshot.name);
    let labels = &[snapshot.manager.as_str(), name.as_str()];
    if snapshot.health != Health::Pending {
        // Whoever asks may hang: then nobody says that it failed.
        out.push(&UP, labels, flag(snapshot.health == Health::Ok && snapshot.is_current(now)));
    }
    out.push_opt(&STATE_TIME, labels, snapshot.at.map(|at| at.as_microsecond() as f64 / 1e6));
    out.push(&ERRORS, labels, snapshot.errors as f64);
    if let Some(cluster) = &snapshot.cluster {
        out.push(&FAILOVERS, labels, snapshot.failovers as f64);
        if snapshot.is_current(now) {
            of_cluster(cluster, labels, out);
            of_members(cluster, &name, out);
            if cluster.manager == Manager::Manatee {
                manatee(cluster, &name, out);
            }
        }
    }
}

fn of_cluster(cluster: &Cluster, labels: &[&str; 2], out: &mut Families) {
    let [manager, name] = *labels;
    out.push_opt(&GENERATION, labels, cluster.generation.map(|g| g as f64));
    out.push_opt(&TIMELINE, labels, cluster.timeline.map(|t| t as f64));
    out.push_opt(&TIMELINES, labels, cluster.timelines().map(|n| n as f64));
    let mut roles = BTreeMap::<Role, usize>::new();
    for member in &cluster.members {
        *roles.entry(member.role).or_default() += 1;
    }
    for (role, count) in roles {
        out.push(&MEMBERS, &[manager, name, role.as_str()], count as f64);
    }
    out.push(&LEADERS, labels, cluster.leaders() as f64);
    out.push_opt(&PRIMARIES, labels, cluster.primaries().map(|n| n as f64));
    if cluster.manager != Manager::Streaming {
        out.push(&PAUSED, labels, flag(cluster.paused.is_some()));
        out.push(&SINGLETON, labels, flag(cluster.singleton));
        out.push(&PENDING, labels, flag(cluster.pending.is_some()));
    }
    out.push_opt(&LOCKED, labels, cluster.locked.map(flag));
    out.push_opt(&FAILSAFE, labels, cluster.failsafe.map(flag));
    for severity in [Severity::Error, Severity::Warning] {
        out.push(&ISSUES, &[manager, name, severity.as_str()], cluster.count(severity) as f64);
    }
}

/// The values of the label `member`: distinct whatever the ids hold.
fn names(cluster: &Cluster) -> impl Iterator<Item = (&Member, String)> {
    let mut taken = BTreeMap::<String, u32>::new();
    cluster.members.iter().map(move |member| {
        let name = label::name(&member.id);
        let uses = taken.entry(name.clone()).or_default();
        *uses += 1;
        let name = if *uses == 1 { name } else { format!("{name}/{uses}") };
        (member, name)
    })
}

fn of_members(cluster: &Cluster, name: &str, out: &mut Families) {
    let manager = cluster.manager.as_str();
    for (m, id) in names(cluster) {
        let labels = &[manager, name, id.as_str(), m.role.as_str()];
        out.push_opt(&MEMBER_UP, labels, m.reachable.map(flag));
        out.push_opt(&MEMBER_REGISTERED, labels, m.registered.map(flag));
        out.push_opt(&MEMBER_RECOVERY, labels, m.in_recovery.map(flag));
        out.push_opt(&MEMBER_MISMATCH, labels, m.role_mismatch().map(flag));
        out.push_opt(&MEMBER_TIMELINE, labels, m.timeline.map(|t| t as f64));
        out.push_opt(&MEMBER_POSITION, labels, m.position_bytes.map(|b| b as f64));
        out.push_opt(&MEMBER_LAG_BYTES, labels, m.lag_bytes.map(|b| b as f64));
        out.push_opt(&MEMBER_LAG_SECONDS, labels, m.lag_seconds);
        out.push_opt(&MEMBER_STREAMING, labels, m.is_streaming().map(flag));
        out.push_opt(&MEMBER_RESTART, labels, m.pending_restart.map(flag));
        out.push_opt(&MEMBER_STORE, labels, m.store_seen.map(|at| at.as_microsecond() as f64 / 1e6));
    }
}

fn manatee(cluster: &Cluster, shard: &str, out: &mut Families) {
    let of_shard = &[shard];
    out.push(&M_PEERS, of_shard, cluster.members.len() as f64);
    out.push_opt(&M_GENERATION, of_shard, cluster.generation.map(|g| g as f64));
    out.push(&M_FROZEN, of_shard, flag(cluster.paused.is_some()));
    out.push(&M_SINGLETON, of_shard, flag(cluster.singleton));
    // What pgmon finds beyond that has no place here: these two are compared with what manatee-adm says.
    let of_manatee = |severity| {
        cluster.issues.iter().filter(|issue| issue.severity == severity && !issue.is_own()).count() as f64
    };
    out.push(&M_ERRORS, of_shard, of_manatee(Severity::Error));
    out.push(&M_WARNINGS, of_shard, of_manatee(Severity::Warning));
    for (m, id) in names(cluster) {
        let labels = &[shard, id.as_str(), m.role.as_str()];
        out.push_opt(&M_UP, labels, m.reachable.map(flag));
        out.push_opt(&M_LAG, labels, m.lag_seconds);
        out.push_opt(&M_STATE, labels, m.is_streaming().map(flag));
        out.push_opt(&M_POSITION, labels, m.position_bytes.map(|b| b as f64));
    }
}
