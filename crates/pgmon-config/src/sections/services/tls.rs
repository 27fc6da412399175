//! `services.NAME.tls`

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceTls {
    /// Whether the connection begins with TLS. Not set: if another key of this section is set.
    #[schemars(extend("examples" = [true]))]
    pub enabled: Option<bool>,
    /// File with the certificate authorities to trust (PEM). Not set: the system's.
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/ca.pem"]))]
    pub ca_file: Option<PathBuf>,
    /// File with the client certificate (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/client.pem"]))]
    pub cert_file: Option<PathBuf>,
    /// File with the client certificate's key (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/client.key"]))]
    pub key_file: Option<PathBuf>,
    /// The name that the certificate must have. Not set: the host.
    #[schemars(length(min = 1, max = 255), extend("examples" = ["redis.example.org"]))]
    pub server_name: Option<String>,
    /// Takes any certificate, also an expired one. Its end is exported all the same.
    pub insecure: bool,
}

impl ServiceTls {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a connection begins with TLS.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(!self.is_default())
    }
}
