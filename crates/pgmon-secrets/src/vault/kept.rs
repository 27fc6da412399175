//! One secret of Vault's, kept up to date for all who use it.

use super::http::Ask;
use super::token::{Life, Token, seconds};
use super::{Api, VaultError};
use hyper::Method;
use pgmon_config::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// A leased login that a server refused is replaced only if it is older: a standby may not know it yet,
/// and each new one makes a role on the server.
const YOUNG: Duration = Duration::from_secs(30);

/// When to ask again for what has expired.
const RETRY: Duration = Duration::from_secs(10);

/// While what is due is being done, it is looked after this often.
const AGAIN: Duration = Duration::from_millis(200);

/// A secret and its state. Whoever needs it has what is due done; others wait for that.
pub(crate) struct Kept {
    api: Arc<Api>,
    path: String,
    state: Mutex<Option<Found>>,
    /// What can be seen without waiting.
    view: watch::Sender<View>,
    tending: AtomicBool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct View {
    epoch: u64,
    due: Option<Duration>,
}

/// What Vault gave.
#[derive(Clone)]
pub(crate) struct Found {
    /// The texts of the secret, by field.
    pub fields: BTreeMap<String, Secret>,
    /// Whether it comes with a lease.
    pub leased: bool,
    /// Rises with every change.
    pub revision: u64,
    /// Rises when connections made with an older one should be replaced.
    pub epoch: u64,
    kind: Kind,
    since: Duration,
}

#[derive(Clone)]
enum Kind {
    Leased {
        id: Secret,
        life: Life,
        token: Arc<Token>,
    },
    /// A version that changes now and then (KV), or a password that Vault itself rotates.
    Read {
        version: Option<u64>,
        checked: Duration,
    },
}

impl Found {
    /// When something is to be done about it.
    fn due(&self, poll: Duration) -> Option<Duration> {
        match &self.kind {
            Kind::Leased { life, token, .. } => match (life.due, token.life().due) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            Kind::Read { checked, .. } => Some(*checked + poll),
        }
    }

    fn is_expired(&self, now: Duration) -> bool {
        match &self.kind {
            Kind::Leased { life, token, .. } => {
                [life.expires, token.life().expires].into_iter().flatten().any(|at| at <= now)
            }
            Kind::Read { .. } => false,
        }
    }

    /// What is different is a change; a new lease or user is one that connections should follow.
    fn follow(mut self, before: Option<&Found>) -> Self {
        let Some(before) = before else { return Self { revision: 1, epoch: 1, ..self } };
        let same_user =
            ["username", "user"].iter().all(|field| self.fields.get(*field) == before.fields.get(*field));
        let changed = self.leased || self.fields != before.fields;
        self.revision = before.revision + u64::from(changed);
        self.epoch = before.epoch + u64::from(self.leased || !same_user);
        self
    }
}

impl Kept {
    pub(crate) fn new(api: Arc<Api>, path: &str) -> Self {
        Self {
            api,
            path: path.to_owned(),
            state: Mutex::new(None),
            view: watch::Sender::default(),
            tending: AtomicBool::new(false),
        }
    }

    /// What to log in with now.
    pub(crate) async fn current(self: Arc<Self>) -> Result<Found, VaultError> {
        let mut state = self.state.lock().await;
        let now = self.now();
        if let Some(found) = &*state
            && found.due(self.api.poll).is_none_or(|due| due > now)
        {
            return Ok(found.clone());
        }
        self.refresh(&mut state, now).await
    }

    /// As [`Kept::current`], where the server refused what had this revision.
    pub(crate) async fn refused(self: Arc<Self>, revision: u64) -> Result<Found, VaultError> {
        let mut state = self.state.lock().await;
        let now = self.now();
        match &*state {
            // Another connection was quicker.
            Some(found) if found.revision != revision => return Ok(found.clone()),
            Some(found) if found.leased && now.saturating_sub(found.since) < YOUNG => {
                return Ok(found.clone());
            }
            _ => {}
        }
        let found = self.ask(now).await?.follow(state.as_ref());
        Ok(self.keep(&mut state, found))
    }

    /// Has done what is due, in the background, and returns the present epoch.
    pub(crate) fn tend(self: &Arc<Self>) -> u64 {
        let view = *self.view.borrow();
        if view.due.is_some_and(|due| due <= self.now()) && !self.tending.swap(true, Ordering::AcqRel) {
            let kept = self.clone();
            tokio::spawn(async move {
                {
                    let mut state = kept.state.lock().await;
                    let now = kept.now();
                    if state.as_ref().is_some_and(|f| f.due(kept.api.poll).is_some_and(|due| due <= now))
                        && let Err(error) = kept.refresh(&mut state, now).await
                    {
                        tracing::warn!(path = kept.path, "expired and not replaced: {error}");
                    }
                }
                kept.tending.store(false, Ordering::Release);
            });
        }
        view.epoch
    }

    /// Waits for an epoch after this one, and has done what is due meanwhile.
    pub(crate) async fn beyond(self: &Arc<Self>, epoch: u64) {
        let mut views = self.view.subscribe();
        while self.tend() <= epoch {
            let due = views.borrow_and_update().due;
            let left = due.map(|due| due.saturating_sub(self.now()).max(AGAIN));
            tokio::select! {
                // The sender is ours, and cannot be gone.
                _ = views.changed() => {}
                () = sleep(left) => {}
            }
        }
    }

    /// Renews or replaces what is due. What is still good is used on if Vault cannot be asked.
    async fn refresh(&self, state: &mut Option<Found>, now: Duration) -> Result<Found, VaultError> {
        let renewed = match &*state {
            Some(found) if !found.is_expired(now) => self.renew(found, now).await,
            _ => Ok(None),
        };
        let fresh = match renewed {
            Ok(Some(found)) => Ok(found),
            Ok(None) => self.ask(now).await.map(|found| found.follow(state.as_ref())),
            Err(error) => Err(error),
        };
        match (fresh, state.clone()) {
            (Ok(found), _) => Ok(self.keep(state, found)),
            (Err(error), Some(mut found)) if !found.is_expired(now) => {
                tracing::warn!(path = self.path, "not refreshed, the last one is used on: {error}");
                match &mut found.kind {
                    Kind::Leased { life, .. } => *life = life.failed(now),
                    Kind::Read { checked, .. } => *checked = now,
                }
                Ok(self.keep(state, found))
            }
            (Err(error), _) => {
                // Whoever connects next asks again, too.
                self.view.send_modify(|view| view.due = Some(now + RETRY));
                Err(error)
            }
        }
    }

    /// Renews the lease; `None` if it has to be replaced.
    async fn renew(&self, found: &Found, now: Duration) -> Result<Option<Found>, VaultError> {
        let Kind::Leased { id, life, token } = &found.kind else { return Ok(None) };
        let current = self.api.tokens.get(&self.api.client, now).await?;
        // What was leased with a token ends with it.
        if !Arc::ptr_eq(&current, token) {
            return Ok(None);
        }
        if life.due.is_none_or(|due| due > now) {
            // It was the token that was due.
            return Ok(Some(found.clone()));
        }
        if !life.renewable {
            return Ok(None);
        }
        let body = Some(json!({ "lease_id": id.expose() }));
        let ask = Ask { method: Method::PUT, path: "sys/leases/renew", token: Some(&token.secret), body };
        let ttl = match self.api.client.ask(ask).await {
            Ok(answer) => seconds(&answer["lease_duration"]),
            Err(error) => {
                tracing::warn!(path = self.path, "the lease was not renewed, another is asked for: {error}");
                return Ok(None);
            }
        };
        if !life.is_worth(ttl) {
            return Ok(None);
        }
        tracing::debug!(path = self.path, seconds = ttl.as_secs(), "lease renewed");
        let kind = Kind::Leased { id: id.clone(), life: life.renewed(ttl, now), token: token.clone() };
        Ok(Some(Found { kind, ..found.clone() }))
    }

    /// Reads the secret. A token that is no longer good is replaced once.
    async fn ask(&self, now: Duration) -> Result<Found, VaultError> {
        let api = &self.api;
        let mut token = api.tokens.get(&api.client, now).await?;
        let mut answer = self.read(&token).await;
        if matches!(answer, Err(VaultError::Refused { status: 401 | 403, .. }))
            && api.tokens.refused(&token, now).await
        {
            token = api.tokens.get(&api.client, now).await?;
            answer = self.read(&token).await;
        }
        self.understand(answer?, token, now)
    }

    async fn read(&self, token: &Token) -> Result<Value, VaultError> {
        let ask = Ask { method: Method::GET, path: &self.path, token: Some(&token.secret), body: None };
        self.api.client.ask(ask).await.map_err(|error| match error {
            VaultError::Refused { status: 404, said } => VaultError::Refused {
                status: 404,
                said: format!("{said}: nothing is there (a path of KV version 2 has data/ after its mount)"),
            },
            error => error,
        })
    }

    fn understand(&self, mut answer: Value, token: Arc<Token>, now: Duration) -> Result<Found, VaultError> {
        let unfit = |what: &str| VaultError::Unfit(what.to_owned());
        let mut data = answer["data"].take();
        // KV version 2 wraps the secret once more.
        let version = data["metadata"]["version"].as_u64();
        if version.is_some() {
            data = data["data"].take();
        }
        let Value::Object(map) = data else {
            return Err(unfit("the secret has no content; was its last version deleted?"));
        };
        let fields = map.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, Secret::new(text))),
            _ => None,
        });
        let ttl = seconds(&answer["lease_duration"]);
        // KV version 1 gives a duration as well, as a hint, but no lease.
        let lease =
            answer["lease_id"].as_str().filter(|id| !id.is_empty() && !ttl.is_zero()).map(Secret::new);
        let renewable = answer["renewable"].as_bool().unwrap_or(false);
        Ok(Found {
            fields: fields.collect(),
            leased: lease.is_some(),
            revision: 1,
            epoch: 1,
            kind: match lease {
                Some(id) => Kind::Leased { id, life: Life::new(ttl, renewable, now), token },
                None => Kind::Read { version, checked: now },
            },
            since: now,
        })
    }

    /// Puts what was found in its place, and says what changed.
    fn keep(&self, state: &mut Option<Found>, found: Found) -> Found {
        if state.as_ref().is_none_or(|before| before.revision != found.revision) {
            match found.kind {
                Kind::Leased { life, .. } => {
                    tracing::info!(path = self.path, seconds = life.granted.as_secs(), "a login was leased");
                }
                Kind::Read { version, .. } => tracing::info!(path = self.path, version, "a secret was read"),
            }
        }
        self.view.send_replace(View { epoch: found.epoch, due: found.due(self.api.poll) });
        *state = Some(found.clone());
        found
    }

    fn now(&self) -> Duration {
        self.api.clock.mono()
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
