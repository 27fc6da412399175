//! Making what goes into the configuration: keys and hashes of passwords.

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Cost of bcrypt: a quarter of a second or so.
const BCRYPT_COST: u32 = 12;

/// Why nothing could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// bcrypt looks at no more than 72 bytes.
    #[error("bcrypt looks at the first 72 bytes of a password only: use a shorter one, or argon2id")]
    TooLong,
    /// The password cannot be hashed.
    #[error("this password cannot be hashed")]
    Refused,
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], HashingError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| HashingError::NoRandom)?;
    Ok(bytes)
}

/// A new key that nobody can guess: 256 random bits in 43 letters, digits, `-` and `_`.
pub fn new_key() -> Result<String, HashingError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// The bcrypt hash of a password.
pub fn bcrypt(password: &str) -> Result<String, HashingError> {
    if password.len() > 72 {
        return Err(HashingError::TooLong);
    }
    bcrypt::hash(password, BCRYPT_COST).map_err(|_| HashingError::Refused)
}

/// The Argon2id hash of a password, with the parameters that OWASP recommends (19 MiB, 2 passes).
pub fn argon2id(password: &str) -> Result<String, HashingError> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|_| HashingError::Refused)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &random::<16>()?);
    hash.map(|hash| hash.to_string()).map_err(|_| HashingError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_taken_by_the_configuration() {
        let hash = argon2id("correct").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(bcrypt(&"x".repeat(73)), Err(HashingError::TooLong));
        assert!(bcrypt("correct").unwrap().starts_with("$2b$12$"));
        let keys = [new_key().unwrap(), new_key().unwrap()];
        assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 43));
    }
}
