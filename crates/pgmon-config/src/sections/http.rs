//! `http`: where pgmon serves metrics, API and UI, and who may see them.

mod auth;
mod bind;
mod check;
mod formats;
mod path_prefix;
mod rate_limit;
mod tls;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

pub use auth::{ApiKey, Auth, BasicUser, Scope};
pub(crate) use bind::{BIND_FORMAT, split_bind};
pub(crate) use check::check;
pub(crate) use formats::{PASSWORD_HASH_FORMAT, SHA256_FORMAT, sha256_fault};
pub use formats::{key_digest, password_hash_fault};
pub(crate) use path_prefix::PATH_PREFIX_FORMAT;
pub use path_prefix::path_prefix_fault;
pub use rate_limit::RateLimit;
pub use tls::{ClientAuth, Tls, TlsVersion};

/// Where pgmon serves metrics, API and UI, and who may see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port to listen on: `127.0.0.1:8181`, `0.0.0.0:8181`, `[::]:8181`. Port 0 takes
    /// any free port. Not set: `0.0.0.0` and the port in $EXPORTER_PORT or $PORT, if one of these
    /// is set, as SitRep has it.
    #[schemars(extend("format" = BIND_FORMAT))]
    pub bind: String,
    /// A second address and port, as `bind`, that serves `/metrics` and health alone, to whom `bind`
    /// would. Not set: none.
    #[schemars(extend("format" = BIND_FORMAT, "examples" = ["0.0.0.0:9091"]))]
    pub metrics_bind: Option<String>,
    /// Serve API and UI without authentication on an address other machines reach.
    pub allow_anonymous: bool,
    /// Who may see metrics, API and UI. Empty: everybody on this machine; from elsewhere, metrics
    /// and health only.
    pub auth: Auth,
    /// Certificate to serve HTTPS with. Empty: HTTP.
    pub tls: Tls,
    /// How many requests a client may send. Clients on this machine and health checks are exempt.
    pub rate_limit: RateLimit,
    /// Web configuration file of the Prometheus exporter toolkit (certificate, users, headers), as
    /// `--web.config.file`. It is read again when it changes.
    #[schemars(extend("format" = "path", "examples" = ["web-config.yml"]))]
    pub web_config_file: Option<PathBuf>,
    /// Path that a reverse proxy serves pgmon under, such as `/pgmon`. Empty: the proxy's root, or no
    /// proxy. Requests may come with the path or without it.
    #[schemars(extend("format" = PATH_PREFIX_FORMAT))]
    pub path_prefix: String,
    /// Take the path from the header X-Forwarded-Prefix, if there is one. Only for a proxy that sets
    /// that header itself: otherwise anybody could.
    pub trust_forwarded_prefix: bool,
    /// Connections at the same time. When there are more, the one that has been silent for longest is
    /// closed. Never more than half of the files that the process may open.
    #[schemars(range(min = 4, max = 65_536))]
    pub max_connections: u32,
    /// How long a client may take to send the head of a request, or for the TLS handshake.
    pub header_timeout: Span,
    /// How long a connection without a request stays open.
    pub idle_timeout: Span,
    /// How long a client may take to receive an answer.
    pub write_timeout: Span,
    /// Deprecated, has no effect: the UI is embedded.
    #[schemars(extend("deprecated" = true, "examples" = ["frontend/dist"]))]
    pub static_dir: Option<String>,
}

impl Http {
    /// Whether only this machine can reach [`Http::bind`].
    pub fn is_loopback(&self) -> bool {
        split_bind(&self.bind).is_ok_and(|(host, _)| crate::dsn::is_loopback_host(host))
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:8181".to_owned(),
            metrics_bind: None,
            allow_anonymous: false,
            auth: Auth::default(),
            tls: Tls::default(),
            rate_limit: RateLimit::default(),
            web_config_file: None,
            path_prefix: String::new(),
            trust_forwarded_prefix: false,
            max_connections: 512,
            header_timeout: Span::from_secs(10),
            idle_timeout: Span::from_secs(120),
            write_timeout: Span::from_secs(30),
            static_dir: None,
        }
    }
}
