//! API keys.

use super::Principal;
use pgmon_config::Scope;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// A key, of which only the digest is known.
#[derive(Debug)]
pub(crate) struct Key {
    pub name: Arc<str>,
    pub digest: [u8; 32],
    pub scope: Scope,
}

impl Key {
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }

    /// Reads a digest in hexadecimal.
    pub fn parse(text: &str) -> Option<[u8; 32]> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (n, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        Some(digest)
    }

    pub fn principal(&self) -> Principal {
        Principal { name: self.name.clone(), scope: self.scope, credential: self.digest }
    }
}

/// The key that was sent. Digests have one length, each is compared to its end, and all are compared: the
/// time tells neither how much of a key is right nor which one it is like.
pub(crate) fn find<'k>(keys: &'k [Key], sent: &str) -> Option<&'k Key> {
    let digest = Key::digest(sent);
    let mut found = None;
    for key in keys {
        if bool::from(key.digest.ct_eq(&digest)) {
            found = Some(key);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let key = |name: &str, text: &str| Key {
            name: name.into(),
            digest: Key::parse(&pgmon_config::key_digest(text)).unwrap(),
            scope: Scope::Read,
        };
        let keys = [key("a", "first-key"), key("b", "second-key")];
        assert_eq!(find(&keys, "second-key").map(|k| &*k.name), Some("b"));
        for wrong in ["", "second-ke", "second-key ", "SECOND-KEY", &pgmon_config::key_digest("second-key")] {
            assert!(find(&keys, wrong).is_none(), "{wrong}");
        }
        assert_eq!(Key::parse("ff"), None);
        assert_eq!(Key::parse(&"é".repeat(32)), None);
    }
}
