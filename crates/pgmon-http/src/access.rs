//! Who may see what: keys, users, certificates and limits, as one value that is replaced whole.

mod identify;
mod keys;
mod passwords;
mod watch;

pub(crate) use identify::{Identity, Peer, Principal, Wrong};
pub(crate) use passwords::Passwords;
pub(crate) use watch::watch;

use crate::limiter::Rate;
use crate::tls::{self, Tls};
use axum::http::{HeaderName, HeaderValue};
use keys::Key;
use passwords::User;
use pgmon_config::{Http, Scope, Secret, WebConfig, password_hash_fault, read_secret};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use watch::Print;

/// Why keys, users or certificates cannot be used: one line for each reason, none with a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct AccessError(Vec<String>);

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub connections: usize,
    pub header: Duration,
    pub idle: Duration,
    pub write: Duration,
}

/// Keys, users, certificates and limits.
#[derive(Debug)]
pub struct Access {
    keys: Vec<Key>,
    users: Vec<User>,
    pub(crate) tls: Option<Tls>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) rate: Option<Rate>,
    pub(crate) allow_anonymous: bool,
    pub(crate) limits: Limits,
    /// What all of this was made from, for making it anew when a file changes. Has no plain key.
    settings: Http,
    /// The files that were read, as they were just before.
    files: Vec<(PathBuf, Print)>,
}

impl Access {
    /// Reads what the settings name: keys, hashes, certificates, the toolkit's web configuration.
    pub fn build(http: &Http) -> Result<Self, AccessError> {
        let mut reader = Reader::default();
        let web = http.web_config_file.clone().map(|path| {
            reader.note(path.clone());
            WebConfig::load(&path).unwrap_or_else(|errors| {
                reader.faults.extend(errors.diagnostics().iter().map(ToString::to_string));
                WebConfig::default()
            })
        });
        let keys = reader.keys(http);
        let users = reader.users(http, web.as_ref());
        let tls = match tls::Source::of(http, web.as_ref()) {
            Some(source) => {
                source.files().into_iter().for_each(|path| reader.note(path));
                source.load().map_err(|fault| reader.faults.push(fault)).ok()
            }
            None => None,
        };
        let mut headers = Vec::new();
        for (name, value) in web.iter().flat_map(|web| web.http_server_config.headers.set()) {
            match HeaderValue::from_str(value) {
                Ok(value) => headers.push((HeaderName::from_static(name), value)),
                Err(_) => {
                    reader.faults.push(format!("the header {name} has characters that a header cannot have"))
                }
            }
        }
        if !reader.faults.is_empty() {
            return Err(AccessError(reader.faults));
        }
        Ok(Self {
            keys,
            users,
            tls,
            headers,
            rate: rate(http, web.as_ref()),
            allow_anonymous: http.allow_anonymous,
            limits: Limits {
                connections: usize::try_from(http.max_connections).unwrap_or(usize::MAX),
                header: http.header_timeout.duration(),
                idle: http.idle_timeout.duration(),
                write: http.write_timeout.duration(),
            },
            settings: http.clone(),
            files: reader.files,
        })
    }

    /// Whether somebody who is not known is kept out.
    pub fn asks_who_it_is(&self) -> bool {
        self.is_configured()
    }

    /// Whether connections are encrypted.
    pub fn encrypts(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether anybody can log in.
    pub(crate) fn is_configured(&self) -> bool {
        self.has_forms() || self.tls.as_ref().is_some_and(Tls::asks_clients)
    }

    /// Whether there is something to type into a login form.
    pub(crate) fn has_forms(&self) -> bool {
        self.has_keys() || self.has_users()
    }

    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    pub(crate) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Who logged in with this credential, if it is still good.
    pub(crate) fn by_credential(&self, credential: &[u8; 32]) -> Option<Principal> {
        let keys = self.keys.iter().map(Key::principal);
        keys.chain(self.users.iter().map(User::principal)).find(|p| p.credential == *credential)
    }
}

fn rate(http: &Http, web: Option<&WebConfig>) -> Option<Rate> {
    let limit = &http.rate_limit;
    let mut rate = limit.enabled.then_some(Rate { per_second: limit.per_second, burst: limit.burst });
    if let Some(interval) = web.and_then(|web| web.rate_limit.interval()) {
        let burst = web.and_then(|web| web.rate_limit.burst).unwrap_or_default().max(1);
        rate = interval.map(|interval| Rate { per_second: interval.as_secs_f64().recip(), burst });
    }
    rate
}

/// Reads files, and notes them and what is wrong with them.
#[derive(Default)]
struct Reader {
    files: Vec<(PathBuf, Print)>,
    faults: Vec<String>,
}

impl Reader {
    /// Before a file is read: a change after this moment is seen.
    fn note(&mut self, path: PathBuf) {
        let print = Print::of(&path);
        self.files.push((path, print));
    }

    fn secret(&mut self, path: PathBuf) -> Option<Secret> {
        self.note(path.clone());
        read_secret(&path).map_err(|fault| self.faults.push(fault)).ok()
    }

    fn keys(&mut self, http: &Http) -> Vec<Key> {
        let mut keys = Vec::new();
        for (n, key) in http.auth.api_keys.iter().enumerate() {
            let name: Arc<str> = key.name.clone().unwrap_or_else(|| format!("key{}", n + 1)).into();
            let digest = match &key.key_file {
                Some(path) => self.secret(path.clone()).map(|text| Key::digest(text.expose())),
                None => key.sha256.as_ref().and_then(|digest| Key::parse(digest.expose())),
            };
            match digest {
                Some(digest) => keys.push(Key { name, digest, scope: key.scope }),
                None => self.faults.push(format!("http.auth.api_keys[{n}] ({name}) has no usable key")),
            }
        }
        keys
    }

    fn users(&mut self, http: &Http, web: Option<&WebConfig>) -> Vec<User> {
        let mut users = Vec::new();
        for user in &http.auth.basic {
            let hash = match &user.password_hash_file {
                Some(path) => self.secret(path.clone()).inspect(|hash| {
                    let fault = password_hash_fault(hash.expose());
                    self.faults.extend(fault.map(|fault| format!("{}: {fault}", path.display())));
                }),
                None => Some(user.password_hash.clone()),
            };
            match hash.and_then(|hash| User::new(&user.user, hash, user.scope)) {
                Some(user) => users.push(user),
                None => self.faults.push(format!("http.auth.basic: {} has no usable hash", user.user)),
            }
        }
        // The toolkit's users have full access, as its documentation says.
        for (name, hash) in web.iter().flat_map(|web| &web.basic_auth_users) {
            match User::new(name, hash.clone(), Scope::Admin) {
                Some(user) => users.push(user),
                None => self.faults.push(format!("basic_auth_users: {name} has no usable hash")),
            }
        }
        users
    }
}
