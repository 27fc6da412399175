//! Forms in which secrets are written down.

use sha2::{Digest as _, Sha256};

/// The `format` of a key's SHA-256 in the JSON Schema.
pub(crate) const SHA256_FORMAT: &str = "sha256";

/// The `format` of a password's hash in the JSON Schema.
pub(crate) const PASSWORD_HASH_FORMAT: &str = "password-hash";

/// The largest cost of bcrypt: 2^16 rounds take some seconds.
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;

/// The largest memory of Argon2 (KiB): whoever logs in makes pgmon take this much.
const ARGON2_MEMORY: u32 = 256 * 1024;

/// The largest number of passes of Argon2 over its memory.
const ARGON2_PASSES: u32 = 64;

/// The SHA-256 of a key in hexadecimal: the form in which pgmon keeps it.
pub fn key_digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with a text that should be a SHA-256. The text is not repeated.
pub(crate) fn sha256_fault(text: &str) -> Option<String> {
    let right = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    (!right).then(|| "expected a SHA-256: 64 hexadecimal digits, as `pgmon hash-key` prints them".to_owned())
}

/// What is wrong with a text that should be a password's hash. The text is not repeated.
pub fn password_hash_fault(text: &str) -> Option<String> {
    let fault = match text.split('$').collect::<Vec<_>>().as_slice() {
        ["", "2a" | "2b" | "2x" | "2y", cost, rest] => bcrypt_fault(cost, rest),
        ["", "argon2id" | "argon2i" | "argon2d", "v=19", parameters, salt, hash] => {
            argon2_fault(parameters, salt, hash)
        }
        _ => Some("expected a hash made by bcrypt ($2b$...) or Argon2 ($argon2id$...)"),
    };
    fault.map(|fault| format!("{fault}; `pgmon hash-password` makes a right one"))
}

fn bcrypt_fault(cost: &str, rest: &str) -> Option<&'static str> {
    if rest.len() != 53 || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/')) {
        return Some("a bcrypt hash ends in 53 letters, digits, dots and slashes");
    }
    let cost_fits = cost.len() == 2 && cost.parse().is_ok_and(|cost| BCRYPT_COST.contains(&cost));
    (!cost_fits).then_some("the cost of a bcrypt hash must be 04 to 16")
}

fn argon2_fault(parameters: &str, salt: &str, hash: &str) -> Option<&'static str> {
    let base64 = |text: &str, least: usize| {
        text.len() >= least && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
    };
    if !base64(salt, 11) || !base64(hash, 14) {
        return Some("the salt or the end of the Argon2 hash is damaged");
    }
    let mut known = [None; 3];
    for parameter in parameters.split(',') {
        let Some((name, value)) = parameter.split_once('=') else {
            return Some("the parameters of an Argon2 hash are m=...,t=...,p=...");
        };
        let place = match name {
            "m" => 0,
            "t" => 1,
            "p" => 2,
            _ => return Some("the parameters of an Argon2 hash are m=...,t=...,p=..."),
        };
        if let Some(slot) = known.get_mut(place) {
            *slot = value.parse::<u32>().ok();
        }
    }
    match known {
        [Some(m), Some(t), Some(p)] if m >= 8 && t >= 1 && p >= 1 => {
            let costly = m > ARGON2_MEMORY || t > ARGON2_PASSES || p > 16;
            costly.then_some("the Argon2 hash costs too much: at most m=262144 (256 MiB), t=64, p=16")
        }
        _ => Some("the parameters of an Argon2 hash are m=...,t=...,p=..."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        // printf abc | sha256sum
        assert_eq!(key_digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(sha256_fault(&key_digest("x")).is_none());
        assert!(sha256_fault("abc").is_some() && sha256_fault(&"g".repeat(64)).is_some());
    }

    #[test]
    fn hashes_of_the_usual_tools_are_taken() {
        for good in [
            "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG",
            "$2b$12$cVd0iwzcSL9AF6FUBCDCGuYi0MXpaT1fKGiZUIHQ0oVwOrPgfb6Ji",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$LV4mFsuGpbYYmPZLQmTbsb9wpUIPWJVdHBNjHpi5X2A",
        ] {
            assert_eq!(password_hash_fault(good), None, "{good}");
        }
    }

    #[test]
    fn damaged_and_costly_hashes_are_named_without_repeating_them() {
        for bad in [
            "hunter2canary",
            "",
            "$1$hunter2canary",
            "$2b$12$hunter2canary",
            "$2b$31$cVd0iwzcSL9AF6FUBCDCGuYi0MXpaT1fKGiZUIHQ0oVwOrPgfb6Ji",
            "$2b$1$cVd0iwzcSL9AF6FUBCDCGuYi0MXpaT1fKGiZUIHQ0oVwOrPgfb6Ji",
            "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$LV4mFsuGpbYYmPZLQmTbsb9wpUIPWJVdHBNjHpi5X2A",
            "$argon2id$v=19$t=2,p=1$c29tZXNhbHRzb21lc2FsdA$LV4mFsuGpbYYmPZLQmTbsb9wpUIPWJVdHBNjHpi5X2A",
            "$argon2id$v=19$m=19456,t=2,p=1$$hunter2canary",
        ] {
            let fault = password_hash_fault(bad).unwrap();
            assert!(!fault.contains("canary"), "{fault}");
        }
    }
}
