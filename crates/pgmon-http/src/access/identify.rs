//! Who sends a request.

use super::passwords::Checked;
use super::{Access, keys};
use crate::app::App;
use crate::limiter::{Client, Rate};
use crate::sessions;
use crate::telemetry::Failure;
use crate::tls::ClientCertificates;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgmon_config::Scope;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Wrong keys and passwords of one client: ten, then one a second.
pub(crate) const FAILURES: Rate = Rate { per_second: 1.0, burst: 10 };

/// Refusals are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
    /// SHA-256 of the client's verified certificate.
    pub certificate: Option<[u8; 32]>,
}

impl Peer {
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    pub fn client(&self) -> Client {
        Client::of(self.address.ip())
    }
}

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub name: Arc<str>,
    pub scope: Scope,
    /// What identifies the credential: never the credential itself.
    pub credential: [u8; 32],
}

/// What a request says of its sender.
#[derive(Debug)]
pub(crate) enum Identity {
    /// A good credential.
    Known(Principal),
    /// No credential.
    Nobody,
    /// A wrong one.
    Wrong(Wrong),
    /// One too many wrong ones; seconds until the next may be tried.
    Locked(u64),
    /// Too many passwords are being verified.
    Busy,
}

/// Which kind of credential was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A key, or something that is neither key nor password.
    Key,
    /// A name or password.
    Password,
}

impl App {
    /// Says who sends a request with these headers. `Authorization` decides if it is there, then the
    /// session, then the certificate.
    pub(crate) async fn identify(&self, access: &Access, peer: &Peer, headers: &HeaderMap) -> Identity {
        if !access.is_configured() {
            return Identity::Nobody;
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let value = value.to_str().unwrap_or_default();
            let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
            let rest = rest.trim();
            if scheme.eq_ignore_ascii_case("basic") && access.has_users() {
                let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let (name, password) =
                    decoded.as_deref().and_then(|text| text.split_once(':')).unwrap_or_default();
                return self.by_password(access, peer, name, password).await;
            }
            let key = if scheme.eq_ignore_ascii_case("bearer") { rest } else { "" };
            return self.by_key(access, peer, key);
        }
        if let Some(token) = sessions::token(headers, peer.tls) {
            let principal = self
                .sessions
                .find(token, self.timer.mono())
                .and_then(|credential| access.by_credential(&credential));
            if let Some(principal) = principal {
                return Identity::Known(principal);
            }
            // It ended: no offence, and not worth a lock.
            self.telemetry.failed(Failure::Session);
        }
        match (peer.certificate, access.tls.as_ref().map(|tls| tls.clients)) {
            // With keys or users, a certificate that everybody needs says nothing about who it is.
            (Some(digest), Some(clients))
                if clients == ClientCertificates::Optional || !access.has_forms() =>
            {
                let name = "client certificate".into();
                Identity::Known(Principal { name, scope: Scope::Read, credential: digest })
            }
            _ => Identity::Nobody,
        }
    }

    /// Checks a key.
    pub(crate) fn by_key(&self, access: &Access, peer: &Peer, key: &str) -> Identity {
        match keys::find(&access.keys, key) {
            Some(key) => Identity::Known(key.principal()),
            None => {
                self.log_refusal(peer, Failure::Key);
                // A key costs nothing to check, and nobody guesses one: on this machine all are answered.
                if !peer.is_loopback() {
                    let verdict = self.failures.take(peer.client(), FAILURES, self.timer.mono());
                    if !verdict.allowed {
                        return Identity::Locked(verdict.retry_after);
                    }
                }
                Identity::Wrong(Wrong::Key)
            }
        }
    }

    /// Checks a name and a password.
    pub(crate) async fn by_password(
        &self,
        access: &Access,
        peer: &Peer,
        name: &str,
        password: &str,
    ) -> Identity {
        let (client, users) = (peer.client(), &access.users);
        let tries = self.failures.look(client, FAILURES, self.timer.mono());
        // Where guesses are locked, only who was right before from there gets in: others learn nothing.
        let from = (!tries.allowed).then_some(client);
        if let Some(principal) = self.passwords.remembered(users, name, password, from) {
            return Identity::Known(principal);
        }
        let verdict = self.failures.take(client, FAILURES, self.timer.mono());
        if !verdict.allowed {
            return Identity::Locked(verdict.retry_after);
        }
        match self.passwords.verify(users, name, password, client).await {
            Checked::Right(principal) => {
                self.failures.give_back(client, FAILURES);
                Identity::Known(principal)
            }
            Checked::Busy => {
                self.failures.give_back(client, FAILURES);
                Identity::Busy
            }
            Checked::Wrong => {
                self.log_refusal(peer, Failure::Password);
                Identity::Wrong(Wrong::Password)
            }
        }
    }

    /// Counts a refusal, and logs it unless another was logged just now.
    fn log_refusal(&self, peer: &Peer, failure: Failure) {
        let total = self.telemetry.failed(failure);
        let now = u64::try_from(self.timer.mono().as_millis()).unwrap_or(u64::MAX - 1);
        let last = self.logged.load(Ordering::Relaxed);
        let every = u64::try_from(LOG_EVERY.as_millis()).unwrap_or_default();
        if last != 0 && now + 1 < last + every {
            return;
        }
        if self.logged.compare_exchange(last, now + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let what = if failure == Failure::Key { "a wrong key" } else { "a wrong name or password" };
            tracing::warn!(client = %peer.address.ip(), total, "a request with {what} was refused");
        }
    }
}
