//! Passwords: slow to verify on purpose, so that each is verified once.

use super::Principal;
use crate::limiter::Client;
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use pgmon_config::{Scope, Secret};
use ring::hmac;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// Passwords that were right are remembered, this many of them.
const REMEMBERED: usize = 128;

/// Passwords that wait for being verified. Whoever comes then is told to come again.
const WAITING: usize = 8;

/// Somebody with a password.
#[derive(Debug)]
pub(crate) struct User {
    name: Arc<str>,
    hash: Secret,
    scope: Scope,
    credential: [u8; 32],
}

impl User {
    /// `None` if the hash cannot be read.
    pub fn new(name: &str, hash: Secret, scope: Scope) -> Option<Self> {
        let text = hash.expose();
        let readable = if text.starts_with("$argon2") {
            PasswordHash::new(text).is_ok()
        } else {
            text.parse::<bcrypt::HashParts>().is_ok()
        };
        let credential = Sha256::new().chain_update(name).chain_update([0]).chain_update(text).finalize();
        readable.then(|| Self { name: name.into(), scope, credential: credential.into(), hash })
    }

    pub fn principal(&self) -> Principal {
        Principal { name: self.name.clone(), scope: self.scope, credential: self.credential }
    }
}

/// What came of a name and a password.
#[derive(Debug)]
pub(crate) enum Checked {
    /// They are right.
    Right(Principal),
    /// One of them is wrong.
    Wrong,
    /// Too many others are being verified.
    Busy,
}

/// A password that was right, as a code that only this process can make, and who sent it.
struct Verified {
    code: [u8; 32],
    client: Client,
}

/// Verifies passwords, one at a time, each once.
pub(crate) struct Passwords {
    /// Made when the first password comes.
    key: OnceLock<Option<hmac::Key>>,
    verified: Mutex<VecDeque<Verified>>,
    one: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Passwords {
    pub fn new() -> Self {
        Self {
            key: OnceLock::new(),
            verified: Mutex::default(),
            // Argon2 takes megabytes for each.
            one: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether this was right before, `from` this client if it matters. Takes no time to speak of.
    pub fn remembered(
        &self,
        users: &[User],
        name: &str,
        password: &str,
        from: Option<Client>,
    ) -> Option<Principal> {
        let user = users.iter().find(|user| *user.name == *name)?;
        let code = self.code(user, password)?;
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = false;
        for v in verified.iter() {
            known |= bool::from(v.code.ct_eq(&code)) && from.is_none_or(|client| client == v.client);
        }
        known.then(|| user.principal())
    }

    /// Verifies. An unknown name takes as long as a known one.
    pub async fn verify(&self, users: &[User], name: &str, password: &str, client: Client) -> Checked {
        let user = users.iter().find(|user| *user.name == *name);
        let Some(hash) = user.or_else(|| self.stand_in(users, name)).map(|user| user.hash.clone()) else {
            return Checked::Wrong;
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Checked::Busy;
        }
        let waiting = Waiting(&self.waiting);
        let Ok(permit) = self.one.clone().acquire_owned().await else { return Checked::Busy };
        // Who waited behind the same password need not verify it again.
        if let Some(principal) = self.remembered(users, name, password, None) {
            return Checked::Right(principal);
        }
        let secret = Secret::new(password);
        let right = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when the client has gone.
            let _permit = permit;
            matches(hash.expose(), secret.expose())
        })
        .await
        .unwrap_or(false);
        drop(waiting);
        match user {
            Some(user) if right => {
                self.remember(user, password, client);
                Checked::Right(user.principal())
            }
            _ => Checked::Wrong,
        }
    }

    /// Whose hash an unknown name is verified against: always the same user's for one name, and nobody can tell
    /// whose. Hashes may differ in what they cost, and the time would tell unknown names from known ones.
    fn stand_in<'u>(&self, users: &'u [User], name: &str) -> Option<&'u User> {
        let number = self.key.get_or_init(new_key).as_ref().map_or(0, |key| {
            let bytes = hmac::sign(key, name.as_bytes());
            bytes.as_ref().iter().take(8).fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte))
        });
        let count = u64::try_from(users.len()).ok()?;
        users.get(usize::try_from(number.checked_rem(count)?).ok()?)
    }

    fn remember(&self, user: &User, password: &str, client: Client) {
        let Some(code) = self.code(user, password) else { return };
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.retain(|v| v.code != code || v.client != client);
        verified.truncate(REMEMBERED - 1);
        verified.push_front(Verified { code, client });
    }

    /// Binds the password to the hash: another hash, and it is verified anew.
    fn code(&self, user: &User, password: &str) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.get_or_init(new_key).as_ref()?);
        context.update(&user.credential);
        context.update(password.as_bytes());
        context.sign().as_ref().try_into().ok()
    }
}

/// Without random numbers nothing is remembered, which is slow and not wrong.
fn new_key() -> Option<hmac::Key> {
    hmac::Key::generate(hmac::HMAC_SHA256, &ring::rand::SystemRandom::new()).ok()
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn matches(hash: &str, password: &str) -> bool {
    if hash.starts_with("$argon2") {
        PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    } else {
        bcrypt::verify(password, hash).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
