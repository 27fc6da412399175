//! The token that Vault is asked with: given, from a file, or by logging in; renewed before it expires.

use super::VaultError;
use super::http::{Ask, Client};
use hyper::Method;
use pgmon_config::{AppRole, Kubernetes, Secret, read_secret};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// After a token was got, a refusal is not put down to it for so long.
const YOUNG: Duration = Duration::from_secs(10);

/// A token. What was leased with it ends with it.
pub(crate) struct Token {
    pub secret: Secret,
    life: Mutex<Life>,
    since: Duration,
}

/// How long something that Vault gave is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// Monotonic time of its end; `None`: it does not end.
    pub expires: Option<Duration>,
    /// When to renew or replace it.
    pub due: Option<Duration>,
    /// What it was granted at first.
    pub granted: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
}

impl Life {
    /// From the `ttl` that Vault granted at `now`; zero means for ever.
    pub(crate) fn new(ttl: Duration, renewable: bool, now: Duration) -> Self {
        if ttl.is_zero() {
            return Self { expires: None, due: None, granted: ttl, renewable: false };
        }
        Self { expires: Some(now + ttl), due: Some(now + ttl.mul_f64(2.0 / 3.0)), granted: ttl, renewable }
    }

    /// Whether being renewed for `ttl` is worth it: what gets much less than at first is near its last end.
    pub(crate) fn is_worth(self, ttl: Duration) -> bool {
        !ttl.is_zero() && ttl >= self.granted / 2
    }

    /// After it was renewed for `ttl`.
    pub(crate) fn renewed(self, ttl: Duration, now: Duration) -> Self {
        Self { granted: self.granted, ..Self::new(ttl, true, now) }
    }

    /// After renewing failed: tried again soon, as long as there is time.
    pub(crate) fn failed(self, now: Duration) -> Self {
        let left = self.expires.map_or(Duration::MAX, |at| at.saturating_sub(now));
        let pause = (left / 5).clamp(Duration::from_secs(1), Duration::from_secs(30));
        Self { due: Some(now + pause), ..self }
    }
}

impl Token {
    pub(crate) fn life(&self) -> Life {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self, life: Life) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }
}

enum Way {
    Given(Secret),
    File(PathBuf),
    AppRole(AppRole),
    Kubernetes(Kubernetes),
}

/// Where tokens come from, and the one in use.
pub(crate) struct Tokens {
    way: Way,
    current: tokio::sync::Mutex<Option<Arc<Token>>>,
}

impl Tokens {
    pub(crate) fn new(config: &pgmon_config::Vault) -> Self {
        let file = config.token_file.clone().filter(|path| path != Path::new(""));
        let way = if !config.app_role.role_id.is_empty() {
            Way::AppRole(config.app_role.clone())
        } else if !config.kubernetes.role.is_empty() {
            Way::Kubernetes(config.kubernetes.clone())
        } else if let Some(path) = file {
            Way::File(path)
        } else {
            Way::Given(config.token.clone())
        };
        Self { way, current: tokio::sync::Mutex::new(None) }
    }

    /// The token to ask with, renewed or replaced if that is due.
    pub(crate) async fn get(&self, client: &Client, now: Duration) -> Result<Arc<Token>, VaultError> {
        let mut current = self.current.lock().await;
        if let Some(token) = &*current {
            let replaced = match &self.way {
                Way::File(path) => from_file(path).await?.expose() != token.secret.expose(),
                _ => false,
            };
            if !replaced && self.keep(client, token, now).await {
                return Ok(token.clone());
            }
        }
        let token = Arc::new(self.obtain(client, now).await?);
        *current = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token that Vault refused, unless it is new or there is no other to be had. Returns
    /// whether another may be had.
    pub(crate) async fn refused(&self, token: &Arc<Token>, now: Duration) -> bool {
        let mut current = self.current.lock().await;
        let is_young = now.saturating_sub(token.since) < YOUNG;
        if matches!(self.way, Way::Given(_)) || is_young {
            return false;
        }
        current.take_if(|current| Arc::ptr_eq(current, token));
        true
    }

    /// Renews the token if that is due; whether it can still be used.
    async fn keep(&self, client: &Client, token: &Token, now: Duration) -> bool {
        let life = token.life();
        let expired = life.expires.is_some_and(|at| at <= now);
        if life.due.is_none_or(|due| due > now) {
            return !expired;
        }
        if life.renewable && !expired {
            let ask = Ask {
                method: Method::POST,
                path: "auth/token/renew-self",
                token: Some(&token.secret),
                body: Some(json!({})),
            };
            match client.ask(ask).await {
                Ok(answer) => {
                    let ttl = seconds(&answer["auth"]["lease_duration"]);
                    if life.is_worth(ttl) {
                        token.live(life.renewed(ttl, now));
                        tracing::debug!("Vault token renewed");
                        return true;
                    }
                }
                Err(error) => tracing::warn!("the Vault token was not renewed: {error}"),
            }
        }
        // A token that was given is used as long as Vault takes it. One that is got by logging in is replaced
        // while it still works; should that fail, it is used until its end.
        token.live(life.failed(now));
        matches!(self.way, Way::Given(_) | Way::File(_))
    }

    async fn obtain(&self, client: &Client, now: Duration) -> Result<Token, VaultError> {
        let login = |mount: &str| format!("auth/{}/login", mount.trim_matches('/'));
        let (path, body) = match &self.way {
            Way::Given(secret) => return Ok(look_up(client, secret.clone(), now).await),
            Way::File(path) => return Ok(look_up(client, from_file(path).await?, now).await),
            Way::AppRole(role) => {
                let secret_id = match role.secret_id_file.as_deref().filter(|path| *path != Path::new("")) {
                    Some(path) => from_file(path).await?,
                    None => role.secret_id.clone(),
                };
                let mut body = json!({ "role_id": role.role_id });
                if !secret_id.is_empty() {
                    body["secret_id"] = secret_id.expose().into();
                }
                (login(&role.mount), body)
            }
            Way::Kubernetes(role) => {
                let jwt = from_file(&role.jwt_file).await?;
                (login(&role.mount), json!({ "role": role.role, "jwt": jwt.expose() }))
            }
        };
        let ask = Ask { method: Method::POST, path: &path, token: None, body: Some(body) };
        let mut answer = client.ask(ask).await.map_err(|error| match error {
            VaultError::Refused { status, said } => {
                VaultError::Refused { status, said: format!(" to the login{said}") }
            }
            error => error,
        })?;
        let Value::String(secret) = answer["auth"]["client_token"].take() else {
            return Err(VaultError::Unfit("Vault's answer to the login has no token".to_owned()));
        };
        tracing::info!("logged in to Vault");
        let renewable = answer["auth"]["renewable"].as_bool().unwrap_or(false);
        let life = Life::new(seconds(&answer["auth"]["lease_duration"]), renewable, now);
        Ok(Token { secret: Secret::new(secret), life: Mutex::new(life), since: now })
    }
}

/// What Vault knows of a token that was given to us. Not every token may ask: then it is used as it is.
async fn look_up(client: &Client, secret: Secret, now: Duration) -> Token {
    let ask = Ask { method: Method::GET, path: "auth/token/lookup-self", token: Some(&secret), body: None };
    let life = match client.ask(ask).await {
        Ok(answer) => {
            let data = &answer["data"];
            Life::new(seconds(&data["ttl"]), data["renewable"].as_bool().unwrap_or(false), now)
        }
        Err(error) => {
            tracing::debug!("the Vault token was not looked up: {error}");
            Life::new(Duration::ZERO, false, now)
        }
    };
    Token { secret, life: Mutex::new(life), since: now }
}

async fn from_file(path: &Path) -> Result<Secret, VaultError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_secret(&owned)).await;
    match read {
        Ok(result) => result.map_err(VaultError::Unfit),
        Err(_) => Err(VaultError::Unfit(format!("reading {} was cut off", path.display()))),
    }
}

/// A number of seconds in an answer; zero if there is none.
pub(crate) fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or(0))
}
