//! Clusters as they are asked, with every default filled in.

use std::fmt;
use std::time::Duration;

use crate::sections::{ClusterType, ServiceTls};
use crate::{Address, ConnectSpec, HttpUrl, Patterns, Secret};

/// A source of clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// The label `cluster`, if it is given.
    pub name: Option<String>,
    /// From one round of questions to the next.
    pub interval: Duration,
    /// For one question.
    pub timeout: Duration,
    /// Whether its families are on `/metrics`.
    pub exported: bool,
    /// Who is asked, and how.
    pub manager: ManagerSpec,
}

/// Who is asked, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerSpec {
    /// ZooKeeper, and the peers of Manatee's shards.
    Manatee(Box<ManateeSpec>),
    /// Patroni's members.
    Patroni(Box<PatroniSpec>),
    /// The watched databases.
    Streaming(StreamingSpec),
}

/// Manatee.
#[derive(Clone, Debug, PartialEq)]
pub struct ManateeSpec {
    /// The servers of ZooKeeper.
    pub hosts: Vec<(String, u16)>,
    /// What stands before every path; empty or `/x`.
    pub chroot: String,
    /// For how long ZooKeeper keeps a session that it does not hear of.
    pub session_timeout: Duration,
    /// Which shards.
    pub shards: Shards,
    /// How to log in to a peer; its host and port come from the state.
    pub login: ConnectSpec,
}

/// Which shards of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shards {
    /// These paths.
    Listed(Vec<String>),
    /// The children of this path.
    Below(String),
}

/// Patroni.
#[derive(Clone, Debug, PartialEq)]
pub struct PatroniSpec {
    /// The REST API of each member.
    pub urls: Vec<HttpUrl>,
    /// Whether members are asked that others name.
    pub follow_members: bool,
    /// User and password.
    pub basic: Option<(String, Secret)>,
    /// A bearer token.
    pub bearer: Option<Secret>,
    /// TLS of the URLs that begin with https.
    pub tls: ServiceTls,
}

/// Streaming replication.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamingSpec {
    /// Which of the watched databases.
    pub databases: Patterns,
}

impl ManagerSpec {
    /// Its type in the configuration.
    pub const fn kind(&self) -> ClusterType {
        match self {
            Self::Manatee(_) => ClusterType::Manatee,
            Self::Patroni(_) => ClusterType::Patroni,
            Self::Streaming(_) => ClusterType::Streaming,
        }
    }
}

/// Who is asked for what, without secrets.
impl fmt::Display for ManagerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manatee(spec) => {
                let hosts: Vec<String> = spec
                    .hosts
                    .iter()
                    .map(|(host, port)| Address::Tcp(host.clone(), *port).to_string())
                    .collect();
                write!(f, "zookeeper {}{}, ", hosts.join(","), spec.chroot)?;
                match &spec.shards {
                    Shards::Listed(paths) => write!(f, "shards {}", paths.join(", "))?,
                    Shards::Below(root) => write!(f, "all shards below {root}")?,
                }
                write!(f, ", peers as {}", spec.login.user)
            }
            Self::Patroni(spec) => {
                let urls: Vec<String> = spec.urls.iter().map(ToString::to_string).collect();
                let others = if spec.follow_members { ", and members that they name" } else { "" };
                write!(f, "{}{others}", urls.join(", "))
            }
            Self::Streaming(spec) => write!(f, "watched databases: {}", spec.databases),
        }
    }
}
