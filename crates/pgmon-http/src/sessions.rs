//! Sessions of browsers.

use crate::hashing::{HashingError, random};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a session lasts.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Sessions at the same time. One more, and the one that ends first is ended.
const SESSIONS: usize = 1_000;

/// A session, found by the digest of its token.
#[derive(Debug, Clone, Copy)]
struct Session {
    credential: [u8; 32],
    ends: Duration,
}

/// All sessions. They are kept in memory only: a restart ends them.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins a session for whoever has this credential; returns its token.
    pub fn begin(&self, credential: [u8; 32], now: Duration) -> Result<String, HashingError> {
        let token = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS {
            sessions.retain(|_, session| session.ends > now);
        }
        if sessions.len() >= SESSIONS
            && let Some(first) = sessions.iter().min_by_key(|(_, s)| s.ends).map(|(token, _)| *token)
        {
            sessions.remove(&first);
        }
        sessions.insert(digest(&token), Session { credential, ends: now + LASTS });
        Ok(token)
    }

    /// The credential that a session was begun with, unless it has ended.
    pub fn find(&self, token: &str, now: Duration) -> Option<[u8; 32]> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&digest(token)).filter(|session| session.ends > now).map(|session| session.credential)
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(token));
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The cookie's name. Over TLS, the prefix makes browsers refuse it from anything but this very host.
fn name(tls: bool) -> &'static str {
    if tls { "__Host-pgmon_session" } else { "pgmon_session" }
}

/// The session's token in a request.
pub(crate) fn token(headers: &HeaderMap, tls: bool) -> Option<&str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).find_map(|cookies| {
        cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name(tls))?.strip_prefix('='))
    })
}

/// The value of `Set-Cookie` that begins a session, or ends it if there is no token.
pub(crate) fn cookie(token: Option<&str>, tls: bool) -> String {
    let secure = if tls { "; Secure" } else { "" };
    let (token, age) = token.map_or(("", 0), |token| (token, LASTS.as_secs()));
    // Lax, not Strict: a link from a chat or a ticket opens what it names. What changes something is
    // a POST, which Lax keeps from other sites, and which is checked for its origin besides.
    format!("{}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", name(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_the_table_is_bounded() {
        let sessions = Sessions::default();
        let token = sessions.begin([1; 32], Duration::ZERO).unwrap();
        assert_eq!(sessions.find(&token, LASTS - Duration::from_secs(1)), Some([1; 32]));
        assert_eq!(sessions.find(&token, LASTS), None);
        assert_eq!(sessions.find("", Duration::ZERO), None);
        for n in 0..2_000 {
            sessions.begin([2; 32], Duration::from_millis(n)).unwrap();
        }
        assert_eq!(sessions.0.lock().unwrap().len(), SESSIONS);
        assert_eq!(sessions.find(&token, Duration::ZERO), None, "the oldest went first");
        let last = sessions.begin([3; 32], Duration::from_secs(3)).unwrap();
        sessions.end(&last);
        assert_eq!(sessions.find(&last, Duration::from_secs(3)), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; pgmon_session=abc; c=d".parse().unwrap());
        assert_eq!(token(&headers, false), Some("abc"));
        assert_eq!(token(&headers, true), None);
        assert_eq!(
            cookie(Some("abc"), true),
            "__Host-pgmon_session=abc; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
