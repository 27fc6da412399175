//! `http.tls`: HTTPS.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificate to serve HTTPS with. Empty: HTTP. The files are read again when they change; if the new
/// ones are not usable, the old ones stay in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// File with the certificate and those between it and the authority (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/server.pem"]))]
    pub cert_file: Option<PathBuf>,
    /// File with the certificate's key (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/server.key"]))]
    pub key_file: Option<PathBuf>,
    /// File with the certificate authorities of clients (PEM): clients need a certificate then.
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/clients-ca.pem"]))]
    pub client_ca_file: Option<PathBuf>,
    /// With client_ca_file: whether every client needs a certificate (`require`), also for health
    /// checks, or whether a certificate is another way to log in (`optional`).
    pub client_auth: ClientAuth,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
}

/// What a client's certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// No connection without one.
    #[default]
    Require,
    /// Another way to log in.
    Optional,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// 1.2
    #[default]
    TLS12,
    /// 1.3
    TLS13,
}
