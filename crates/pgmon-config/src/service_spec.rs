//! Services as they are checked, with every default filled in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::sections::{Exchange, HttpMethod, JsonMatch, ServiceTls, ServiceType, StatusRange};
use crate::{ConnectSpec, HttpUrl, Secret};

/// A service to check.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    /// The label `service`.
    pub name: String,
    /// Whether `/health` is 503 while it fails.
    pub critical: bool,
    /// The version that the configuration gives it.
    pub version: Option<String>,
    /// Labels of all its metrics, by name.
    pub labels: Vec<(String, String)>,
    /// From one check to the next.
    pub interval: Duration,
    /// For one check as a whole.
    pub timeout: Duration,
    /// What is checked, and how.
    pub check: ServiceCheck,
}

/// What is checked, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceCheck {
    /// A PostgreSQL server.
    Postgres(ConnectSpec),
    /// PgBouncer's console.
    PgBouncer(ConnectSpec),
    /// Redis or Valkey.
    Redis(RedisCheck),
    /// HTTP.
    Http(HttpCheck),
    /// A TCP connection.
    Tcp(TcpCheck),
}

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

/// Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisCheck {
    /// Where it listens.
    pub address: Address,
    /// The user of its ACL; `None`: `default`.
    pub username: Option<String>,
    /// The password, if one is needed.
    pub password: Option<Secret>,
    /// TLS, if it speaks that.
    pub tls: Option<ServiceTls>,
    /// The database to select.
    pub db: Option<u32>,
}

/// A request over HTTP and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpCheck {
    /// What is asked for.
    pub url: HttpUrl,
    /// How.
    pub method: HttpMethod,
    /// Headers, `Authorization` included.
    pub headers: Vec<(String, Secret)>,
    /// What is sent.
    pub body: Option<Secret>,
    /// Statuses that are good.
    pub expected_status: Vec<StatusRange>,
    /// What the body must match.
    pub body_match: Option<String>,
    /// What the body must not match.
    pub body_not_match: Option<String>,
    /// What the body must have as JSON.
    pub json: Vec<JsonMatch>,
    /// Redirects at most; `None`: they are not followed.
    pub redirects: Option<u8>,
    /// So much of the body is read (bytes).
    pub max_body: u64,
    /// TLS of `https`.
    pub tls: ServiceTls,
}

impl HttpCheck {
    /// Whether the body must be looked at.
    pub fn needs_body(&self) -> bool {
        self.body_match.is_some() || self.body_not_match.is_some() || !self.json.is_empty()
    }
}

/// A TCP connection and what is said over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpCheck {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the beginning, or from a step of the conversation on.
    pub tls: Option<ServiceTls>,
    /// Whether the connection begins with it.
    pub tls_at_once: bool,
    /// The conversation.
    pub conversation: Vec<Exchange>,
}

impl ServiceCheck {
    /// Its type in the configuration.
    pub const fn kind(&self) -> ServiceType {
        match self {
            Self::Postgres(_) => ServiceType::Postgres,
            Self::PgBouncer(_) => ServiceType::PgBouncer,
            Self::Redis(_) => ServiceType::Redis,
            Self::Http(_) => ServiceType::Http,
            Self::Tcp(_) => ServiceType::Tcp,
        }
    }
}

/// Where it leads to, without secrets.
impl fmt::Display for ServiceCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(spec) | Self::PgBouncer(spec) => spec.fmt(f),
            Self::Redis(redis) => redis.address.fmt(f),
            Self::Http(http) => write!(f, "{} {}", http.method.as_str(), http.url),
            Self::Tcp(tcp) => Address::Tcp(tcp.host.clone(), tcp.port).fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
