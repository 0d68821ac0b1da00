//! Private keys: made, read, used.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::BASE32_NOPAD;
use postbell_model::{KeyAlgorithm, Secret};

/// Why a key is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no such key.
    #[error("the private key can't be read")]
    Unreadable,
    /// The system has no random numbers, or no memory.
    #[error("the private key does not work")]
    Unusable,
}

/// A private key, ready to sign. Reading one costs 0.2 ms: once, not for every message.
#[derive(Debug)]
pub enum SigningKey {
    /// `rsa-sha256`
    Rsa(Box<RsaKeyPair>),
    /// `ed25519-sha256`
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key pair that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The private key, PKCS #8.
    pub secret: Secret,
    /// The public key, as the `p=` tag of its record has it before base64.
    pub public: Vec<u8>,
}

impl NewKey {
    /// Makes a key pair. RSA takes a tenth of a second, and at times a whole one.
    ///
    /// # Errors
    /// The system has no random numbers.
    // RFC 8301 §3.2: signers use at least 1024 bits and should use 2048; larger ones pass
    // neither every verifier nor a DNS answer over UDP.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        match algorithm {
            KeyAlgorithm::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
                let secret: Pkcs8V1Der<'_> = pair.as_der().map_err(unusable)?;
                let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(unusable)?;
                Ok(Self {
                    algorithm,
                    secret: Secret::new(secret.as_ref()),
                    public: public.as_ref().to_vec(),
                })
            }
            KeyAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(unusable)?;
                let secret = pair.to_pkcs8().map_err(unusable)?;
                Ok(Self {
                    algorithm,
                    secret: Secret::new(secret.as_ref()),
                    // RFC 8463 §4.2: the 32 octets of the key, without a structure around them.
                    public: pair.public_key().as_ref().to_vec(),
                })
            }
        }
    }

    /// A selector that no other key of any installation has: the month in which it was made,
    /// a few letters of its fingerprint, and the algorithm.
    pub fn selector(&self, month: &str) -> String {
        let print = digest(&SHA256, &self.public);
        let print = BASE32_NOPAD.encode(print.as_ref()).to_ascii_lowercase();
        let letters = print.get(..6).unwrap_or(&print);
        format!("pb{month}-{letters}-{}", self.algorithm)
    }
}

impl SigningKey {
    /// Reads a private key.
    ///
    /// # Errors
    /// It is no such key.
    pub fn from_pkcs8(algorithm: KeyAlgorithm, secret: &Secret) -> Result<Self, KeyError> {
        let octets = secret.expose();
        match algorithm {
            KeyAlgorithm::Rsa => RsaKeyPair::from_pkcs8(octets)
                .map(|pair| Self::Rsa(Box::new(pair)))
                .map_err(|_| KeyError::Unreadable),
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(octets)
                .map(|pair| Self::Ed25519(Box::new(pair)))
                .map_err(|_| KeyError::Unreadable),
        }
    }

    /// How it signs.
    pub const fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Rsa(_) => KeyAlgorithm::Rsa,
            Self::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, octets, &mut signature)
                    .map_err(unusable)?;
                Ok(signature)
            }
            // RFC 8463 §3: it is the SHA-256 of what is signed that PureEdDSA signs.
            Self::Ed25519(pair) => Ok(pair
                .sign(digest(&SHA256, octets).as_ref())
                .as_ref()
                .to_vec()),
        }
    }
}

fn unusable(_: aws_lc_rs::error::Unspecified) -> KeyError {
    KeyError::Unusable
}
