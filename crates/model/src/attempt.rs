//! One scheduled round to hand a delivery over, and each host tried in it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::{Domain, Reply, Timestamp};

/// How far a try came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Looking up MX and addresses.
    Dns,
    /// Opening the connection.
    Connect,
    /// Waiting for the 220.
    Greeting,
    /// EHLO, or HELO.
    Ehlo,
    /// STARTTLS and the handshake.
    Tls,
    /// Logging in at a relay.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, up to its 354.
    Data,
    /// The message, up to the reply to its final dot.
    Message,
    /// Rendering, before anything was said.
    Render,
}

impl Phase {
    const NAMES: &[(Self, &'static str)] = &[
        (Self::Dns, "dns"),
        (Self::Connect, "connect"),
        (Self::Greeting, "greeting"),
        (Self::Ehlo, "ehlo"),
        (Self::Tls, "tls"),
        (Self::Auth, "auth"),
        (Self::Mail, "mail"),
        (Self::Rcpt, "rcpt"),
        (Self::Data, "data"),
        (Self::Message, "message"),
        (Self::Render, "render"),
    ];

    /// The name in events and the store: `rcpt`.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(phase, _)| *phase == self);
        found.expect("invariant: every phase has a name").1
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no [`Phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phase")]
pub struct UnknownPhase;

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(name: &str) -> Result<Self, UnknownPhase> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(phase, _)| *phase)
            .ok_or(UnknownPhase)
    }
}

/// How the connection was secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsUsed {
    /// `TLSv1.3`.
    pub version: Cow<'static, str>,
    /// What asked for it: `opportunistic`, `relay`, `mta-sts`, `dane`.
    pub policy: Cow<'static, str>,
    /// The cipher suite by its IANA name: `TLS_AES_128_GCM_SHA256`. Empty where it was not noted.
    pub cipher: Cow<'static, str>,
    /// Whether the certificate is what it should be.
    pub verification: Verification,
}

/// What came of looking at a host's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verification {
    /// An authority that the system trusts vouches for the host's name.
    Verified,
    /// It is for another name.
    NameMismatch,
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// No authority that the system trusts vouches for it; also where it vouches for itself.
    UnknownIssuer,
    /// Its authority has taken it back.
    Revoked,
    /// It can't be read, or is for another purpose, or wrong in another way.
    Unfit,
    /// There is nothing to check it with, or nobody did.
    Unchecked,
}

impl Verification {
    const NAMES: &[(Self, &'static str)] = &[
        (Self::Verified, "verified"),
        (Self::NameMismatch, "name_mismatch"),
        (Self::Expired, "expired"),
        (Self::NotYetValid, "not_yet_valid"),
        (Self::UnknownIssuer, "unknown_issuer"),
        (Self::Revoked, "revoked"),
        (Self::Unfit, "unfit"),
        (Self::Unchecked, "unchecked"),
    ];

    /// The name in events and the store: `unknown_issuer`.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(result, _)| *result == self);
        found.expect("invariant: every verification has a name").1
    }

    /// The result of this name; a name of no result is as good as no check.
    pub fn of_name(name: &str) -> Self {
        let found = Self::NAMES.iter().find(|(_, n)| *n == name);
        found.map_or(Self::Unchecked, |(result, _)| *result)
    }
}

/// Why a connection was not secured although the host offers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaintextReason {
    /// The host refused STARTTLS.
    Refused,
    /// The handshake failed: in this attempt, or not long before.
    HandshakeFailed,
}

impl PlaintextReason {
    const NAMES: &[(Self, &'static str)] = &[
        (Self::Refused, "starttls_refused"),
        (Self::HandshakeFailed, "handshake_failed"),
    ];

    /// The name in events and the store: `starttls_refused`.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(reason, _)| *reason == self);
        found.expect("invariant: every reason has a name").1
    }

    /// The reason of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, n)| *n == name);
        found.map(|(reason, _)| *reason)
    }
}

/// One host that was tried, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTry {
    /// The MX host; the recipient's domain itself where no host was found.
    pub host: Domain,
    /// The address dialled; `None` where none was found.
    pub ip: Option<IpAddr>,
    /// TLS, where it was used.
    pub tls: Option<TlsUsed>,
    /// Why TLS was not used, where it was offered and wanted.
    pub plaintext: Option<PlaintextReason>,
    /// How far it came.
    pub phase: Phase,
    /// What the host said, or what we say in its place (4.4.1 for a connection that could not
    /// be made, RFC 3463 §3.5).
    pub reply: Reply,
    /// Whether the host itself gave the reply.
    pub from_peer: bool,
    /// Whether the host was handed what was asked about reports (RFC 3461 §5.2.1): what it took
    /// over it reports itself.
    pub dsn: bool,
}

/// One scheduled round, listing each host tried. A delivery's first attempt is number 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first; retries are counted by this number less one.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub ended_at: Timestamp,
    /// The hosts in the order in which they were tried; never empty.
    pub tries: Vec<HostTry>,
    /// What of the message was left alone although it was to be tracked, and why.
    pub tracking_notes: Vec<String>,
}

impl Attempt {
    /// The try that decided the attempt.
    pub fn last(&self) -> Option<&HostTry> {
        self.tries.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_names() {
        for (phase, name) in Phase::NAMES {
            assert_eq!(phase.name(), *name);
            assert_eq!(name.parse(), Ok(*phase));
        }
    }

    #[test]
    fn results_and_reasons_have_names() {
        for (result, name) in Verification::NAMES {
            assert_eq!(
                (result.name(), Verification::of_name(name)),
                (*name, *result)
            );
        }
        assert_eq!(Verification::of_name("later"), Verification::Unchecked);
        for (reason, name) in PlaintextReason::NAMES {
            assert_eq!(reason.name(), *name);
            assert_eq!(PlaintextReason::of_name(name), Some(*reason));
        }
    }
}
