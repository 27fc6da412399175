//! Where a login's password comes from. It is looked up at each connection, by `pgmon-secrets`: a source
//! says where, so that two configurations with the same source are the same, whatever the password is by now.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::{REDACTED, Secret};

/// Where the password of a connection comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PasswordSource {
    /// From nowhere: the server asks for none, or knows us by a certificate or the operating system's user.
    #[default]
    None,
    /// The configuration, the environment or the DSN has it.
    Given(Secret),
    /// A file with nothing else in it.
    File(PathBuf),
    /// A file with a DSN.
    DsnFile(PathBuf),
    /// libpq's password file, which may have a line for it.
    PassFile(PathBuf),
    /// What a program prints.
    Command(Argv),
    /// A secret in Vault.
    VaultPassword(VaultSecret),
    /// User and password in Vault, leased or not.
    VaultLogin(VaultSecret),
}

impl PasswordSource {
    /// What it is called in messages: names places, never a secret.
    pub fn describe(&self) -> String {
        match self {
            Self::None => "no password".to_owned(),
            Self::Given(_) => "the configured password".to_owned(),
            Self::File(path) => format!("password_file {}", path.display()),
            Self::DsnFile(path) => format!("dsn_file {}", path.display()),
            Self::PassFile(path) => format!("password file {}", path.display()),
            Self::Command(argv) => format!("password_command {}", argv.program()),
            Self::VaultPassword(secret) => format!("password_vault {}", secret.path),
            Self::VaultLogin(secret) => format!("login_vault {}", secret.path),
        }
    }

    /// Whether Vault must be asked.
    pub const fn is_vault(&self) -> bool {
        matches!(self, Self::VaultPassword(_) | Self::VaultLogin(_))
    }
}

/// A program and its arguments, run without a shell. Arguments may hold tokens: they are not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Argv(Arc<[String]>);

impl Argv {
    /// A program with its arguments.
    pub fn new(argv: impl IntoIterator<Item = String>) -> Self {
        Self(argv.into_iter().collect())
    }

    /// The program.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its arguments. Hand them to the program and to nothing that prints.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl fmt::Debug for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Argv({:?}, {} arguments)", self.program(), self.arguments().len())
    }
}

impl Serialize for Argv {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hidden = std::iter::repeat_n(REDACTED, self.arguments().len());
        serializer.collect_seq(std::iter::once(self.program()).chain(hidden))
    }
}

impl JsonSchema for Argv {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Argv".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "maxItems": 100
        })
    }
}

/// A secret in Vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultSecret {
    /// Its path below `/v1/`: `secret/data/shop`, `database/creds/pgmon`.
    pub path: String,
    /// The field with the password; not set: `password`.
    pub field: Option<String>,
}

impl VaultSecret {
    /// Reads `PATH` or `PATH#FIELD`. The error does not repeat the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, field) = match text.split_once('#') {
            Some((path, field)) => (path, Some(field)),
            None => (text, None),
        };
        let path = path.trim_start_matches('/').trim_end_matches('/');
        let path = path.strip_prefix("v1/").unwrap_or(path);
        let word =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '@' | '+' | '=');
        let steps_are_words = path
            .split('/')
            .all(|step| !step.is_empty() && step != "." && step != ".." && step.chars().all(word));
        if !steps_are_words || !path.contains('/') {
            return Err(
                "expected a path such as secret/data/shop or database/creds/pgmon, and #field after it \
                        if the field is not called password",
            );
        }
        if field.is_some_and(|field| field.is_empty() || field.chars().any(char::is_control)) {
            return Err("expected the name of a field after #");
        }
        Ok(Self { path: path.to_owned(), field: field.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_vault_paths() {
        let parse = |text| VaultSecret::parse(text).map(|s| (s.path, s.field));
        assert_eq!(parse("/v1/secret/data/shop#pw"), Ok(("secret/data/shop".into(), Some("pw".into()))));
        assert_eq!(parse("database/creds/pg-mon"), Ok(("database/creds/pg-mon".into(), None)));
        for bad in ["", "secret", "a//b", "a/../b", "a/b?x=1", "a/b c", "a/b#", "https://h/v1/a"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arguments_are_not_shown() {
        let argv = Argv::new(["token-tool".to_owned(), "--key=hunter2".to_owned()]);
        assert_eq!(format!("{argv:?}"), r#"Argv("token-tool", 1 arguments)"#);
        assert_eq!(serde_json::to_string(&argv).unwrap(), r#"["token-tool","[redacted]"]"#);
        assert_eq!(argv.arguments(), ["--key=hunter2"]);
    }
}
