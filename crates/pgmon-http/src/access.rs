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
use pgmon_config::{Diagnostic, Http, Places, Scope, Secret, WebConfig, password_hash_fault, read_secret};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use watch::Print;

/// Why keys, users or certificates cannot be used: one line for each reason, none with a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct AccessError(Vec<Diagnostic>);

impl AccessError {
    /// The reasons. Those that are about the main configuration name the key and no file: whoever read it
    /// knows the line (`Places::locate`).
    pub fn into_faults(self) -> Vec<Diagnostic> {
        self.0
    }
}

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
            match WebConfig::examine(&path) {
                Ok((web, mut faults)) => {
                    reader.faults.append(&mut faults);
                    web
                }
                Err(message) => {
                    reader.fault("/http/web_config_file", message);
                    WebConfig::default()
                }
            }
        });
        let keys = reader.keys(http);
        let users = reader.users(http, web.as_ref());
        let tls = match tls::Source::of(http, web.as_ref()) {
            Some(source) => {
                source.files().into_iter().for_each(|path| reader.note(path));
                source.load().map_err(|mut faults| reader.faults.append(&mut faults)).ok()
            }
            None => None,
        };
        let mut headers = Vec::new();
        for (name, value) in web.iter().flat_map(|web| web.http_server_config.headers.set()) {
            match HeaderValue::from_str(value) {
                Ok(value) => headers.push((HeaderName::from_static(name), value)),
                Err(_) => reader.fault(
                    "/http/web_config_file",
                    format!("the header {name} has characters that a header cannot have"),
                ),
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
    faults: Vec<Diagnostic>,
}

impl Reader {
    /// Before a file is read: a change after this moment is seen.
    fn note(&mut self, path: PathBuf) {
        let print = Print::of(&path);
        self.files.push((path, print));
    }

    fn fault(&mut self, pointer: &str, message: impl Into<String>) {
        self.faults.push(Places::default().says(pointer, message));
    }

    fn secret(&mut self, pointer: &str, path: &Path) -> Option<Secret> {
        self.note(path.to_owned());
        read_secret(path).map_err(|why| self.fault(pointer, why)).ok()
    }

    fn keys(&mut self, http: &Http) -> Vec<Key> {
        let mut keys = Vec::new();
        for (n, key) in http.auth.api_keys.iter().enumerate() {
            let name: Arc<str> = key.name.clone().unwrap_or_else(|| format!("key{}", n + 1)).into();
            let pointer = format!("/http/auth/api_keys/{n}");
            let digest = match &key.key_file {
                Some(path) => match self.secret(&format!("{pointer}/key_file"), path) {
                    Some(text) => Some(Key::digest(text.expose())),
                    None => continue,
                },
                None => key.sha256.as_ref().and_then(|digest| Key::parse(digest.expose())),
            };
            match digest {
                Some(digest) => keys.push(Key { name, digest, scope: key.scope }),
                None => self.fault(&pointer, "has no usable key; set key_file, sha256 or key"),
            }
        }
        keys
    }

    fn users(&mut self, http: &Http, web: Option<&WebConfig>) -> Vec<User> {
        let mut users = Vec::new();
        for (n, user) in http.auth.basic.iter().enumerate() {
            let pointer = format!("/http/auth/basic/{n}");
            let hash = match &user.password_hash_file {
                Some(path) => {
                    let pointer = format!("{pointer}/password_hash_file");
                    let Some(hash) = self.secret(&pointer, path) else { continue };
                    if let Some(fault) = password_hash_fault(hash.expose()) {
                        self.fault(&pointer, format!("{}: {fault}", path.display()));
                        continue;
                    }
                    hash
                }
                None => user.password_hash.clone(),
            };
            match User::new(&user.user, hash, user.scope) {
                Some(user) => users.push(user),
                None => self.fault(&pointer, "has no usable hash; `pgmon hash-password` makes one"),
            }
        }
        // The toolkit's users have full access, as its documentation says.
        for (name, hash, web) in
            web.iter().flat_map(|web| web.basic_auth_users.iter().map(move |(name, hash)| (name, hash, web)))
        {
            match User::new(name, hash.clone(), Scope::Admin) {
                Some(user) => users.push(user),
                None => self.faults.push(web.places.says(
                    &format!("/basic_auth_users/{}", name.replace('~', "~0").replace('/', "~1")),
                    "has no usable hash; `pgmon hash-password` makes one",
                )),
            }
        }
        users
    }
}
