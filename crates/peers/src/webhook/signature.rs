//! Standard Webhooks signatures, from the consumer's side.
//!
//! `webhook-signature` holds, separated by spaces, `v1,` and the base64 of the HMAC-SHA256 over
//! `id.timestamp.body`; one that verifies under any of the secrets is enough.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::Tolerance;

const PREFIX: &str = "whsec_";

/// A text that is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty, or not base64 after whsec_")]
pub struct BadSecret;

/// The secret of a destination, ready to check with.
#[derive(Clone)]
pub struct SigningSecret(hmac::Key);

impl SigningSecret {
    /// Reads `whsec_` and base64, or takes any other text as it is.
    ///
    /// # Errors
    /// The text is empty or its base64 is broken.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(BadSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The signature of a post: `v1,` and base64.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.tag(id, timestamp, body)))
    }

    fn tag(&self, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        context.sign()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the check of a signature gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// It verifies.
    Valid,
    /// There is no secret to check with.
    Unchecked,
    /// A header field is missing.
    Missing,
    /// No signature verifies under any of the secrets.
    Wrong,
    /// It verifies, but its time is too far from now.
    Stale,
}

impl SignatureCheck {
    /// Whether the post may be believed.
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Valid | Self::Unchecked)
    }
}

/// Checks the signature of a post.
pub(super) fn check(
    secrets: &[SigningSecret],
    tolerance: Option<&Tolerance>,
    headers: &HeaderMap,
    body: &[u8],
) -> SignatureCheck {
    if secrets.is_empty() {
        return SignatureCheck::Unchecked;
    }
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signatures)) = (
        field("webhook-id"),
        field("webhook-timestamp"),
        field("webhook-signature"),
    ) else {
        return SignatureCheck::Missing;
    };
    let given: Vec<Vec<u8>> = signatures
        .split(' ')
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .collect();
    let verifies = |secret: &SigningSecret| {
        let tag = secret.tag(id, timestamp, body);
        let mut given = given.iter();
        given.any(|g| constant_time::verify_slices_are_equal(g, tag.as_ref()).is_ok())
    };
    if !secrets.iter().any(verifies) {
        return SignatureCheck::Wrong;
    }
    match tolerance {
        Some(tolerance) if !is_fresh(tolerance, timestamp) => SignatureCheck::Stale,
        _ => SignatureCheck::Valid,
    }
}

fn is_fresh(tolerance: &Tolerance, timestamp: &str) -> bool {
    let now = tolerance.clock.now().as_seconds();
    timestamp
        .parse::<i64>()
        .is_ok_and(|at| now.abs_diff(at) <= tolerance.limit.as_secs())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    // The example of the Standard Webhooks libraries' own tests.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn headers(id: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", TIMESTAMP),
            ("webhook-signature", signature),
        ] {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn check_with(secret: &str, headers: &HeaderMap) -> SignatureCheck {
        check(
            &[SigningSecret::parse(secret).unwrap()],
            None,
            headers,
            BODY,
        )
    }

    #[test]
    fn the_published_example_verifies() {
        let secret = SigningSecret::parse(SECRET).unwrap();
        assert_eq!(secret.sign(ID, TIMESTAMP, BODY), SIGNATURE);
        assert_eq!(
            check_with(SECRET, &headers(ID, SIGNATURE)),
            SignatureCheck::Valid
        );
    }

    #[test]
    fn one_signature_of_a_list_is_enough() {
        let list = format!("v1,AAAA v1a,xyz {SIGNATURE}");
        assert_eq!(
            check_with(SECRET, &headers(ID, &list)),
            SignatureCheck::Valid
        );
    }

    #[test]
    fn anything_else_does_not_verify() {
        for (secret, headers, verdict) in [
            ("other", headers(ID, SIGNATURE), SignatureCheck::Wrong),
            (
                SECRET,
                headers("msg_other", SIGNATURE),
                SignatureCheck::Wrong,
            ),
            (SECRET, headers(ID, "v1,"), SignatureCheck::Wrong),
            (SECRET, headers(ID, &SIGNATURE[3..]), SignatureCheck::Wrong),
            (SECRET, HeaderMap::new(), SignatureCheck::Missing),
        ] {
            assert_eq!(check_with(secret, &headers), verdict);
        }
        assert_eq!(
            check(&[], None, &HeaderMap::new(), BODY),
            SignatureCheck::Unchecked
        );
    }

    #[test]
    fn secrets_are_read_strictly() {
        for wrong in ["", "whsec_", "whsec_*"] {
            assert_eq!(
                SigningSecret::parse(wrong).err(),
                Some(BadSecret),
                "{wrong}"
            );
        }
    }
}
