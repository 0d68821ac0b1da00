//! Authenticated tokens: what an address of ours says about the delivery that it belongs to.
//!
//! A token is version and key id (one octet), workspace (four), delivery id (sixteen) and a MAC
//! over them and the purpose: HMAC-SHA256 (RFC 2104) cut to 96 bits. Thirty-three octets are 53
//! characters of lower-case base32 (RFC 4648 §6), which fit a local part of 64 octets with the
//! longest prefix. In a URL there may stand more behind the delivery id (for a click, where it goes:
//! [`Link`]), the MAC has 128 bits, and the whole is base64url (RFC 4648 §5). All failures look
//! alike, so that a forger learns nothing.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::{BASE32_NOPAD_NOCASE, BASE64URL_NOPAD};

use crate::{DeliveryId, Domain, Secret, WorkspaceId};

const VERSION: u8 = 1;
const CLAIM_LEN: usize = 1 + 4 + 16;
const ADDRESS_MAC_LEN: usize = 12;
const URL_MAC_LEN: usize = 16;

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
    /// `/o/<token>`: the pixel.
    Open,
    /// `/c/<token>`: a link.
    Click,
    /// `/u/<token>`: the page of unsubscribing.
    UnsubscribePage,
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Bounce => b'b',
            Self::Header => b'h',
            Self::Reply => b'r',
            Self::Unsubscribe => b'u',
            Self::Open => b'o',
            Self::Click => b'c',
            Self::UnsubscribePage => b'p',
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

/// Where a click goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// How many links that can be tracked stand before it in the message.
    pub index: u16,
    /// The sending domain's [`domain_tag`], by which an operator can block its links.
    pub domain_tag: u32,
    /// The address.
    pub target: LinkTarget,
}

/// The address of a link, or the name of one that is too long for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// The address itself.
    Url(String),
    /// What [`stored_link`] makes of it: the store has it.
    Stored([u8; 16]),
}

/// A longer address is kept in the store, and the token has its name: some programs cut addresses
/// of more than 2,000 octets.
pub const LINK_URL_MAX: usize = 1_200;

/// The name under which the store keeps an address: the first 128 bits of its SHA-256.
pub fn stored_link(url: &str) -> [u8; 16] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, url.as_bytes());
    let mut name = [0; 16];
    name.copy_from_slice(&digest.as_ref()[..16]);
    name
}

/// The first 32 bits of the SHA-256 of a domain's name.
pub fn domain_tag(domain: &Domain) -> u32 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, domain.as_str().as_bytes());
    let mut tag = [0; 4];
    tag.copy_from_slice(&digest.as_ref()[..4]);
    u32::from_be_bytes(tag)
}

impl Link {
    const INLINE: u8 = 0;
    const STORED: u8 = 1;

    fn write(&self) -> Vec<u8> {
        let (kind, target) = match &self.target {
            LinkTarget::Url(url) => (Self::INLINE, url.as_bytes()),
            LinkTarget::Stored(name) => (Self::STORED, name.as_slice()),
        };
        let mut octets = Vec::with_capacity(7 + target.len());
        octets.extend(self.index.to_be_bytes());
        octets.extend(self.domain_tag.to_be_bytes());
        octets.push(kind);
        octets.extend(target);
        octets
    }

    fn read(claimed: &[u8]) -> Result<Self, InvalidToken> {
        let (head, target) = claimed.split_at_checked(7).ok_or(InvalidToken)?;
        let target = match head[6] {
            Self::INLINE => {
                let url = std::str::from_utf8(target).map_err(|_| InvalidToken)?;
                LinkTarget::Url(url.to_owned())
            }
            Self::STORED => LinkTarget::Stored(octets(target)?),
            _ => return Err(InvalidToken),
        };
        Ok(Self {
            index: u16::from_be_bytes(octets(&head[..2])?),
            domain_tag: u32::from_be_bytes(octets(&head[2..6])?),
            target,
        })
    }
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
        let token = self.signed(purpose, claim, &[], ADDRESS_MAC_LEN);
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
        let (claim, rest) = self.verified(purpose, &token, ADDRESS_MAC_LEN)?;
        rest.is_empty().then_some(claim).ok_or(InvalidToken)
    }

    /// The token for the pixel or the page of unsubscribing: 50 characters.
    pub fn sign_url(&self, purpose: Purpose, claim: Claim) -> String {
        BASE64URL_NOPAD.encode(&self.signed(purpose, claim, &[], URL_MAC_LEN))
    }

    /// What such a token says.
    ///
    /// # Errors
    /// The token is not ours, whatever the cause.
    pub fn verify_url(&self, purpose: Purpose, text: &str) -> Result<Claim, InvalidToken> {
        let token = self.decoded(purpose, text)?;
        let (claim, rest) = self.verified(purpose, &token, URL_MAC_LEN)?;
        rest.is_empty().then_some(claim).ok_or(InvalidToken)
    }

    /// The token for a link: 60 characters, and four for each three octets of its address.
    pub fn sign_link(&self, claim: Claim, link: &Link) -> String {
        let token = self.signed(Purpose::Click, claim, &link.write(), URL_MAC_LEN);
        BASE64URL_NOPAD.encode(&token)
    }

    /// What the token of a link says.
    ///
    /// # Errors
    /// The token is not ours, whatever the cause.
    pub fn verify_link(&self, text: &str) -> Result<(Claim, Link), InvalidToken> {
        let token = self.decoded(Purpose::Click, text)?;
        let (claim, rest) = self.verified(Purpose::Click, &token, URL_MAC_LEN)?;
        Ok((claim, Link::read(rest)?))
    }

    /// The octets of a token in a URL.
    fn decoded(&self, purpose: Purpose, text: &str) -> Result<Vec<u8>, InvalidToken> {
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| {
            let three_of_four = text.len() / 4 * 3;
            self.waste_time(purpose, &text.as_bytes()[..three_of_four])
        })
    }

    /// Computes a MAC that nobody looks at: what is malformed is refused no sooner than what is forged,
    /// so that the time of an answer tells nothing.
    fn waste_time(&self, purpose: Purpose, said: &[u8]) -> InvalidToken {
        if let Some(key) = self.key(self.signing) {
            std::hint::black_box(mac(key, purpose, said));
        }
        InvalidToken
    }

    /// The claim and what else is said, with the MAC over them.
    fn signed(&self, purpose: Purpose, claim: Claim, rest: &[u8], mac_len: usize) -> Vec<u8> {
        let mut token = Vec::with_capacity(CLAIM_LEN + rest.len() + mac_len);
        token.push(VERSION << 4 | self.signing);
        token.extend(claim.workspace.0.to_be_bytes());
        token.extend(claim.delivery.as_bytes());
        token.extend(rest);
        let key = self
            .key(self.signing)
            .expect("invariant: the signing key is one of the keys");
        let mac = mac(key, purpose, &token);
        token.extend(&mac.as_ref()[..mac_len]);
        token
    }

    /// The claim and what else is said, where the MAC is ours.
    fn verified<'t>(
        &self,
        purpose: Purpose,
        token: &'t [u8],
        mac_len: usize,
    ) -> Result<(Claim, &'t [u8]), InvalidToken> {
        let refused = || self.waste_time(purpose, token);
        let said = token.len().checked_sub(mac_len).ok_or_else(refused)?;
        let (said, given) = token.split_at(said);
        let (claim, rest) = said.split_at_checked(CLAIM_LEN).ok_or_else(refused)?;
        if claim[0] >> 4 != VERSION {
            return Err(refused());
        }
        let key = self.key(claim[0] & 0x0f).ok_or_else(refused)?;
        let mac = mac(key, purpose, said);
        constant_time::verify_slices_are_equal(given, &mac.as_ref()[..mac_len])
            .map_err(|_| InvalidToken)?;
        let claim = Claim {
            workspace: WorkspaceId(u32::from_be_bytes(octets(&claim[1..5])?)),
            delivery: DeliveryId::from_bytes(octets(&claim[5..])?),
        };
        Ok((claim, rest))
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
    fn a_link_says_where_it_goes() {
        let keys = keys(&[3]);
        let domain = Domain::parse("acme.example").unwrap();
        for target in [
            LinkTarget::Url("https://shop.example/?q=ä&x=1".to_owned()),
            LinkTarget::Stored(stored_link("https://shop.example/")),
        ] {
            let link = Link {
                index: 7,
                domain_tag: domain_tag(&domain),
                target,
            };
            let token = keys.sign_link(claim(), &link);
            let (said, found) = keys.verify_link(&token).unwrap();
            assert_eq!((said.workspace, found), (WorkspaceId(7), link));
            for purpose in [Purpose::Open, Purpose::UnsubscribePage, Purpose::Click] {
                assert_eq!(keys.verify_url(purpose, &token), Err(InvalidToken));
            }
            for at in 0..token.len() {
                let other = if token.as_bytes()[at] == b'A' {
                    "B"
                } else {
                    "A"
                };
                let mut changed = token.clone();
                changed.replace_range(at..=at, other);
                assert_eq!(keys.verify_link(&changed), Err(InvalidToken), "{at}");
                assert_eq!(keys.verify_link(&token[..at]), Err(InvalidToken), "{at}");
            }
        }
    }

    #[test]
    fn a_token_for_a_url_is_none_for_an_address() {
        let (keys, claim) = (keys(&[0]), claim());
        let token = keys.sign_url(Purpose::Open, claim);
        assert_eq!(token.len(), 50);
        assert_eq!(keys.verify_url(Purpose::Open, &token), Ok(claim));
        assert_eq!(
            keys.verify_url(Purpose::UnsubscribePage, &token),
            Err(InvalidToken)
        );
        assert_eq!(keys.verify(Purpose::Open, &token), Err(InvalidToken));
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
