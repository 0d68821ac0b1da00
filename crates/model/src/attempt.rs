//! One scheduled round to hand a delivery over, and each host tried in it.

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
    pub version: String,
    /// What asked for it: `opportunistic`, `mta-sts`, `dane`.
    pub policy: String,
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
    /// How far it came.
    pub phase: Phase,
    /// What the host said, or what we say in its place (4.4.1 for a connection that could not
    /// be made, RFC 3463 §3.5).
    pub reply: Reply,
    /// Whether the host itself gave the reply.
    pub from_peer: bool,
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
}
