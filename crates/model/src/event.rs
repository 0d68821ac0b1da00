//! Events: immutable facts about a delivery.

use std::fmt;
use std::str::FromStr;

use crate::engagement::{Click, Engagement};
use crate::inbound::{Confirmation, FeedbackReport, LateReport, ReplyFact, UnsubscribeMethod};
use crate::suppression::SuppressedBy;
use crate::{
    Attempt, BounceClass, BounceType, DeliveryId, DeliveryState, EventId, InboundId, RejectReason,
    Timestamp,
};

/// An immutable fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Stays the same over every retry of every webhook.
    pub id: EventId,
    /// When it happened, to the microsecond.
    pub at: Timestamp,
    /// What it happened to.
    pub delivery: DeliveryId,
    /// 1 for the delivery's first event, without gaps.
    pub sequence: u32,
    /// What happened.
    pub fact: Fact,
}

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Accepted and durably kept until it is sent.
    Scheduled {
        /// When it is released.
        send_at: Timestamp,
    },
    /// Durably queued: accepted, or released at its time.
    Send,
    /// A far server said 250.
    Delivery {
        /// The attempt that succeeded; its last try has the 250.
        attempt: Attempt,
    },
    /// An attempt failed and there will be another.
    DeliveryDelay {
        /// The attempt that failed.
        attempt: Attempt,
        /// Why.
        class: BounceClass,
        /// When the next attempt is due.
        next_attempt_at: Timestamp,
        /// When the delivery is given up.
        expires_at: Timestamp,
    },
    /// Kept back by an operator.
    Held,
    /// No longer kept back: queued again, or scheduled again where it was not sent yet.
    Released {
        /// [`DeliveryState::Queued`] or [`DeliveryState::Scheduled`].
        state: DeliveryState,
    },
    /// Not sent, or not tried again: an operator or the sender took it back.
    Cancelled,
    /// Accepted, and then not sent: a policy of ours.
    Reject {
        /// Which.
        reason: RejectReason,
    },
    /// Not sent: the recipient is on the suppression list. Its kind is `Reject`.
    Suppressed(Box<SuppressedBy>),
    /// Refused for good, or given up.
    Bounce {
        /// The attempt that ended it.
        attempt: Attempt,
        /// Why; [`BounceClass::Expired`] where we gave up.
        class: BounceClass,
        /// Whether the address is dead.
        bounce_type: BounceType,
    },
    /// A far server took it, and a report says that it was not delivered. Its kind is `Bounce`.
    LateBounce {
        /// Why.
        class: BounceClass,
        /// Whether the address is dead.
        bounce_type: BounceType,
        /// What the report says.
        report: Box<LateReport>,
    },
    /// A far server took it, and a report says that it has not come further yet. Its kind is
    /// `DeliveryDelay`.
    LateDelay {
        /// What the report says.
        report: Box<LateReport>,
    },
    /// A report says that it has arrived.
    Confirmed {
        /// How far.
        confirmation: Confirmation,
        /// What the report says.
        report: Box<LateReport>,
    },
    /// The recipient, or a provider for them, has called it unwanted.
    Complaint(Box<FeedbackReport>),
    /// The recipient has said that it is no spam.
    NotSpam(Box<FeedbackReport>),
    /// It was answered.
    Reply(Box<ReplyFact>),
    /// The recipient wants no more of its kind.
    Unsubscribe {
        /// How they have said so.
        method: UnsubscribeMethod,
        /// The mail that says it; `None`: it was said by HTTP.
        inbound: Option<InboundId>,
    },
    /// Its pixel was fetched.
    Open(Box<Engagement>),
    /// A link in it was followed.
    Click(Box<Click>),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// The kind of a fact, without what it carries.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name in the `postbell` vocabulary, the store, logs and docs: `DeliveryDelay`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }

        impl FromStr for EventKind {
            type Err = UnknownKind;

            fn from_str(name: &str) -> Result<Self, UnknownKind> {
                Self::ALL.iter().find(|kind| kind.name() == name).copied().ok_or(UnknownKind)
            }
        }
    };
}

/// A name of no [`EventKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event kind")]
pub struct UnknownKind;

kinds! {
    /// Accepted and durably kept until it is sent.
    Scheduled,
    /// Durably queued.
    Send,
    /// A far server said 250.
    Delivery,
    /// Deferred, will be retried.
    DeliveryDelay,
    /// Kept back by an operator.
    Held,
    /// No longer kept back.
    Released,
    /// Taken back before it was delivered.
    Cancelled,
    /// Accepted, and then not sent: a policy of ours.
    Reject,
    /// Refused for good, or given up.
    Bounce,
    /// A report says that it has arrived.
    Confirmed,
    /// Called unwanted.
    Complaint,
    /// Called no spam.
    NotSpam,
    /// Answered.
    Reply,
    /// The recipient wants no more.
    Unsubscribe,
    /// Its pixel was fetched.
    Open,
    /// A link in it was followed.
    Click,
    /// Mail came to an address of a domain; about a workspace.
    Received,
    /// A webhook was switched off; about a workspace.
    DestinationDisabled,
    /// A sending domain was added; about a workspace.
    DomainCreated,
    /// Its settings were changed; about a workspace.
    DomainUpdated,
    /// The DNS has the records that its mail needs; about a workspace.
    DomainVerified,
    /// The DNS has them no longer; about a workspace.
    DomainUnverified,
    /// It was removed; about a workspace.
    DomainDeleted,
    /// Mail of a workspace or of one of its domains is no longer sent.
    SendingPaused,
    /// It is sent again.
    SendingResumed,
    /// An address was put on the suppression list; about a workspace.
    SuppressionAdded,
    /// An address was taken off it; about a workspace.
    SuppressionRemoved,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Fact {
    /// The fact's kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Scheduled { .. } => EventKind::Scheduled,
            Self::Send => EventKind::Send,
            Self::Delivery { .. } => EventKind::Delivery,
            Self::DeliveryDelay { .. } => EventKind::DeliveryDelay,
            Self::Held => EventKind::Held,
            Self::Released { .. } => EventKind::Released,
            Self::Cancelled => EventKind::Cancelled,
            Self::Reject { .. } | Self::Suppressed(_) => EventKind::Reject,
            Self::Bounce { .. } | Self::LateBounce { .. } => EventKind::Bounce,
            Self::LateDelay { .. } => EventKind::DeliveryDelay,
            Self::Confirmed { .. } => EventKind::Confirmed,
            Self::Complaint(_) => EventKind::Complaint,
            Self::NotSpam(_) => EventKind::NotSpam,
            Self::Reply(_) => EventKind::Reply,
            Self::Unsubscribe { .. } => EventKind::Unsubscribe,
            Self::Open(_) => EventKind::Open,
            Self::Click(_) => EventKind::Click,
        }
    }

    /// The attempt that the fact tells of.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Scheduled { .. }
            | Self::Send
            | Self::Held
            | Self::Released { .. }
            | Self::Cancelled
            | Self::Reject { .. }
            | Self::Suppressed(_)
            | Self::LateBounce { .. }
            | Self::LateDelay { .. }
            | Self::Confirmed { .. }
            | Self::Complaint(_)
            | Self::NotSpam(_)
            | Self::Reply(_)
            | Self::Unsubscribe { .. }
            | Self::Open(_)
            | Self::Click(_) => None,
            Self::Delivery { attempt }
            | Self::DeliveryDelay { attempt, .. }
            | Self::Bounce { attempt, .. } => Some(attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!("send".parse::<EventKind>(), Err(UnknownKind));
    }
}
