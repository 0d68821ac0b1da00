//! Why mail that was accepted is not sent.

use std::fmt;
use std::str::FromStr;

/// A policy of ours that keeps an accepted delivery from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// The domain that it is from was removed.
    DomainDeleted,
    /// Sending is paused.
    SendingPaused,
    /// Mail of a sandbox goes to verified addresses alone.
    SandboxRecipient,
    /// A sandbox has sent what it may on a day.
    SandboxLimit,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::DomainDeleted,
        Self::SendingPaused,
        Self::SandboxRecipient,
        Self::SandboxLimit,
    ];

    /// `domain_deleted`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DomainDeleted => "domain_deleted",
            Self::SendingPaused => "sending_paused",
            Self::SandboxRecipient => "sandbox_recipient",
            Self::SandboxLimit => "sandbox_limit",
        }
    }
}

/// For people, as the vocabularies tell it.
impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DomainDeleted => "sending domain was deleted",
            Self::SendingPaused => "sending paused",
            Self::SandboxRecipient => "sandbox: address not verified",
            Self::SandboxLimit => "sandbox limit reached",
        })
    }
}

/// A name of no [`RejectReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason for which mail is rejected")]
pub struct UnknownReason;

impl FromStr for RejectReason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.iter().find(|reason| reason.name() == name);
        found.copied().ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_names() {
        for reason in RejectReason::ALL {
            assert_eq!(reason.name().parse(), Ok(*reason));
        }
        assert_eq!("weather".parse::<RejectReason>(), Err(UnknownReason));
    }
}
