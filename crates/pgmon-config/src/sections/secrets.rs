//! `secrets`: how passwords are got that are in no file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Secret, Span};

/// How passwords are got that are in no file: `password_command`, `password_vault` and `login_vault` of
/// an entry. They are asked for when pgmon connects, so that a rotated one needs no restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// How long a password_command may run before it is ended (milliseconds).
    #[schemars(range(min = 100, max = 600_000))]
    pub command_timeout_ms: u64,
    /// Further environment variables that password commands see, by name. They always see PATH, HOME and
    /// the like, those of cloud tools (AWS_*, AZURE_*, GOOGLE_*, CLOUDSDK_*), and PGHOST, PGPORT, PGUSER
    /// and PGDATABASE of the entry.
    #[schemars(length(max = 100))]
    pub command_env: Vec<String>,
    /// HashiCorp Vault or OpenBao.
    pub vault: Vault,
}

impl Secrets {
    /// [`Secrets::command_timeout_ms`] as a duration.
    pub const fn command_timeout(&self) -> Duration {
        Duration::from_millis(self.command_timeout_ms)
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self { command_timeout_ms: 10_000, command_env: Vec::new(), vault: Vault::default() }
    }
}

/// HashiCorp Vault or OpenBao. One way to log in: token, token_file, app_role or kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vault {
    /// Where it answers: `https://vault:8200`. Empty: $VAULT_ADDR.
    pub address: String,
    /// Namespace. Empty: $VAULT_NAMESPACE, else none.
    pub namespace: String,
    /// File with the certificate authorities to trust (PEM). Not set: $VAULT_CACERT, else the system's.
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/vault-ca.pem"]))]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take (milliseconds).
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u64,
    /// How often a secret without a lease is looked at for a new version.
    pub poll: Span,
    /// A token. Empty: $VAULT_TOKEN, if there is no other way to log in.
    pub token: Secret,
    /// File with a token, such as a Vault agent's sink; read again whenever it is needed.
    #[schemars(extend("format" = "path", "examples" = ["/run/vault/token"]))]
    pub token_file: Option<PathBuf>,
    /// Log in by AppRole.
    pub app_role: AppRole,
    /// Log in by the service account of a Kubernetes pod.
    pub kubernetes: Kubernetes,
}

impl Vault {
    /// [`Vault::timeout_ms`] as a duration.
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Fills in what is missing from the variables of Vault's own program.
    pub(crate) fn complete(&mut self, env: &BTreeMap<String, String>) {
        let var = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
        if self.address.is_empty() {
            self.address = var("VAULT_ADDR").unwrap_or_default();
        }
        if self.namespace.is_empty() {
            self.namespace = var("VAULT_NAMESPACE").unwrap_or_default();
        }
        if self.ca_file.is_none() {
            self.ca_file = var("VAULT_CACERT").map(PathBuf::from);
        }
        let logs_in = !self.app_role.role_id.is_empty() || !self.kubernetes.role.is_empty();
        if self.token.is_empty() && !logs_in {
            self.token = var("VAULT_TOKEN").map(Secret::new).unwrap_or_default();
        }
    }

    /// Whether it is configured at all.
    pub fn is_configured(&self) -> bool {
        !self.address.is_empty()
    }
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            address: String::new(),
            namespace: String::new(),
            ca_file: None,
            timeout_ms: 5_000,
            poll: Span::from_secs(60),
            token: Secret::default(),
            token_file: None,
            app_role: AppRole::default(),
            kubernetes: Kubernetes::default(),
        }
    }
}

/// Logging in to Vault by AppRole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AppRole {
    /// The role's id. Empty: not used.
    pub role_id: String,
    /// The secret id. Empty: the role needs none.
    pub secret_id: Secret,
    /// File with the secret id; read again at each login.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/vault_secret_id"]))]
    pub secret_id_file: Option<PathBuf>,
    /// Where the auth method is mounted.
    #[schemars(length(min = 1))]
    pub mount: String,
}

impl Default for AppRole {
    fn default() -> Self {
        Self {
            role_id: String::new(),
            secret_id: Secret::default(),
            secret_id_file: None,
            mount: "approle".to_owned(),
        }
    }
}

/// Logging in to Vault by a Kubernetes service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// The role in Vault. Empty: not used.
    pub role: String,
    /// File with the service account's token; read again at each login.
    #[schemars(length(min = 1), extend("format" = "path"))]
    pub jwt_file: PathBuf,
    /// Where the auth method is mounted.
    #[schemars(length(min = 1))]
    pub mount: String,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            role: String::new(),
            jwt_file: "/var/run/secrets/kubernetes.io/serviceaccount/token".into(),
            mount: "kubernetes".to_owned(),
        }
    }
}
