//! `clusters`: managers of highly available PostgreSQL that are asked how their clusters are.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServiceTls;
use crate::{Secret, Span, SslMode};

/// Who manages a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClusterType {
    /// Manatee: its state is in ZooKeeper.
    Manatee,
    /// Patroni: its state is told over its REST API.
    Patroni,
    /// Nobody: what the watched databases show of their replication.
    Streaming,
}

impl ClusterType {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manatee => "manatee",
            Self::Patroni => "patroni",
            Self::Streaming => "streaming",
        }
    }
}

/// One source of clusters: a Manatee ensemble with its shards, a Patroni cluster, or the streaming replication
/// of the watched databases. See docs/clusters.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "cluster")]
pub struct ClusterSource {
    /// Who manages it: manatee, patroni or streaming.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["patroni"]))]
    pub kind: ClusterType,
    /// The label `cluster` of its metrics. Not set: the shard's last part, Patroni's scope, or the label
    /// `cluster` of the databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("examples" = ["orders"]))]
    pub name: Option<String>,
    /// How often members are asked (duration, at least 1s). What ZooKeeper holds is not polled: changes are
    /// seen at once. Not set: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10s"]))]
    pub interval: Option<Span>,
    /// How long one question may take (duration). Not set: 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["5s"]))]
    pub timeout: Option<Span>,
    /// Of manatee: the ZooKeeper servers, `host:port` with commas between them, and a chroot behind them if
    /// there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4000), extend("examples" = ["zk1:2181,zk2:2181,zk3:2181"]))]
    pub zookeeper: Option<String>,
    /// Of manatee: the shard, as a path or as its last part below /manatee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), extend("examples" = ["1.moray.emy-10.joyent.us"]))]
    pub shard: Option<String>,
    /// Of manatee: several shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 500)),
        extend("examples" = [["1.moray.emy-10.joyent.us", "2.moray.emy-10.joyent.us"]]))]
    pub shards: Vec<String>,
    /// Of manatee: the node whose children are the shards, which are found then. Not set, without shard and
    /// shards: /manatee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), extend("examples" = ["/manatee"]))]
    pub root: Option<String>,
    /// Of manatee: for how long ZooKeeper keeps a session that it does not hear of (duration). Not set: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10s"]))]
    pub session_timeout: Option<Span>,
    /// Of manatee: how to log in to the peers' PostgreSQL; host and port are those of the shard's state.
    #[serde(default, skip_serializing_if = "PeerLogin::is_default")]
    #[schemars(extend("examples" = [{"user": "pgmon", "password_file": "/run/secrets/pgmon"}]))]
    pub postgres: PeerLogin,
    /// Of manatee: `statusServer` of its own configuration; only metrics.enabled has a meaning here.
    #[serde(default, rename = "statusServer", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"metrics": {"enabled": true}}], "x-aliases" = ["status_server"]))]
    pub status_server: Option<StatusServer>,
    /// Of patroni: the REST API of each member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2000)),
        extend("examples" = [["https://db1:8008", "https://db2:8008"]]))]
    pub urls: Vec<String>,
    /// Of patroni: also ask members that the others name and `urls` does not, without credentials.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false))]
    pub follow_members: bool,
    /// Of patroni: user of HTTP basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["pgmon"]))]
    pub username: Option<String>,
    /// Of patroni: its password. Rather use password_file or `${VAR}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${PATRONI_PASSWORD}"]))]
    pub password: Option<Secret>,
    /// Of patroni: file with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/patroni_password"]))]
    pub password_file: Option<PathBuf>,
    /// Of patroni: a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${PATRONI_TOKEN}"]))]
    pub bearer_token: Option<Secret>,
    /// Of patroni: file with the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/patroni_token"]))]
    pub bearer_token_file: Option<PathBuf>,
    /// Of patroni: TLS of its URLs that begin with https.
    #[serde(default, skip_serializing_if = "ServiceTls::is_default")]
    #[schemars(extend("examples" = [{"ca_file": "/etc/pgmon/ca.pem"}]))]
    pub tls: ServiceTls,
    /// Of streaming: names of entries of `databases` (`db`, or `cluster/db`); `*` and `?` stand for other
    /// characters, `!` before a name leaves it out. Empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 200)), extend("examples" = [["orders*"]]))]
    pub databases: Vec<String>,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

/// How to log in to the PostgreSQL of peers whose addresses are not configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeerLogin {
    /// Role to connect as. Not set: $PGUSER, else the operating system's user.
    #[schemars(length(min = 1), extend("examples" = ["pgmon"]))]
    pub user: Option<String>,
    /// Password. Rather use password_file or `${VAR}`. Not set: $PGPASSWORD, else the password file.
    #[schemars(extend("examples" = ["${PGMON_PASSWORD}"]))]
    pub password: Option<Secret>,
    /// File with the password; read again at each connection.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/pgmon_password"]))]
    pub password_file: Option<PathBuf>,
    /// Database to connect to. Not set: postgres.
    #[schemars(length(min = 1), extend("examples" = ["postgres"]))]
    pub database: Option<String>,
    /// TLS, as in `databases`.
    #[schemars(extend("examples" = ["verify-full"]))]
    pub sslmode: Option<SslMode>,
    /// File with the certificate authorities to trust (PEM). Not set: the system's.
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/ca.pem"]))]
    pub sslrootcert: Option<PathBuf>,
}

impl PeerLogin {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `statusServer` as Manatee's own configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatusServer {
    /// Has no effect: pgmon serves at `http.bind`.
    #[schemars(range(min = 1, max = 65_535), extend("examples" = [8080]))]
    pub port: Option<u16>,
    /// Its metrics.
    pub metrics: StatusMetrics,
}

/// `statusServer.metrics` as the document on Manatee has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatusMetrics {
    /// Whether the shards' metrics are exported. The API shows them all the same.
    pub enabled: bool,
    /// Has no effect: pgmon serves at `/metrics`.
    #[schemars(extend("examples" = ["/metrics"]))]
    pub endpoint: Option<String>,
}

impl Default for StatusMetrics {
    fn default() -> Self {
        Self { enabled: true, endpoint: None }
    }
}
