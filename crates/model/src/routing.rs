//! What becomes of mail to the addresses of a domain that takes mail.

use std::fmt;
use std::str::FromStr;

use crate::{Address, Domain, WorkspaceId};

/// What a domain does with mail whose sender's domain forbids it (DMARC, RFC 7489).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DmarcMode {
    /// Nothing follows: events tell what was found, as always.
    Off,
    /// It is taken, and its events say so.
    #[default]
    Mark,
    /// It is refused where the policy is `reject`.
    Enforce,
}

impl DmarcMode {
    /// Every mode.
    pub const ALL: &[Self] = &[Self::Off, Self::Mark, Self::Enforce];

    /// `off`, `mark`, `enforce`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Mark => "mark",
            Self::Enforce => "enforce",
        }
    }
}

/// Which addresses of a domain a rule is about.
///
/// `support` is this address, with whatever stands behind a `+`; `sales-*` those that begin so;
/// `*` all. Local parts are compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPattern(String);

/// A text that is no [`LocalPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a pattern of local parts: it is a name such as support, a beginning such as sales-*, or *"
)]
pub struct BadPattern;

impl LocalPattern {
    /// The most octets of a local part (RFC 5321 §4.5.3.1.1).
    const MAX: usize = 64;

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How well it matches a local part: better is higher; `None`: not at all. A whole name is
    /// better than one before a `+`, and that than a longer and then a shorter beginning.
    pub fn matches(&self, local: &str) -> Option<usize> {
        let local = local.to_lowercase();
        if let Some(beginning) = self.0.strip_suffix('*') {
            return local.starts_with(beginning).then_some(beginning.len());
        }
        if local == self.0 {
            return Some(2 * Self::MAX + 1);
        }
        let (name, _) = local.split_once('+')?;
        (name == self.0).then_some(2 * Self::MAX)
    }
}

impl FromStr for LocalPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let text = text.to_lowercase();
        let name = text.strip_suffix('*').unwrap_or(&text);
        let is_plain =
            |c: char| !c.is_control() && !c.is_whitespace() && !"*@\"<>(),:;\\".contains(c);
        if text.is_empty() || text.len() > Self::MAX || !name.chars().all(is_plain) {
            return Err(BadPattern);
        }
        Ok(Self(text))
    }
}

impl fmt::Display for LocalPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of mail to some addresses of a domain. A domain that takes mail and has no rule
/// takes mail to all of its addresses and tells it in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRoute {
    /// The domain.
    pub domain: Domain,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Which addresses; unique in the domain.
    pub pattern: LocalPattern,
    /// Whether it is told in an event.
    pub tells: bool,
    /// Where it goes on to as well.
    pub forward: Option<ForwardTo>,
}

/// Where mail goes on to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardTo {
    /// Another address.
    Address(Address),
    /// A server, the address as it is.
    Host {
        /// Its name, or an address in brackets.
        host: Domain,
        /// Its port.
        port: u16,
    },
}

impl fmt::Display for ForwardTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(address.as_str()),
            Self::Host { host, port } => write!(f, "smtp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(pattern: &str, local: &str) -> Option<usize> {
        pattern.parse::<LocalPattern>().unwrap().matches(local)
    }

    #[test]
    fn the_narrower_pattern_is_the_better_one() {
        let local = "Sales-eu+Berlin";
        assert!(rank("sales-eu+berlin", local) > rank("sales-eu", local));
        assert!(rank("sales-eu", local) > rank("sales-*", local));
        assert!(rank("sales-*", local) > rank("*", local));
        assert_eq!(rank("sales", local), None);
        assert_eq!(rank("sales", "sales"), Some(129));
    }

    #[test]
    fn a_pattern_is_a_local_part_or_its_beginning() {
        for bad in ["", "a b", "a@b", "**", "*a", "\r\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<LocalPattern>(), Err(BadPattern), "{bad:?}");
        }
    }
}
