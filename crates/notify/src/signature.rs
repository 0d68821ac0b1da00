//! Signatures of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
//!
//! Only the symmetric scheme, `v1`; the asymmetric `v1a` is not offered.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postbell_model::Secret;

const PREFIX: &str = "whsec_";
// Standard Webhooks, "Signature scheme": 24 to 64 bytes, 192 to 512 bits.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
const NEW_KEY_LENGTH: usize = 32;
const PLAIN_MAX: usize = 256;

/// A text that can't be a webhook's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing, or more than 256 octets.
    #[error("a secret has 1 to 256 octets")]
    Length,
    /// What follows `whsec_` is not base64.
    #[error("what follows whsec_ is not base64")]
    NotBase64,
    /// What follows `whsec_` is too short or too long.
    #[error("what follows whsec_ must be 24 to 64 octets, not {0}")]
    KeyLength(usize),
}

/// Reads a secret: `whsec_` and base64 of 24 to 64 octets, or any other text, whose octets are
/// the key.
///
/// # Errors
/// The text is neither.
pub fn parse_secret(text: &str) -> Result<Secret, SecretError> {
    let Some(encoded) = text.strip_prefix(PREFIX) else {
        return if (1..=PLAIN_MAX).contains(&text.len()) {
            Ok(Secret::new(text.as_bytes()))
        } else {
            Err(SecretError::Length)
        };
    };
    let key = STANDARD
        .decode(encoded)
        .map_err(|_| SecretError::NotBase64)?;
    if KEY_LENGTH.contains(&key.len()) {
        Ok(Secret::new(key))
    } else {
        Err(SecretError::KeyLength(key.len()))
    }
}

/// A new random secret, in the form that its owner is shown.
///
/// # Errors
/// The system has no random numbers.
pub fn new_secret() -> Result<String, NoRandomness> {
    let mut key = [0; NEW_KEY_LENGTH];
    rand::fill(&mut key).map_err(|_| NoRandomness)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(key)))
}

/// The system has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// The value of `webhook-signature` under one secret; `timestamp` is in seconds since 1970.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    Signer::new([secret]).sign(id, timestamp, body)
}

/// Signs with one secret, or with two while one takes over from the other.
#[derive(Debug, Clone)]
pub struct Signer {
    keys: Vec<Key>,
}

impl Signer {
    /// A signer whose signatures each of `secrets` verifies.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let keys = secrets.into_iter();
        Self {
            keys: keys
                .map(|secret| Key::new(HMAC_SHA256, secret.expose()))
                .collect(),
        }
    }

    /// The value of `webhook-signature`; `timestamp` is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut value = String::with_capacity(48 * self.keys.len());
        let head = format!("{id}.{timestamp}.");
        for key in &self.keys {
            if !value.is_empty() {
                value.push(' ');
            }
            let mut context = Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            value.push_str("v1,");
            STANDARD.encode_string(context.sign(), &mut value);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the Standard Webhooks specification and its reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_specifications_example_is_met() {
        let secret = parse_secret(SECRET).unwrap();
        assert_eq!(sign(&secret, ID, TIMESTAMP, BODY), SIGNATURE);
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        let secret = parse_secret(SECRET).unwrap();
        for other in [
            sign(&secret, "msg_other", TIMESTAMP, BODY),
            sign(&secret, ID, TIMESTAMP + 1, BODY),
            sign(&secret, ID, TIMESTAMP, b"{}"),
            sign(&Secret::new("another"), ID, TIMESTAMP, BODY),
        ] {
            assert_ne!(other, SIGNATURE);
        }
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let (old, new) = (Secret::new("old"), parse_secret(SECRET).unwrap());
        let both = Signer::new([&old, &new]).sign(ID, TIMESTAMP, BODY);
        let old_one = sign(&old, ID, TIMESTAMP, BODY);
        assert_eq!(both, format!("{old_one} {SIGNATURE}"));
    }

    #[test]
    fn secrets_are_keys_or_plain_text() {
        assert_eq!(parse_secret("s3cret").unwrap().expose(), b"s3cret");
        assert_eq!(parse_secret(""), Err(SecretError::Length));
        assert_eq!(parse_secret(&"x".repeat(257)), Err(SecretError::Length));
        assert_eq!(parse_secret("whsec_!"), Err(SecretError::NotBase64));
        assert_eq!(parse_secret("whsec_QUJD"), Err(SecretError::KeyLength(3)));
        let long = format!("whsec_{}", STANDARD.encode([0; 65]));
        assert_eq!(parse_secret(&long), Err(SecretError::KeyLength(65)));
    }

    #[test]
    fn new_secrets_differ_and_can_be_read() {
        let (one, two) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, two);
        assert_eq!(parse_secret(&one).unwrap().expose().len(), NEW_KEY_LENGTH);
    }
}
