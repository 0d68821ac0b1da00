//! Events about a workspace: immutable facts that no message explains.

use std::fmt;
use std::str::FromStr;

use crate::inbound::MailFact;
use crate::suppression::Suppression;
use crate::{
    ConfigurationSetId, DestinationId, Domain, EventId, EventKind, NewMail, SettingChange,
    Timestamp, WorkspaceId,
};

/// An immutable fact about a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceEvent {
    /// Stays the same over every retry of every webhook.
    pub id: EventId,
    /// When it happened, to the microsecond.
    pub at: Timestamp,
    /// What it happened to.
    pub workspace: WorkspaceId,
    /// The set whose destinations hear of it beside those of the workspace; `None`: none.
    pub configuration_set: Option<ConfigurationSetId>,
    /// What happened.
    pub fact: WorkspaceFact,
}

impl WorkspaceEvent {
    /// What happens to a workspace at `at`, for its own destinations.
    pub fn new(workspace: WorkspaceId, at: Timestamp, fact: WorkspaceFact) -> Self {
        Self {
            id: EventId::new(at),
            at,
            workspace,
            configuration_set: None,
            fact,
        }
    }
}

/// What happened to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkspaceFact {
    /// One of its webhooks is no longer called.
    DestinationDisabled {
        /// Which.
        destination: DestinationId,
        /// Its name at that time.
        name: String,
        /// Why.
        reason: DisableReason,
    },
    /// A sending domain was added.
    DomainCreated {
        /// Which.
        domain: Domain,
        /// Its hosts and its configuration set, as they were set.
        settings: Vec<SettingChange>,
    },
    /// Settings of a domain were changed.
    DomainUpdated {
        /// Which.
        domain: Domain,
        /// Those that are others now; at least one.
        changes: Vec<SettingChange>,
    },
    /// The DNS has all records that the domain's mail needs.
    DomainVerified {
        /// Which.
        domain: Domain,
        /// The records that were seen.
        seen: SeenRecords,
    },
    /// The DNS has some of them no longer.
    DomainUnverified {
        /// Which.
        domain: Domain,
        /// The records that are not there, or not as they should be: `MX bounce.acme.example`.
        missing: Vec<String>,
    },
    /// A domain was removed.
    DomainDeleted {
        /// Which.
        domain: Domain,
    },
    /// Its mail is no longer sent.
    SendingPaused {
        /// That of this domain alone; `None`: all.
        domain: Option<Domain>,
        /// Why, as the one who paused it has put it.
        reason: Option<String>,
        /// What becomes of mail that is handed in meanwhile.
        new_mail: NewMail,
    },
    /// Its mail is sent again.
    SendingResumed {
        /// That of this domain; `None`: all but that of domains that are paused themselves.
        domain: Option<Domain>,
        /// From when on it was not sent.
        paused_at: Timestamp,
    },
    /// Mail came to an address of a domain that takes mail.
    Received(Box<MailFact>),
    /// An address was put on the suppression list.
    SuppressionAdded(Box<Suppression>),
    /// An address was taken off it: as it stood there.
    SuppressionRemoved(Box<Suppression>),
}

/// What was found of a domain in the DNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenRecords {
    /// A key that mail is signed with.
    pub dkim: bool,
    /// A policy for the return path that names this server.
    pub spf: bool,
    /// A DMARC policy.
    pub dmarc: bool,
}

impl WorkspaceFact {
    /// The fact's kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::DestinationDisabled { .. } => EventKind::DestinationDisabled,
            Self::DomainCreated { .. } => EventKind::DomainCreated,
            Self::DomainUpdated { .. } => EventKind::DomainUpdated,
            Self::DomainVerified { .. } => EventKind::DomainVerified,
            Self::DomainUnverified { .. } => EventKind::DomainUnverified,
            Self::DomainDeleted { .. } => EventKind::DomainDeleted,
            Self::SendingPaused { .. } => EventKind::SendingPaused,
            Self::SendingResumed { .. } => EventKind::SendingResumed,
            Self::Received(_) => EventKind::Received,
            Self::SuppressionAdded(_) => EventKind::SuppressionAdded,
            Self::SuppressionRemoved(_) => EventKind::SuppressionRemoved,
        }
    }
}

/// Why a destination was switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisableReason {
    /// It answered 410 Gone.
    Gone,
    /// It was down for too long.
    Down,
}

impl DisableReason {
    /// `gone`, `down`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for DisableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "It answered 410 Gone",
            Self::Down => "It was down for too long",
        })
    }
}

/// A name of no [`DisableReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason for which destinations are switched off")]
pub struct UnknownReason;

impl FromStr for DisableReason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        [Self::Gone, Self::Down]
            .into_iter()
            .find(|reason| reason.name() == name)
            .ok_or(UnknownReason)
    }
}
