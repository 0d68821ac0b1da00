//! Secrets that have to be used again, sealed for the disk: AES-256-GCM.
//!
//! Whoever reads the database reads no private key without the sealing key, which the program
//! keeps elsewhere. What is sealed is bound to its place, so that it can't be moved to another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use data_encoding::BASE64;
use postbell_model::Secret;

const KEY_LEN: usize = 32;
/// The layout of what is sealed: this octet, the nonce, the rest.
const VERSION: u8 = 1;

/// Why something can't be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text of the sealing key is not 32 octets in base64.
    #[error("a secret key is 32 octets in base64, as `openssl rand -base64 32` makes them")]
    NoKey,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Unusable,
    /// It was sealed with another key, or for another place, or is damaged.
    #[error("it was sealed with another secret key, or is damaged")]
    NotOurs,
}

/// The key that secrets are sealed with.
#[derive(Debug)]
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// The text of a new key.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new_text() -> Result<Secret, SealError> {
        let mut octets = [0; KEY_LEN];
        rand::fill(&mut octets).map_err(|_| SealError::Unusable)?;
        Ok(Secret::new(BASE64.encode(&octets)))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// The text is none.
    pub fn parse(text: &Secret) -> Result<Self, SealError> {
        let octets = BASE64.decode(text.expose().trim_ascii());
        let octets = octets.ok().filter(|octets| octets.len() == KEY_LEN);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &octets.ok_or(SealError::NoKey)?);
        key.map(Self).map_err(|_| SealError::NoKey)
    }

    /// Seals a secret for a place.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal(&self, place: &str, secret: &Secret) -> Result<Vec<u8>, SealError> {
        let mut sealed = secret.expose().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(place), &mut sealed);
        let nonce = nonce.map_err(|_| SealError::Unusable)?;
        Ok([&[VERSION], nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for that place.
    ///
    /// # Errors
    /// It was sealed with another key or for another place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(SealError::NotOurs);
        };
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotOurs)?;
        let mut octets = rest.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(place), &mut octets);
        let opened = opened.map_err(|_| SealError::NotOurs)?;
        Ok(Secret::new(&*opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_in_its_place_alone() {
        let key = || SealingKey::parse(&SealingKey::new_text().unwrap()).unwrap();
        let (ours, other) = (key(), key());
        let secret = Secret::new("the private key");
        let sealed = ours.seal("here", &secret).unwrap();
        assert_eq!(ours.open("here", &sealed), Ok(secret.clone()));
        assert_eq!(ours.open("there", &sealed), Err(SealError::NotOurs));
        assert_eq!(other.open("here", &sealed), Err(SealError::NotOurs));
        assert_ne!(ours.seal("here", &secret).unwrap(), sealed);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(ours.open("here", &bent), Err(SealError::NotOurs), "{at}");
            assert_eq!(ours.open("here", &sealed[..at]), Err(SealError::NotOurs));
        }
    }

    #[test]
    fn a_key_is_32_octets() {
        let read = |text: &str| SealingKey::parse(&Secret::new(text)).map(|_| ());
        assert_eq!(read(&format!("{}\n", BASE64.encode(&[7; 32]))), Ok(()));
        for text in ["", "secret", &BASE64.encode(&[7; 31])] {
            assert_eq!(read(text), Err(SealError::NoKey), "{text}");
        }
    }
}
