//! HashiCorp Vault and OpenBao: passwords by version (KV), and leased logins (`database/creds`).
//!
//! Nothing runs on its own: whoever connects, or asks whether a login is outdated, has what is due done.
//! So there is no work and no memory for it without an entry that uses it, and a lease that nobody uses
//! any more is not renewed.

mod http;
mod kept;
#[cfg(test)]
mod tests;
mod token;

use crate::{Answer, Login, LoginError, Logins};
use http::Client;
use kept::Kept;
use pgmon_config::{PasswordSource, VaultSecret};
use pgmon_core::clock::Clock;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use token::Tokens;

/// One Vault, as one user.
pub(crate) struct Vault {
    api: Arc<Api>,
    /// What entries use, by path: entries with the same path share a lease.
    kept: Mutex<HashMap<String, Weak<Kept>>>,
}

/// What it takes to ask.
pub(crate) struct Api {
    client: Client,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    poll: std::time::Duration,
}

/// Why Vault gave nothing: what it said, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    /// No answer.
    #[error("Vault does not answer: {0}")]
    Unreachable(String),
    /// It refused, with this status.
    #[error("Vault answered {status}{}", .said)]
    Refused { status: u16, said: String },
    /// The answer, or what is needed to ask, is not as it should be.
    #[error("{0}")]
    Unfit(String),
}

impl Vault {
    pub(crate) fn new(config: &pgmon_config::Vault, clock: Arc<dyn Clock>) -> Self {
        Self {
            api: Arc::new(Api {
                client: Client::new(config),
                tokens: Tokens::new(config),
                clock,
                poll: config.poll.duration(),
            }),
            kept: Mutex::new(HashMap::new()),
        }
    }

    /// The logins of an entry with this secret.
    pub(crate) fn logins(&self, source: &PasswordSource, secret: &VaultSecret, user: &str) -> VaultLogins {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| kept.strong_count() > 0);
        let kept = all.get(&secret.path).and_then(Weak::upgrade).unwrap_or_else(|| {
            let kept = Arc::new(Kept::new(self.api.clone(), &secret.path));
            all.insert(secret.path.clone(), Arc::downgrade(&kept));
            kept
        });
        VaultLogins {
            source: source.clone(),
            user: matches!(source, PasswordSource::VaultPassword(_)).then(|| user.to_owned()),
            field: secret.field.clone().unwrap_or_else(|| "password".to_owned()),
            kept,
        }
    }
}

/// The logins of one entry.
pub(crate) struct VaultLogins {
    source: PasswordSource,
    /// The entry's user; `None` if the secret has it.
    user: Option<String>,
    field: String,
    kept: Arc<Kept>,
}

impl fmt::Debug for VaultLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultLogins").field("source", &self.source).finish_non_exhaustive()
    }
}

impl VaultLogins {
    fn error(&self, error: impl fmt::Display) -> LoginError {
        LoginError::new(&self.source, error)
    }

    /// Whether connections follow the secret: those that have their user from it do.
    fn follows(&self, login: &Login) -> bool {
        self.user.is_none() || login.epoch > 0
    }

    /// The login in what Vault gave.
    fn pick(&self, found: &kept::Found) -> Result<Login, LoginError> {
        let field = |name: &str| {
            let value = found.fields.get(name);
            value.ok_or_else(|| self.error(format!("the secret has no field {name:?} with a text")))
        };
        let user = match &self.user {
            Some(user) => user.clone(),
            None => field("username")
                .or_else(|_| field("user"))
                .map_err(|_| {
                    self.error("the secret has no field \"username\"; password_vault takes a password alone")
                })?
                .expose()
                .to_owned(),
        };
        let password = field(&self.field)?.clone();
        // Where only the password is taken, a new user in the secret is no reason to connect anew.
        let epoch = if self.user.is_some() && !found.leased { 0 } else { found.epoch };
        Ok(Login { revision: found.revision, epoch, ..Login::new(user, Some(password)) })
    }
}

impl Logins for VaultLogins {
    fn login(&self) -> Answer<'_, Login> {
        Box::pin(async {
            let found = self.kept.clone().current().await.map_err(|e| self.error(e))?;
            self.pick(&found)
        })
    }

    fn refused<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<Login>> {
        Box::pin(async {
            let found = self.kept.clone().refused(login.revision).await.map_err(|e| self.error(e))?;
            let now = self.pick(&found)?;
            Ok(Some(now).filter(|now| now.user != login.user || now.password != login.password))
        })
    }

    fn is_outdated(&self, login: &Login) -> bool {
        self.follows(login) && self.kept.tend() > login.epoch
    }

    fn outdated<'a>(&'a self, login: &'a Login) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {
            if !self.follows(login) {
                std::future::pending::<()>().await;
            }
            self.kept.beyond(login.epoch).await;
        })
    }
}
