//! The words of the model: who manages, who does what, how bad.

use std::fmt;

/// Who decides which server is the primary.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ClusterManager")]
pub enum Manager {
    /// Joyent's Manatee: a chain of peers, its state in ZooKeeper.
    Manatee,
    /// Patroni: its state in etcd, Consul, ZooKeeper or Kubernetes, told over its REST API.
    Patroni,
    /// Nobody: what PostgreSQL's own streaming replication shows.
    Streaming,
}

impl Manager {
    /// The value of the label `manager`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manatee => "manatee",
            Self::Patroni => "patroni",
            Self::Streaming => "streaming",
        }
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the manager has a member do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ClusterRole")]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Leads a cluster that as a whole replicates from another one.
    StandbyLeader,
    /// A commit waits for it.
    Sync,
    /// One of several of which a commit waits for some.
    Quorum,
    /// Replicates, and no commit waits for it.
    Async,
    /// Replicates from another standby.
    Cascade,
    /// Has a vote and no data.
    Witness,
    /// Was the primary, and may have diverged: it takes no part until it is made anew.
    Deposed,
    /// Kept from serving by the manager.
    Fenced,
    /// The manager does not say, or says something that is not known here.
    Unknown,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Primary,
        Self::StandbyLeader,
        Self::Sync,
        Self::Quorum,
        Self::Async,
        Self::Cascade,
        Self::Witness,
        Self::Deposed,
        Self::Fenced,
        Self::Unknown,
    ];

    /// The value of the label `role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::StandbyLeader => "standby_leader",
            Self::Sync => "sync",
            Self::Quorum => "quorum",
            Self::Async => "async",
            Self::Cascade => "cascade",
            Self::Witness => "witness",
            Self::Deposed => "deposed",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the manager takes it for the one that leads.
    pub const fn leads(self) -> bool {
        matches!(self, Self::Primary | Self::StandbyLeader)
    }

    /// Whether PostgreSQL should be in recovery in this role; `None` where both is right.
    pub const fn wants_recovery(self) -> Option<bool> {
        match self {
            Self::Primary => Some(false),
            Self::StandbyLeader | Self::Sync | Self::Quorum | Self::Async | Self::Cascade => Some(true),
            Self::Witness | Self::Deposed | Self::Fenced | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad an issue of a cluster is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ClusterSeverity")]
pub enum Severity {
    /// Service is likely down, or will not survive another fault.
    Error,
    /// Service goes on, with less to spare.
    Warning,
}

impl Severity {
    /// The value of the label `severity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}
