//! The keys that a domain's mail is signed with (RFC 6376).

use std::fmt;

use crate::{Domain, Timestamp};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// RSA, 2048 bits (RFC 8301).
    Rsa,
    /// Ed25519 (RFC 8463).
    Ed25519,
}

impl KeyAlgorithm {
    /// Both of them: each domain has a key of each.
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];

    /// As the `k=` tag of a key record has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The algorithm of this [`Self::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Its record was not seen in the DNS yet: it does not sign.
    Pending,
    /// It signs.
    Active,
    /// Another one signs in its place. Its record stays, for mail that is under way.
    Retiring,
}

impl KeyState {
    /// In words and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }

    /// The state of this [`Self::name`].
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Active, Self::Retiring];
        all.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainKey {
    /// Whose it is.
    pub domain: Domain,
    /// The name of its record below `_domainkey`, never given twice.
    pub selector: String,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
    /// The public key, as the `p=` tag of its record has it before base64.
    pub public: Vec<u8>,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it signs, or did.
    pub activated_at: Option<Timestamp>,
    /// Since when another one signs in its place.
    pub retired_at: Option<Timestamp>,
}

impl DomainKey {
    /// The name of its record: `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.2.1).
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}
