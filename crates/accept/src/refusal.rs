//! What the gate does not take, and what it says then.
//!
//! Each refusal is a reply code (RFC 5321 §4.2), an enhanced code (RFC 3463) and a sentence for
//! whoever runs the sending program: what is wrong, and what to change. Nothing of our inside
//! is told.

use std::fmt;

use postbell_mail::header::HeaderError;
use postbell_mail::mailbox::MailboxError;
use postbell_mail::transfer::LINE_MAX as FIELD_LINE_MAX;
use postbell_model::{Domain, Reply};
use postbell_store::StoreError;

use crate::admission::Obstacle;
use crate::instructions::{ControlFault, Shown};
use crate::message::{LINE_MAX, MESSAGE_ID_MAX};
use crate::sending::Whose;

/// Where a message says whom it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Originator {
    /// The envelope.
    MailFrom,
    /// The From field: the author.
    From,
    /// The Sender field: who sent it in the author's place.
    Sender,
}

impl fmt::Display for Originator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MailFrom => "MAIL FROM",
            Self::From => "the From field",
            Self::Sender => "the Sender field",
        })
    }
}

/// Why mail is not taken. Displayed, it is the sentence of the reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No new mail is taken now.
    #[error("{}", _0.sentence())]
    Closed(Obstacle),
    /// Mail claims to be from a domain that is not the workspace's.
    #[error(
        "The domain {1} in {0} does not belong to this workspace; \
         add it with `postbell domain add`, or send from a domain that does"
    )]
    ForeignDomain(Originator, Domain),
    /// An operator has paused it: the workspace or domain, and why.
    #[error("Sending is paused for {0}{reason}", reason = because(.1.as_ref()))]
    Paused(Whose, Option<Shown>),
    /// A sandbox sends to verified addresses alone, and this is none.
    #[error(
        "The {0} is in a sandbox and {1} is none of its verified addresses; \
         add it with `postbell verified-address add`, or have the sandbox ended"
    )]
    SandboxRecipient(Whose, Shown),
    /// A sandbox has sent what it may on a day.
    #[error(
        "The {0} is in a sandbox and sends to {1} recipients a day at most; \
         there are new ones at 00:00 UTC"
    )]
    SandboxLimit(Whose, u32),
    /// Mail for an address literal.
    #[error("Mail is not delivered to address literals such as {0}; use a domain name")]
    AddressLiteral(Domain),
    /// An address with octets over 127 before its `@`, without SMTPUTF8. Only its domain is
    /// told: a client without SMTPUTF8 is answered in ASCII (RFC 6531 §3.7.4.2).
    #[error(
        "An address at {0} is not ASCII before its @; \
         send the message with the SMTPUTF8 parameter of MAIL FROM"
    )]
    NeedsSmtpUtf8(Domain),
    /// Nobody to deliver to.
    #[error("There is no recipient; name at least one")]
    NoRecipients,
    /// The header can't be read.
    #[error("The message can't be read: {0}")]
    Header(HeaderError),
    /// A line of the header is no field.
    #[error(
        "Line {0} of the header is not a header field; \
         a field has a name and a colon, and an empty line ends the header"
    )]
    StrayLine(usize),
    /// CR or LF alone (RFC 5321 §2.3.8).
    #[error("The message has a CR without LF or an LF without CR; end each line with CRLF")]
    BareLineEnd,
    /// A line that hosts won't take (RFC 5322 §2.1.1).
    #[error(
        "A line of the message has {0} octets and at most {LINE_MAX} are taken where it can't be \
         encoded on the way; encode the content as quoted-printable or base64"
    )]
    LongLine(usize),
    /// A line of the header that can't be folded (RFC 5322 §2.1.1).
    #[error("The field {0} has a word of more than {FIELD_LINE_MAX} octets, which fits no line")]
    LongField(Shown),
    /// A Message-ID that is longer than a line.
    #[error("The Message-ID is longer than {MESSAGE_ID_MAX} octets")]
    LongMessageId,
    /// A field that may occur once occurs more often.
    #[error("The message has more than one {0} field; RFC 5322 allows one")]
    Repeated(&'static str),
    /// No author.
    #[error("The message has no From field; add one with your address")]
    NoFrom,
    /// An originator field that can't be read in one way.
    #[error("The message is malformed in {0}: {1}")]
    Malformed(Originator, MailboxError),
    /// Several authors or senders.
    #[error("There is more than one address in {0}; send from one")]
    Several(Originator),
    /// A control field can't be followed.
    #[error(transparent)]
    Control(ControlFault),
    /// The message goes in circles (RFC 5321 §6.3).
    #[error("Routing loop: the message has {0} Received fields already")]
    Loop(usize),
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

impl Refusal {
    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (code, subject, detail) = self.codes();
        Reply::new(code, subject, detail, self.to_string())
    }

    /// Reply code, and subject and detail of the enhanced code (RFC 3463 §3).
    const fn codes(&self) -> (u16, u16, u16) {
        match self {
            Self::Closed(obstacle) => obstacle.codes(),
            // X.7.1: delivery not authorized.
            Self::ForeignDomain(..)
            | Self::Paused(..)
            | Self::SandboxRecipient(..)
            | Self::Several(_) => (550, 7, 1),
            // X.5.3: too many recipients, as of a quota; what is over may be sent another day.
            Self::SandboxLimit(..) => (452, 5, 3),
            // X.1.2: bad destination system address.
            Self::AddressLiteral(_) => (550, 1, 2),
            // RFC 6531 §3.5: 553 with X.6.7, non-ASCII addresses not permitted.
            Self::NeedsSmtpUtf8(_) => (553, 6, 7),
            // X.5.1: invalid command, here DATA before RCPT.
            Self::NoRecipients => (554, 5, 1),
            // X.6.0: the content is not what it should be.
            Self::Header(_)
            | Self::StrayLine(_)
            | Self::BareLineEnd
            | Self::LongLine(_)
            | Self::LongField(_)
            | Self::LongMessageId
            | Self::Repeated(_)
            | Self::NoFrom
            | Self::Control(_)
            | Self::Malformed(..) => (550, 6, 0),
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
    pub(crate) const TROUBLE: [&str; 8] = [
        "store_stopped",
        "draining",
        "starting",
        "disk_low",
        "memory_high",
        "busy",
        "disk_full",
        "not_stored",
    ];

    /// The name in metrics: `foreign_domain`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed(obstacle) => obstacle.name(),
            Self::Paused(..) => "paused",
            Self::SandboxRecipient(..) => "sandbox_recipient",
            Self::SandboxLimit(..) => "sandbox_limit",
            Self::ForeignDomain(..) => "foreign_domain",
            Self::AddressLiteral(_) => "address_literal",
            Self::NeedsSmtpUtf8(_) => "needs_smtputf8",
            Self::NoRecipients => "no_recipients",
            Self::Header(_) => "unreadable_header",
            Self::StrayLine(_) => "stray_line",
            Self::BareLineEnd => "bare_line_end",
            Self::LongLine(_) => "long_line",
            Self::LongField(_) => "long_field",
            Self::LongMessageId => "long_message_id",
            Self::Repeated(_) => "repeated_field",
            Self::NoFrom => "no_from",
            Self::Malformed(..) => "malformed_address",
            Self::Several(_) => "several_authors",
            Self::Control(_) => "control_header",
            Self::Loop(_) => "loop",
            Self::Busy => "busy",
            Self::Full => "disk_full",
            Self::NotStored => "not_stored",
        }
    }

    pub(crate) const fn of_store(error: &StoreError) -> Self {
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

/// `: too many bounces`
fn because(reason: Option<&Shown>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}
