//! What a manager of highly available PostgreSQL says of a cluster, and what its members say themselves.
//!
//! One model for every manager. What is not known is `None`, never a guess: a reader can tell "no lag" from
//! "nobody could be asked".

mod contradictions;
mod families;
mod kinds;
mod snapshot;

pub use contradictions::{NAME_TAKEN, ROLE_REFUSED};
pub use families::{FAMILIES, families};
pub use kinds::{Manager, Role, Severity};
pub use snapshot::{ClusterSnapshot, Evidence, Health};

use jiff::Timestamp;

/// Something that is wrong with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterIssue")]
pub struct Issue {
    /// A short fixed name.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The member that it is about, if it is about one.
    pub peer: Option<String>,
    /// What is wrong, in the manager's own words where it has some.
    pub text: String,
}

/// Why nothing is failed over for now.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterPaused")]
pub struct Paused {
    /// Why, as somebody has written it.
    pub reason: Option<String>,
    /// Since when.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
}

/// A change of roles that is asked for and has not happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterPending")]
pub struct Pending {
    /// Who gives its role up.
    pub from: Option<String>,
    /// Who is to take it.
    pub to: Option<String>,
    /// When it is to happen, or by when it must have.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
}

/// One server of a cluster.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterMember")]
pub struct Member {
    /// What the manager calls it; the value of the labels `member` and `peer`.
    pub id: String,
    /// A shorter name for people, if it has one.
    pub name: Option<String>,
    /// Host and port of its PostgreSQL.
    pub address: Option<String>,
    /// What the manager has it do.
    pub role: Role,
    /// What the manager wants it to do, where that is another thing.
    pub desired_role: Option<Role>,
    /// The manager's word for how it is.
    pub state: Option<String>,
    /// Whether its PostgreSQL, or its manager on behalf of it, answers.
    pub reachable: Option<bool>,
    /// Why it does not, or what else was in the way of asking it.
    pub error: Option<String>,
    /// Whether the manager hears of it.
    pub registered: Option<bool>,
    /// Whether its PostgreSQL is a standby by its own account.
    pub in_recovery: Option<bool>,
    /// The identity of its data.
    pub system_identifier: Option<String>,
    /// The timeline that it is on.
    pub timeline: Option<i64>,
    /// Where its log of changes ends: written on a primary, replayed on a standby; bytes.
    pub position_bytes: Option<i64>,
    /// What of its upstream's log it has not replayed, bytes.
    pub lag_bytes: Option<i64>,
    /// How far its replay is behind, seconds.
    pub lag_seconds: Option<f64>,
    /// The member that it replicates from, or should.
    pub upstream: Option<String>,
    /// How far its replication has come about, as its upstream says: `streaming`, `catchup`.
    /// `none`: its upstream was asked and does not know it.
    pub replication_state: Option<String>,
    /// Whether commits wait for it, as its upstream says.
    pub sync_state: Option<String>,
    /// A setting that was changed waits for a restart.
    pub pending_restart: Option<bool>,
    /// When its manager last reached the store of the cluster's state.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub store_seen: Option<Timestamp>,
    /// What else the manager has noted of it.
    pub tags: Vec<(String, String)>,
}

impl Member {
    /// A member of whom only this is known.
    pub fn new(id: impl Into<String>, role: Role) -> Self {
        Self {
            id: id.into(),
            name: None,
            address: None,
            role,
            desired_role: None,
            state: None,
            reachable: None,
            error: None,
            registered: None,
            in_recovery: None,
            system_identifier: None,
            timeline: None,
            position_bytes: None,
            lag_bytes: None,
            lag_seconds: None,
            upstream: None,
            replication_state: None,
            sync_state: None,
            pending_restart: None,
            store_seen: None,
            tags: Vec::new(),
        }
    }

    /// Whether its PostgreSQL contradicts the manager about its role; `None` if nobody can tell.
    pub fn role_mismatch(&self) -> Option<bool> {
        Some(self.role.wants_recovery()? != self.in_recovery?)
    }

    /// Whether it receives changes as they happen; `None` if nobody can tell, or it should not.
    pub fn is_streaming(&self) -> Option<bool> {
        if matches!(self.role, Role::Primary | Role::Deposed | Role::Witness) {
            return None;
        }
        self.replication_state.as_deref().map(|state| state == "streaming")
    }
}

/// What a cluster was like at some time before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterHistoryEntry")]
pub struct HistoryEntry {
    /// The manager's count of changes.
    pub generation: Option<i64>,
    /// The timeline that began, or ended.
    pub timeline: Option<i64>,
    /// When.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// Who was the primary from then on.
    pub primary: Option<String>,
    /// Who was the sync from then on.
    pub sync: Option<String>,
    /// The position in the log at that time.
    pub lsn: Option<String>,
    /// Whether another member became the primary than the one before.
    pub failover: bool,
    /// What happened, in a few words.
    pub what: String,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterModel")]
pub struct Cluster {
    /// Who manages it.
    pub manager: Manager,
    /// What it is called; the value of the label `cluster`.
    pub name: String,
    /// Where its state is from, without secrets.
    pub source: String,
    /// The manager's count of changes of the topology.
    pub generation: Option<i64>,
    /// The timeline of the one that leads.
    pub timeline: Option<i64>,
    /// Where the log stood when this generation began.
    pub init_wal: Option<String>,
    /// Whether, and why, nothing is failed over.
    pub paused: Option<Paused>,
    /// Whether it may have one member only, which takes writes alone.
    pub singleton: bool,
    /// The member that leads, as the manager has it.
    pub leader: Option<String>,
    /// Whether somebody holds the lock of the leader.
    pub locked: Option<bool>,
    /// Whether it goes on without the store of its state because all members agree.
    pub failsafe: Option<bool>,
    /// A change of roles that is to come.
    pub pending: Option<Pending>,
    /// The members, the one that leads first.
    pub members: Vec<Member>,
    /// What is wrong.
    pub issues: Vec<Issue>,
    /// What happened before, the newest first.
    pub history: Vec<HistoryEntry>,
}

impl Cluster {
    /// A cluster of which only this is known.
    pub fn new(manager: Manager, name: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            manager,
            name: name.into(),
            source: source.into(),
            generation: None,
            timeline: None,
            init_wal: None,
            paused: None,
            singleton: false,
            leader: None,
            locked: None,
            failsafe: None,
            pending: None,
            members: Vec::new(),
            issues: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The member of this name.
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// How many issues are this bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.issues.iter().filter(|issue| issue.severity == severity).count()
    }

    /// How many members the manager takes for the one that leads.
    pub fn leaders(&self) -> usize {
        self.members.iter().filter(|member| member.role.leads()).count()
    }

    /// How many members say themselves that they take writes; `None` if none could be asked.
    pub fn primaries(&self) -> Option<usize> {
        let told: Vec<_> = self.members.iter().filter_map(|member| member.in_recovery).collect();
        (!told.is_empty()).then(|| told.iter().filter(|in_recovery| !**in_recovery).count())
    }

    /// On how many timelines the members are that take part; `None` if none could be asked. A deposed one
    /// takes no part.
    pub fn timelines(&self) -> Option<usize> {
        let parts = self.members.iter().filter(|m| !matches!(m.role, Role::Deposed | Role::Fenced));
        let mut timelines: Vec<_> = parts.filter_map(|member| member.timeline).collect();
        timelines.sort_unstable();
        timelines.dedup();
        (!timelines.is_empty()).then_some(timelines.len())
    }

    /// Who replicates from whom, with the lag of each hop.
    pub fn hops(&self) -> Vec<Hop> {
        let hop = |member: &Member| {
            Some(Hop {
                from: member.upstream.clone()?,
                to: member.id.clone(),
                state: member.replication_state.clone(),
                sync_state: member.sync_state.clone(),
                lag_bytes: member.lag_bytes,
                lag_seconds: member.lag_seconds,
            })
        };
        self.members.iter().filter_map(hop).collect()
    }
}

/// One arrow of a topology.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ClusterHop")]
pub struct Hop {
    /// Who sends.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// As [`Member::replication_state`].
    pub state: Option<String>,
    /// As [`Member::sync_state`].
    pub sync_state: Option<String>,
    /// As [`Member::lag_bytes`].
    pub lag_bytes: Option<i64>,
    /// As [`Member::lag_seconds`].
    pub lag_seconds: Option<f64>,
}

/// A position in PostgreSQL's log of changes (`16/B374D848`) as bytes.
pub fn lsn_bytes(text: &str) -> Option<i64> {
    let (high, low) = text.split_once('/')?;
    let digits = |s: &str| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits(high) || !digits(low) {
        return None;
    }
    let (high, low) = (i64::from_str_radix(high, 16).ok()?, i64::from_str_radix(low, 16).ok()?);
    high.checked_mul(1 << 32)?.checked_add(low)
}

/// Bytes as a position in PostgreSQL's log of changes.
pub fn lsn_text(bytes: i64) -> String {
    format!("{:X}/{:08X}", bytes >> 32, bytes & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests;
