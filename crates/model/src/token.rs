//! Authenticated tokens: what an address of ours says about the delivery that it belongs to.
//!
//! A token is version and key id (one octet), workspace (four), delivery id (sixteen) and a MAC
//! over them and the purpose: HMAC-SHA256 (RFC 2104) cut to 96 bits. Thirty-three octets are 53
//! characters of lower-case base32 (RFC 4648 §6), which fit a local part of 64 octets with the
//! longest prefix. All failures look alike, so that a forger learns nothing.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE32_NOPAD_NOCASE;

use crate::{DeliveryId, Secret, WorkspaceId};

const VERSION: u8 = 1;
const CLAIM_LEN: usize = 1 + 4 + 16;
const ADDRESS_MAC_LEN: usize = 12;

/// What a token is for. A token made for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `bounce+<token>@`: the return path.
    Bounce,
    /// The header that names the delivery.
    Header,
    /// `reply+<token>@`: where answers are caught.
    Reply,
    /// `unsub+<token>@`: a mail there ends it.
    Unsubscribe,
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Bounce => b'b',
            Self::Header => b'h',
            Self::Reply => b'r',
            Self::Unsubscribe => b'u',
        }
    }
}

/// What an authentic token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The delivery.
    pub delivery: DeliveryId,
}

/// A text that is no token of ours: malformed, of an unknown key, for another purpose, forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct InvalidToken;

/// The keys that tokens are made and checked with; at most sixteen, the newest one signs.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    signing: u8,
    keys: Vec<(u8, hmac::Key)>,
}

impl TokenKeys {
    /// Keys with their ids (0–15); the last one signs.
    ///
    /// Returns `None` where there is no key or an id is over 15.
    pub fn new<'a>(keys: impl IntoIterator<Item = (u8, &'a Secret)>) -> Option<Self> {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|(id, secret)| (id, hmac::Key::new(hmac::HMAC_SHA256, secret.expose())))
            .collect();
        let signing = keys.last()?.0;
        keys.iter()
            .all(|(id, _)| *id < 16)
            .then_some(Self { signing, keys })
    }

    /// The token for an address or a header: 53 characters.
    pub fn sign(&self, purpose: Purpose, claim: Claim) -> String {
        let mut token = [0; CLAIM_LEN + ADDRESS_MAC_LEN];
        token[0] = VERSION << 4 | self.signing;
        token[1..5].copy_from_slice(&claim.workspace.0.to_be_bytes());
        token[5..CLAIM_LEN].copy_from_slice(claim.delivery.as_bytes());
        let key = self
            .key(self.signing)
            .expect("invariant: the signing key is one of the keys");
        let mac = mac(key, purpose, &token[..CLAIM_LEN]);
        token[CLAIM_LEN..].copy_from_slice(&mac.as_ref()[..ADDRESS_MAC_LEN]);
        let mut text = BASE32_NOPAD_NOCASE.encode(&token);
        text.make_ascii_lowercase();
        text
    }

    /// What a token says; letters of either case, since relays change them.
    ///
    /// # Errors
    /// The token is not ours, whatever the cause.
    pub fn verify(&self, purpose: Purpose, text: &str) -> Result<Claim, InvalidToken> {
        let token = BASE32_NOPAD_NOCASE
            .decode(text.as_bytes())
            .map_err(|_| InvalidToken)?;
        let (claim, given) = token.split_at_checked(CLAIM_LEN).ok_or(InvalidToken)?;
        if claim[0] >> 4 != VERSION {
            return Err(InvalidToken);
        }
        let key = self.key(claim[0] & 0x0f).ok_or(InvalidToken)?;
        let mac = mac(key, purpose, claim);
        constant_time::verify_slices_are_equal(given, &mac.as_ref()[..ADDRESS_MAC_LEN])
            .map_err(|_| InvalidToken)?;
        Ok(Claim {
            workspace: WorkspaceId(u32::from_be_bytes(octets(&claim[1..5])?)),
            delivery: DeliveryId::from_bytes(octets(&claim[5..])?),
        })
    }

    fn key(&self, id: u8) -> Option<&hmac::Key> {
        self.keys
            .iter()
            .find(|(key_id, _)| *key_id == id)
            .map(|(_, key)| key)
    }
}

fn octets<const N: usize>(slice: &[u8]) -> Result<[u8; N], InvalidToken> {
    slice.try_into().map_err(|_| InvalidToken)
}

fn mac(key: &hmac::Key, purpose: Purpose, claim: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&[purpose.code()]);
    context.update(claim);
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn keys(ids: &[u8]) -> TokenKeys {
        let secrets: Vec<_> = ids.iter().map(|id| (*id, Secret::new([*id; 32]))).collect();
        TokenKeys::new(secrets.iter().map(|(id, secret)| (*id, secret))).unwrap()
    }

    fn claim() -> Claim {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        Claim {
            workspace: WorkspaceId(7),
            delivery: DeliveryId::new(now),
        }
    }

    #[test]
    fn a_token_fits_a_local_part_and_says_what_it_was_given() {
        let claim = claim();
        let token = keys(&[0]).sign(Purpose::Bounce, claim);
        assert_eq!(token.len(), 53);
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
        assert_eq!(keys(&[0]).verify(Purpose::Bounce, &token), Ok(claim));
        assert_eq!(
            keys(&[0]).verify(Purpose::Bounce, &token.to_uppercase()),
            Ok(claim)
        );
    }

    #[test]
    fn old_keys_verify_until_retired() {
        let claim = claim();
        let token = keys(&[0]).sign(Purpose::Bounce, claim);
        assert_eq!(keys(&[0, 1]).verify(Purpose::Bounce, &token), Ok(claim));
        assert_eq!(
            keys(&[1]).verify(Purpose::Bounce, &token),
            Err(InvalidToken)
        );
    }

    #[test]
    fn no_changed_character_and_no_other_purpose_verifies() {
        let keys = keys(&[0]);
        let token = keys.sign(Purpose::Bounce, claim());
        assert_eq!(keys.verify(Purpose::Header, &token), Err(InvalidToken));
        for at in 0..token.len() {
            for with in "abcdefghijklmnopqrstuvwxyz234567".chars() {
                let mut changed: Vec<char> = token.chars().collect();
                if changed[at] != with {
                    changed[at] = with;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(keys.verify(Purpose::Bounce, &changed), Err(InvalidToken));
                }
            }
        }
        for cut in 0..token.len() {
            assert_eq!(
                keys.verify(Purpose::Bounce, &token[..cut]),
                Err(InvalidToken)
            );
        }
    }
}
