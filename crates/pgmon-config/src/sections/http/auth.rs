//! `http.auth`: keys of programs and passwords of people.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats::{PASSWORD_HASH_FORMAT, SHA256_FORMAT, key_digest};
use crate::Secret;

/// Who may see metrics, API and UI. Empty: everybody on this machine; from elsewhere, metrics and
/// health only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Keys that programs send as `Authorization: Bearer KEY`. An entry is the key itself, or the keys
    /// below. Not set: the key in $EXPORTER_API_KEY, if that is set, as SitRep has it.
    #[schemars(length(max = 1000))]
    pub api_keys: Vec<ApiKey>,
    /// People and programs that log in with a name and a password.
    #[schemars(length(max = 1000))]
    pub basic: Vec<BasicUser>,
}

impl Auth {
    /// Whether anybody can log in.
    pub fn is_empty(&self) -> bool {
        self.api_keys.is_empty() && self.basic.is_empty()
    }

    /// Replaces every key by its SHA-256, so that no key stays in memory.
    pub(crate) fn seal(&mut self) {
        for key in &mut self.api_keys {
            if let Some(plain) = key.key.take() {
                key.sha256 = Some(Secret::new(key_digest(plain.expose())));
            }
        }
    }
}

/// One key: `key`, `key_file` or `sha256`. Once loaded, it is its SHA-256 only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-short" = "key", "type" = ["object", "string"]))]
pub struct ApiKey {
    /// What the key is called in the log. Not set: `key1`, `key2` and so on.
    #[schemars(length(min = 1, max = 128), extend("examples" = ["prometheus"]))]
    pub name: Option<String>,
    /// The key. Rather use key_file, sha256 or `${VAR}`.
    #[schemars(extend("examples" = ["${PROMETHEUS_KEY}"]))]
    pub key: Option<Secret>,
    /// File with the key. It is read again when it changes.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/prometheus_key"]))]
    pub key_file: Option<PathBuf>,
    /// SHA-256 of the key in hexadecimal, as `pgmon hash-key` prints it.
    #[schemars(extend(
        "format" = SHA256_FORMAT,
        "examples" = ["ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d"]
    ))]
    pub sha256: Option<Secret>,
    /// What the key opens: `read` or `admin`.
    pub scope: Scope,
}

/// Somebody with a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BasicUser {
    /// Name.
    #[schemars(length(min = 1, max = 128), extend("examples" = ["alice"], "x-aliases" = ["username", "name"]))]
    pub user: String,
    /// Hash of the password, bcrypt or Argon2, as `pgmon hash-password` and `htpasswd -nB` print it.
    #[schemars(extend(
        "format" = PASSWORD_HASH_FORMAT,
        "examples" = ["$2b$12$cVd0iwzcSL9AF6FUBCDCGuYi0MXpaT1fKGiZUIHQ0oVwOrPgfb6Ji"]
    ))]
    pub password_hash: Secret,
    /// File with the hash of the password. It is read again when it changes.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/alice_hash"]))]
    pub password_hash_file: Option<PathBuf>,
    /// What the password opens: `read` or `admin`.
    pub scope: Scope,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See everything.
    #[default]
    Read,
    /// And reload the configuration.
    Admin,
}
