//! API keys: made at random, kept as a hash.
//!
//! A key is its kind's mark and forty letters and digits. The first eight of them tell keys apart
//! and are shown; the others are 160 random bits, which nobody guesses, so that one pass of SHA-256
//! keeps them as safe as a slow hash would.

use aws_lc_rs::{digest, rand};
use data_encoding::BASE32_NOPAD;
use postbell_model::{ApiKeyKind, Secret};

const RANDOM_LEN: usize = 25;
const SHOWN_LEN: usize = 8;

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("there are no random numbers for a key")]
pub struct NoRandomness;

/// A key that was just made: what is shown once, and what is kept.
#[derive(Debug)]
pub struct Minted {
    /// The key.
    pub key: Secret,
    /// How it begins.
    pub prefix: String,
    /// What it is found by.
    pub hash: [u8; 32],
}

/// A new key.
///
/// # Errors
/// The system has no random numbers.
pub fn mint(kind: ApiKeyKind) -> Result<Minted, NoRandomness> {
    let mut octets = [0; RANDOM_LEN];
    rand::fill(&mut octets).map_err(|_| NoRandomness)?;
    let random = BASE32_NOPAD.encode(&octets).to_ascii_lowercase();
    let key = format!("{}{random}", kind.mark());
    let shown = kind.mark().len() + SHOWN_LEN;
    Ok(Minted {
        prefix: key.chars().take(shown).collect(),
        hash: hash(&key),
        key: Secret::new(key),
    })
}

/// What a key is found by.
pub fn hash(key: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_hash_and_told_by_its_beginning() {
        let minted = mint(ApiKeyKind::Secret).unwrap();
        let text = str::from_utf8(minted.key.expose()).unwrap().to_owned();
        assert_eq!(text.len(), 43);
        assert!(text.starts_with(&minted.prefix) && minted.prefix.len() == 11);
        assert_eq!(hash(&text), minted.hash);
        let other = mint(ApiKeyKind::Public).unwrap();
        assert!(other.prefix.starts_with("pk_") && other.hash != minted.hash);
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-4: SHA-256 of "abc".
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
