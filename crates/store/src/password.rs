//! Passwords at rest: Argon2id (RFC 9106) in PHC strings.
//!
//! Everything here costs tens of milliseconds of a processor and 19 MiB on purpose, so callers
//! bound how often they do it at a time, and do it where nothing else waits.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::rand;
use data_encoding::BASE32_NOPAD;
use postbell_model::Secret;

// 160 bits: nobody guesses it, and 32 letters and digits need no quoting anywhere.
const GENERATED_LEN: usize = 20;

/// The hash of a password that nobody has, to be verified where there is no such user, so that
/// this costs what a wrong password costs.
pub const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    cG9zdGJlbGwubm9ib2R5MQ$YTm8vZJv0Xf5w1pCq3rKfJm2sTgk7o9uYbq0c4eXn5A";

/// There are no random numbers, or no memory for the hash.
#[derive(Debug, thiserror::Error)]
#[error("the password can't be hashed")]
pub struct HashError;

/// A new password, for somebody who has not chosen one.
///
/// # Errors
/// The system has no random numbers.
pub fn generate() -> Result<String, HashError> {
    let mut octets = [0; GENERATED_LEN];
    rand::fill(&mut octets).map_err(|_| HashError)?;
    Ok(BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
}

/// The hash of a password, with a salt of its own.
///
/// # Errors
/// The system has no random numbers.
pub fn hash(password: &[u8]) -> Result<Secret, HashError> {
    let hashed = Argon2::default().hash_password(password);
    let hashed = hashed.map_err(|_| HashError)?;
    Ok(Secret::new(hashed.to_string()))
}

/// Whether this is the password that was hashed, with the parameters that it was hashed with.
pub fn verify(password: &[u8], hash: &Secret) -> bool {
    let Ok(text) = str::from_utf8(hash.expose()) else {
        return false;
    };
    PasswordHash::new(text)
        .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_one_that_was_hashed() {
        let hashed = hash(b"secret").unwrap();
        assert!(verify(b"secret", &hashed));
        assert!(!verify(b"Secret", &hashed));
        assert_ne!(hashed, hash(b"secret").unwrap(), "each has its salt");
        assert!(!verify(b"secret", &Secret::new("no hash")));
    }

    #[test]
    fn nobody_costs_what_everybody_costs() {
        let parameters = |hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            let salt = hash.salt.unwrap().len();
            let output = hash.hash.unwrap().len();
            (
                hash.algorithm.to_string(),
                hash.version,
                hash.params.to_string(),
                salt,
                output,
            )
        };
        let somebody = hash(b"secret").unwrap();
        let somebody = str::from_utf8(somebody.expose()).unwrap();
        assert_eq!(parameters(NOBODY), parameters(somebody));
        assert!(!verify(b"", &Secret::new(NOBODY)));
    }

    #[test]
    fn generated_passwords_differ_and_need_no_quotes() {
        let password = generate().unwrap();
        assert_eq!(password.len(), 32);
        assert!(password.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(password, generate().unwrap());
    }
}
