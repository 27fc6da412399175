//! What the double of Vault knows.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

/// How long something is given out for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Its time to live; each renewal gives as much again.
    pub ttl: Duration,
    /// The end of all renewing, from the beginning.
    pub max_ttl: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
}

impl Terms {
    /// Never ends.
    pub const FOR_EVER: Self = Self { ttl: Duration::ZERO, max_ttl: Duration::ZERO, renewable: false };

    /// Renewable as often as is liked.
    pub fn renewable(ttl: Duration) -> Self {
        Self { ttl, max_ttl: Duration::MAX, renewable: true }
    }
}

type Reply = (u16, Value);

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub method: String,
    pub path: String,
    pub token: String,
    pub namespace: String,
    pub is_vault_request: bool,
    pub body: Value,
}

/// How long something lives that was given out.
#[derive(Debug, Clone, Copy)]
struct Life {
    terms: Terms,
    since: Duration,
    expires: Duration,
}

impl Life {
    fn new(terms: Terms, now: Duration) -> Self {
        let expires = if terms.ttl.is_zero() { Duration::MAX } else { now + terms.ttl };
        Self { terms, since: now, expires }
    }

    fn renew(&mut self, now: Duration) {
        let end = self.since.saturating_add(self.terms.max_ttl);
        self.expires = now.saturating_add(self.terms.ttl).min(end);
    }

    fn left(&self, now: Duration) -> u64 {
        if self.terms.ttl.is_zero() { 0 } else { self.expires.saturating_sub(now).as_secs() }
    }
}

/// A leased login.
#[derive(Debug)]
pub(super) struct Lease {
    pub user: String,
    pub server: Option<PgConnectOptions>,
    token: String,
    life: Life,
}

#[derive(Debug)]
pub(super) struct State {
    start: Instant,
    pub ahead: Duration,
    tokens: HashMap<String, Life>,
    pub kv: HashMap<String, Vec<Option<Value>>>,
    pub logins: Vec<(String, Value, Terms)>,
    pub roles: HashMap<String, (PgConnectOptions, String, Terms)>,
    pub leases: BTreeMap<String, Lease>,
    pub namespace: String,
    pub sealed: bool,
    pub redirect: Option<String>,
    pub asked: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            ahead: Duration::ZERO,
            tokens: HashMap::new(),
            kv: HashMap::new(),
            logins: Vec::new(),
            roles: HashMap::new(),
            leases: BTreeMap::new(),
            namespace: String::new(),
            sealed: false,
            redirect: None,
            asked: Vec::new(),
        }
    }
}

fn refused(status: u16, said: &str) -> Reply {
    (status, json!({ "errors": [said] }))
}

fn random(prefix: &str) -> String {
    let tail: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    format!("{prefix}{tail}")
}

impl State {
    fn now(&self) -> Duration {
        self.start.elapsed() + self.ahead
    }

    pub fn new_token(&mut self, terms: Terms) -> String {
        let token = random("hvs.");
        self.tokens.insert(token.clone(), Life::new(terms, self.now()));
        token
    }

    pub fn revoke_token(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    /// Ends what has expired, and returns the leases that have.
    pub fn take_ended(&mut self) -> Vec<Lease> {
        let now = self.now();
        self.tokens.retain(|_, life| life.expires > now);
        let has_ended = |lease: &Lease| lease.life.expires <= now || !self.tokens.contains_key(&lease.token);
        let ended: Vec<String> =
            self.leases.iter().filter(|(_, l)| has_ended(l)).map(|(id, _)| id.clone()).collect();
        ended.iter().filter_map(|id| self.leases.remove(id)).collect()
    }

    /// What is wrong with a request before its path is looked at.
    fn gate(&mut self, asked: &Asked, with_token: bool) -> Option<Reply> {
        let now = self.now();
        self.tokens.retain(|_, life| life.expires > now);
        if self.sealed {
            return Some(refused(503, "Vault is sealed"));
        }
        if !asked.is_vault_request {
            return Some(refused(412, "missing X-Vault-Request"));
        }
        if asked.namespace != self.namespace {
            return Some(refused(404, "no handler for route"));
        }
        // A careless server might repeat what it was sent: the client must not pass it on.
        let said = || format!("permission denied for {}", asked.token);
        (with_token && !self.tokens.contains_key(&asked.token)).then(|| refused(403, &said()))
    }

    /// For a request of a database login: the server, group, user and password to make there.
    pub fn new_login(
        &mut self,
        asked: &Asked,
    ) -> Option<Result<(PgConnectOptions, String, String, String), Reply>> {
        let role = asked.path.strip_prefix("database/creds/")?;
        self.asked.push(format!("{} {}", asked.method, asked.path));
        if let Some(refusal) = self.gate(asked, true) {
            return Some(Err(refusal));
        }
        let Some((options, group, _)) = self.roles.get(role) else {
            return Some(Err(refused(400, "unknown role")));
        };
        let user = random("v-pgmon-").to_lowercase();
        Some(Ok((options.clone(), group.clone(), user, random(""))))
    }

    /// Gives a login out.
    pub fn lease(
        &mut self,
        asked: &Asked,
        server: PgConnectOptions,
        user: String,
        password: String,
    ) -> Reply {
        let role = asked.path.strip_prefix("database/creds/").unwrap_or_default();
        let Some((_, _, terms)) = self.roles.get(role) else { return refused(400, "unknown role") };
        let life = Life::new(*terms, self.now());
        let id = format!("{}/{}", asked.path, random(""));
        let answer = json!({
            "lease_id": id, "lease_duration": life.left(self.now()), "renewable": terms.renewable,
            "data": { "username": user, "password": password }
        });
        let lease = Lease { user, server: Some(server), token: asked.token.clone(), life };
        self.leases.insert(id, lease);
        (200, answer)
    }

    pub fn answer(&mut self, asked: &Asked) -> Reply {
        self.asked.push(format!("{} {}", asked.method, asked.path));
        let is_login = asked.path.starts_with("auth/") && asked.path.ends_with("/login");
        if let Some(refusal) = self.gate(asked, !is_login) {
            return refusal;
        }
        let now = self.now();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST" | "PUT", _) if is_login => self.log_in(asked),
            ("GET", "auth/token/lookup-self") => match self.tokens.get(&asked.token) {
                Some(life) => {
                    let data = json!({ "ttl": life.left(now), "renewable": life.terms.renewable });
                    (200, json!({ "data": data }))
                }
                None => refused(403, "permission denied"),
            },
            ("POST" | "PUT", "auth/token/renew-self") => match self.tokens.get_mut(&asked.token) {
                Some(life) if life.terms.renewable => {
                    life.renew(now);
                    let auth = json!({ "client_token": asked.token, "lease_duration": life.left(now), "renewable": true });
                    (200, json!({ "auth": auth }))
                }
                _ => refused(400, "token is not renewable"),
            },
            ("POST" | "PUT", "sys/leases/renew") => {
                let id = asked.body["lease_id"].as_str().unwrap_or_default();
                match self.leases.get_mut(id).filter(|lease| lease.life.expires > now) {
                    Some(lease) if lease.life.terms.renewable => {
                        lease.life.renew(now);
                        let left = lease.life.left(now);
                        (200, json!({ "lease_id": id, "lease_duration": left, "renewable": true }))
                    }
                    Some(_) => refused(400, "lease is not renewable"),
                    None => refused(400, "lease not found"),
                }
            }
            ("GET", path) => {
                match self.kv.get(path).and_then(|versions| Some((versions, versions.last()?))) {
                    Some((versions, Some(fields))) => {
                        let metadata =
                            json!({ "version": versions.len(), "deletion_time": "", "destroyed": false });
                        let data = json!({ "data": fields, "metadata": metadata });
                        (
                            200,
                            json!({ "lease_id": "", "lease_duration": 0, "renewable": false, "data": data }),
                        )
                    }
                    // Deleted: the metadata are still told.
                    Some((versions, None)) => {
                        let metadata =
                            json!({ "version": versions.len(), "deletion_time": "2026-01-01T00:00:00Z" });
                        (404, json!({ "data": { "data": null, "metadata": metadata } }))
                    }
                    None => refused(404, ""),
                }
            }
            _ => refused(404, "no handler for route"),
        }
    }

    fn log_in(&mut self, asked: &Asked) -> Reply {
        let allowed = self.logins.iter().find(|(path, body, _)| *path == asked.path && *body == asked.body);
        let Some((_, _, terms)) = allowed else { return refused(400, "invalid role or secret ID") };
        let terms = *terms;
        let token = self.new_token(terms);
        let ttl = terms.ttl.as_secs();
        let auth = json!({ "client_token": token, "lease_duration": ttl, "renewable": terms.renewable });
        (200, json!({ "auth": auth }))
    }
}
