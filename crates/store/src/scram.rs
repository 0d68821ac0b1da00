//! What is kept of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677), and how it proves.
//!
//! The keys are as good as the password to whoever has to check it and to nobody else, but they
//! are cheaper to guess from than its Argon2id hash: a password that somebody chose should be
//! long. Deriving them costs tens of milliseconds.

use std::num::NonZeroU32;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::{constant_time, digest, pbkdf2, rand};
use data_encoding::BASE64URL_NOPAD;
use postbell_model::{ScramKeys, Secret};

use crate::password::HashError;

/// How often a password is hashed. RFC 7677 §4 asks for 4096 at least; clients pay it at every
/// login.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(50_000).expect("invariant: it is not zero");

const SALT_LEN: usize = 16;
const KEY_LEN: usize = 32;
// 144 bits; RFC 5802 §5.1 wants it to be unpredictable.
const NONCE_LEN: usize = 18;

/// The keys of a password, with a salt of its own. `None`: RFC 4013 would have to prepare
/// it, and only printable ASCII is sure to stay what it is.
///
/// # Errors
/// The system has no random numbers.
pub fn derive(password: &[u8]) -> Result<Option<ScramKeys>, HashError> {
    let unchanged = |b: &u8| (0x20..0x7f).contains(b);
    if password.is_empty() || !password.iter().all(unchanged) {
        return Ok(None);
    }
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt).map_err(|_| HashError)?;
    Ok(Some(keys(password, &salt, ITERATIONS)))
}

/// Keys for a name that has none, always the same, so that a stranger can't tell. Nothing proves
/// itself by them.
pub fn nobody(secret: &Secret, username: &str) -> ScramKeys {
    let made = |what: &[u8]| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, secret.expose()));
        // No token begins like this, whose key the secret may be.
        context.update(b"postbell SCRAM ");
        context.update(what);
        context.update(username.as_bytes());
        context.sign().as_ref().to_vec()
    };
    let mut salt = made(b"salt ");
    salt.truncate(SALT_LEN);
    ScramKeys {
        salt,
        iterations: ITERATIONS.get(),
        stored_key: Secret::new(made(b"stored key ")),
        server_key: Secret::new(made(b"server key ")),
    }
}

/// The server's part of a nonce.
///
/// # Errors
/// The system has no random numbers.
pub fn nonce() -> Result<String, HashError> {
    let mut octets = [0; NONCE_LEN];
    rand::fill(&mut octets).map_err(|_| HashError)?;
    Ok(BASE64URL_NOPAD.encode(&octets))
}

/// Checks `ClientProof` over `AuthMessage`: `ServerSignature` where it is right (RFC 5802 §3).
pub fn prove(
    keys: &ScramKeys,
    auth_message: &[u8],
    proof: &[u8; KEY_LEN],
) -> Option<[u8; KEY_LEN]> {
    let mut client_key = sign(keys.stored_key.expose(), auth_message);
    for (octet, proof) in client_key.iter_mut().zip(proof) {
        *octet ^= proof;
    }
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let expected = keys.stored_key.expose();
    constant_time::verify_slices_are_equal(stored_key.as_ref(), expected).ok()?;
    Some(sign(keys.server_key.expose(), auth_message))
}

fn keys(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> ScramKeys {
    let mut salted = [0; KEY_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password,
        &mut salted,
    );
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    ScramKeys {
        salt: salt.to_vec(),
        iterations: iterations.get(),
        stored_key: Secret::new(stored_key.as_ref()),
        server_key: Secret::new(sign(&salted, b"Server Key")),
    }
}

fn sign(key: &[u8], octets: &[u8]) -> [u8; KEY_LEN] {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key), octets);
    let mut signature = [0; KEY_LEN];
    for (octet, tag) in signature.iter_mut().zip(tag.as_ref()) {
        *octet = *tag;
    }
    signature
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    // RFC 7677 §3.
    const SAID: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn octets(text: &str) -> [u8; 32] {
        let octets = BASE64.decode(text.as_bytes()).unwrap();
        octets.try_into().unwrap()
    }

    #[test]
    fn the_example_of_the_rfc() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = keys(b"pencil", &salt, NonZeroU32::new(4096).unwrap());
        let signature = prove(&keys, SAID, &octets(PROOF)).unwrap();
        assert_eq!(signature, octets(SIGNATURE));
        let mut wrong = octets(PROOF);
        wrong[0] ^= 1;
        assert_eq!(prove(&keys, SAID, &wrong), None);
        assert_eq!(prove(&keys, &SAID[1..], &octets(PROOF)), None);
        assert_eq!(prove(&keys, SAID, &[0; 32]), None);
    }

    #[test]
    fn passwords_that_need_preparing_have_no_keys() {
        assert!(derive("jörg".as_bytes()).unwrap().is_none());
        assert!(derive(b"a\tb").unwrap().is_none());
        assert!(derive(b"").unwrap().is_none());
        let (one, other) = (derive(b"a b").unwrap(), derive(b"a b").unwrap());
        assert!(one.is_some() && one != other, "each has its salt");
    }

    #[test]
    fn nobody_looks_like_somebody_and_stays_the_same() {
        let secret = Secret::new("secret");
        let nobody = |name| nobody(&secret, name);
        let somebody = derive(b"secret").unwrap().unwrap();
        assert_eq!(nobody("ada").salt.len(), somebody.salt.len());
        assert_eq!(nobody("ada").iterations, somebody.iterations);
        assert_eq!(nobody("ada"), nobody("ada"));
        assert_ne!(nobody("ada").salt, nobody("bob").salt);
        let other = super::nobody(&Secret::new("other"), "ada");
        assert_ne!(nobody("ada").salt, other.salt);
    }

    #[test]
    fn nonces_differ_and_need_no_escape() {
        let one = nonce().unwrap();
        assert_ne!(one, nonce().unwrap());
        assert!(one.bytes().all(|b| b.is_ascii_graphic() && b != b','));
    }
}
