//! Mail that does not come in, and what its client is told.
//!
//! As with [`crate::Refusal`] nothing of our inside is told: that a token is none of ours looks
//! like an address that nobody has.

use postbell_mail::header::HeaderError;
use postbell_model::{Domain, Reply};
use postbell_store::StoreError;

use crate::admission::Obstacle;

/// Why mail does not come in. Displayed, it is the sentence of the reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboundRefusal {
    /// No mail is taken now.
    #[error("{}", _0.sentence())]
    Closed(Obstacle),
    /// Nobody has this address, or its token is none of ours.
    #[error("No such address here")]
    NoSuchAddress,
    /// Mail for that domain is not taken here.
    #[error("Relaying denied: mail for {0} is not taken here")]
    Relaying(Domain),
    /// A recipient that does not go with the first of the transaction.
    #[error("Send to this recipient in a transaction of its own")]
    Apart,
    /// Nobody to take it for.
    #[error("There is no recipient; name at least one")]
    NoRecipients,
    /// The header can't be read.
    #[error("The message can't be read: {0}")]
    Header(HeaderError),
    /// The message goes in circles (RFC 5321 §6.3).
    #[error("Routing loop: the message has {0} Received fields already")]
    Loop(usize),
    /// The domain in From forbids it.
    #[error("The DMARC policy of {0} forbids this message")]
    Forbidden(Domain),
    /// No domain can be read in From, so nobody can be asked.
    #[error("The From field is missing, or nobody can say whom it names")]
    NoAuthor,
    /// Too much waits to be stored.
    #[error("Too much mail is waiting to be stored; try again in a minute")]
    Busy,
    /// No space on disk.
    #[error("There is no space to store the message; try again later")]
    Full,
    /// The store could not take it.
    #[error("The message could not be stored; try again later")]
    NotStored,
}

impl InboundRefusal {
    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (code, subject, detail) = self.codes();
        Reply::new(code, subject, detail, self.to_string())
    }

    /// Reply code, and subject and detail of the enhanced code (RFC 3463 §3).
    const fn codes(&self) -> (u16, u16, u16) {
        match self {
            Self::Closed(obstacle) => obstacle.codes(),
            // X.1.1: bad destination mailbox address.
            Self::NoSuchAddress => (550, 1, 1),
            // X.7.1: delivery not authorized.
            Self::Relaying(_) | Self::Forbidden(_) | Self::NoAuthor => (550, 7, 1),
            // RFC 5321 §4.5.3.1.10: 452 makes the client send the others later. X.5.3: too many
            // recipients.
            Self::Apart => (452, 5, 3),
            // X.5.1: invalid command, here DATA before RCPT.
            Self::NoRecipients => (554, 5, 1),
            // X.6.0: the content is not what it should be.
            Self::Header(_) => (550, 6, 0),
            // X.4.6: routing loop detected.
            Self::Loop(_) => (554, 4, 6),
            // X.3.2: system not accepting messages, for load.
            Self::Busy => (451, 3, 2),
            // X.3.1: mail system full.
            Self::Full => (452, 3, 1),
            Self::NotStored => (451, 3, 0),
        }
    }

    /// The names of those that are our own trouble: an operator is to hear of the first.
    pub(super) const TROUBLE: [&str; 8] = crate::Refusal::TROUBLE;

    /// The name in metrics: `no_such_address`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed(obstacle) => obstacle.name(),
            Self::NoSuchAddress => "no_such_address",
            Self::Relaying(_) => "relaying",
            Self::Apart => "apart",
            Self::NoRecipients => "no_recipients",
            Self::Header(_) => "unreadable_header",
            Self::Loop(_) => "loop",
            Self::Forbidden(_) => "dmarc",
            Self::NoAuthor => "no_author",
            Self::Busy => "busy",
            Self::Full => "disk_full",
            Self::NotStored => "not_stored",
        }
    }

    pub(super) const fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Full => Self::Full,
            StoreError::Stopped(_)
            | StoreError::Refused(_)
            | StoreError::Corrupt(_)
            | StoreError::Read(_) => Self::NotStored,
        }
    }
}
