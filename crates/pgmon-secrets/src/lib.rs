//! Where logins come from while pgmon runs: files, commands, Vault.
//!
//! A [`Keyring`] gives every entry its [`Logins`], which are asked at each connection: so a password that
//! was rotated is used without a restart or a reload. Nothing here knows what a login is for.

mod command;
mod local;
mod vault;

use pgmon_config::{ConnectSpec, PasswordSource, Secret, Secrets};
use pgmon_core::clock::Clock;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A future of a [`Logins`].
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LoginError>> + Send + 'a>>;

/// What to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The role.
    pub user: String,
    /// Its password, if one is known.
    pub password: Option<Secret>,
    /// Rises with every change of what a source gives.
    revision: u64,
    /// Rises when connections with an older login should be replaced.
    epoch: u64,
    /// Whether it was known before it was asked for: then there may be a newer one.
    kept: bool,
}

impl Login {
    fn new(user: impl Into<String>, password: Option<Secret>) -> Self {
        Self { user: user.into(), password, revision: 0, epoch: 0, kept: false }
    }
}

/// Why there is no login. Names the place, never anything that was found there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoginError(String);

impl LoginError {
    fn new(source: &PasswordSource, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", source.describe()))
    }
}

/// The logins of one entry.
pub trait Logins: Send + Sync + fmt::Debug {
    /// What to log in with now.
    fn login(&self) -> Answer<'_, Login>;

    /// The server refused `login` as unknown or wrong: another one, if there is one by now.
    fn refused<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<Login>>;

    /// Whether a connection that was made with `login` should be replaced, although it still works: it
    /// will not for much longer. Never waits; what must be asked for is asked in the background.
    fn is_outdated(&self, login: &Login) -> bool;

    /// Waits until [`Logins::is_outdated`].
    fn outdated<'a>(&'a self, login: &'a Login) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Gives entries their logins.
pub struct Keyring {
    commands: Arc<command::Setting>,
    vault: Option<Arc<vault::Vault>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("vault", &self.vault.is_some()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// A keyring that does as `config` says. Commands see a part of `env`. Nothing is asked or read yet.
    pub fn new(config: &Secrets, env: &BTreeMap<String, String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            commands: Arc::new(command::Setting::new(config, env)),
            vault: config.vault.is_configured().then(|| Arc::new(vault::Vault::new(&config.vault, clock))),
        }
    }

    /// The logins for a connection.
    pub fn logins(&self, connect: &ConnectSpec) -> Arc<dyn Logins> {
        match (&connect.password, &self.vault) {
            (PasswordSource::Command(argv), _) => {
                Arc::new(command::Command::new(self.commands.clone(), argv.clone(), connect))
            }
            (
                source @ (PasswordSource::VaultPassword(secret) | PasswordSource::VaultLogin(secret)),
                Some(vault),
            ) => Arc::new(vault.logins(source, secret, &connect.user)),
            _ => Arc::new(local::Local::new(connect.clone())),
        }
    }
}
