//! Mail that came in: what is kept of it, and what it says about deliveries of ours.
//!
//! A message that came in for several of our addresses is one [`InboundMail`] for each of them. What
//! it says becomes facts in the same transaction ([`crate::Fact`], [`crate::WorkspaceFact`]); its
//! octets are kept for a set time and are found by its id.

use std::net::IpAddr;

use crate::authentication::Authentication;
use crate::name::named;
use crate::{
    Address, BounceClass, DeliveryId, EnhancedCode, InboundId, ReversePath, Timestamp, WorkspaceId,
};

/// A message that came in, for one address of ours: what is kept of it beside its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMail {
    /// Its id.
    pub id: InboundId,
    /// Whose it is; `None`: nobody knows, and it is the operator's.
    pub workspace: Option<WorkspaceId>,
    /// The delivery that it is about; `None`: none, or none was found.
    pub delivery: Option<DeliveryId>,
    /// What it was taken for.
    pub kind: InboundKind,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who handed it in.
    pub peer: IpAddr,
    /// MAIL FROM.
    pub mail_from: ReversePath,
    /// RCPT TO.
    pub recipient: Address,
    /// The mailbox of its From field, without display name; empty where there is none.
    pub from: String,
    /// Its Subject, decoded; empty where there is none.
    pub subject: String,
    /// Its Message-ID without angle brackets.
    pub header_message_id: Option<String>,
    /// Its octets as they are kept, our own fields included.
    pub size: u64,
}

/// What a message that came in was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InboundKind {
    /// An answer to a delivery of ours, be it a program's.
    Reply,
    /// A report about a delivery (RFC 3464, or in prose).
    Report,
    /// A complaint about a message (RFC 5965), or its contrary.
    Complaint,
    /// A wish to get no more mail.
    Unsubscribe,
    /// Mail to an address of a domain of ours.
    Mail,
}

impl InboundKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Reply,
        Self::Report,
        Self::Complaint,
        Self::Unsubscribe,
        Self::Mail,
    ];

    /// The name in the store and in every output: `reply`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Report => "report",
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribe",
            Self::Mail => "mail",
        }
    }
}

/// How the delivery was found that something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchedBy {
    /// The token of the address that it came to.
    Address,
    /// A token in what came back of the message: our own header, return path, Reply-To.
    ReturnedToken,
    /// The Message-ID of what came back, and the recipient.
    MessageId,
}

impl MatchedBy {
    /// Every way.
    pub const ALL: &[Self] = &[Self::Address, Self::ReturnedToken, Self::MessageId];

    /// `address`, `returnedToken`, `messageId`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::ReturnedToken => "returnedToken",
            Self::MessageId => "messageId",
        }
    }
}

/// What a report said of a delivery after a far server had taken it (RFC 3464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReport {
    /// The report itself.
    pub inbound: InboundId,
    /// How the delivery was found.
    pub matched_by: MatchedBy,
    /// The address that it names, as it was written: perhaps another one than the mail was sent to.
    pub recipient: Option<String>,
    /// The status code.
    pub status: Option<EnhancedCode>,
    /// The reply code.
    pub code: Option<u16>,
    /// What the far server or the reporting one said.
    pub diagnostic: String,
    /// The server that refused.
    pub remote_mta: Option<String>,
    /// The server that reports.
    pub reporting_mta: Option<String>,
    /// Why it was not delivered; `None` for what is no failure and no delay.
    pub class: Option<BounceClass>,
    /// Whether it is said to be for good.
    pub is_permanent: bool,
}

impl LateReport {
    /// What was said, as far as it can be told like a reply: with the codes, on one line.
    pub fn said(&self) -> String {
        let code = self.code.map(|code| code.to_string());
        let status = self.status.map(|status| status.to_string());
        // Most diagnostic texts are whole replies.
        let missing = |part: &String| !self.diagnostic.contains(part.as_str());
        let codes = [code, status].into_iter().flatten().filter(missing);
        let said: Vec<_> = codes.chain([self.diagnostic.clone()]).collect();
        let said = said.join(" ");
        let words = said.split(|c: char| c.is_control() || c == ' ');
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }
}

/// What a report says that tells of no trouble (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// It was delivered.
    Delivered,
    /// It was handed to a server that will not report.
    Relayed,
    /// It was delivered to a list or to several addresses.
    Expanded,
}

impl Confirmation {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Delivered, Self::Relayed, Self::Expanded];

    /// The name in RFC 3464, in the store and in documents: `delivered`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// What somebody, or a provider for somebody, has reported of a message (RFC 5965).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedbackReport {
    /// The report itself.
    pub inbound: InboundId,
    /// How the delivery was found.
    pub matched_by: MatchedBy,
    /// Its kind: `abuse`, `fraud`, `not-spam` …
    pub feedback_type: String,
    /// The program that made it.
    pub user_agent: Option<String>,
    /// When the message arrived there, as it was written.
    pub arrival_date: Option<String>,
    /// The address that the message came from.
    pub source_ip: Option<String>,
    /// The server that reports.
    pub reporting_mta: Option<String>,
}

/// What a message says, as events carry it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The mailbox of its From field, without display name; empty where there is none.
    pub from: String,
    /// The display name of its From field, decoded; empty where there is none.
    pub from_name: String,
    /// The mailboxes of To and Cc, the first hundred.
    pub to: Vec<String>,
    /// Its Subject, decoded.
    pub subject: String,
    /// Its Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// The Message-ID that it answers.
    pub in_reply_to: Option<String>,
    /// Those of the messages before it, the nearest last.
    pub references: Vec<String>,
    /// Its text; made from the HTML where there is none. At most [`TEXT_MAX`] octets.
    pub text: Excerpt,
    /// Its HTML. At most [`HTML_MAX`] octets.
    pub html: Option<Excerpt>,
    /// Its text without the quoted thread and the signature. At most [`TEXT_MAX`] octets.
    pub stripped_text: Excerpt,
    /// What is attached, the first [`ATTACHMENTS_MAX`].
    pub attachments: Vec<Attachment>,
    /// Whether it is a program's answer (RFC 3834).
    pub auto_reply: Option<AutoReplyClass>,
    /// Whether it is from whom it says.
    pub authentication: Authentication,
}

/// Octets of text that an event carries.
pub const TEXT_MAX: usize = 32 * 1024;
/// Octets of HTML that an event carries.
pub const HTML_MAX: usize = 64 * 1024;
/// Attachments that an event names.
pub const ATTACHMENTS_MAX: usize = 100;

/// The beginning of a text, whole characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// It.
    pub text: String,
    /// Whether there was more.
    pub is_cut: bool,
}

impl Excerpt {
    /// At most `limit` octets of `text`.
    pub fn of(mut text: String, limit: usize) -> Self {
        let is_cut = text.len() > limit;
        if is_cut {
            text.truncate(text.floor_char_boundary(limit));
        }
        Self { text, is_cut }
    }
}

/// A part of a message that is kept for who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its number among the parts of its message: what it is fetched by.
    pub part: u32,
    /// Its name, as it was given.
    pub name: Option<String>,
    /// Its type: `application/pdf`.
    pub media_type: String,
    /// Its octets, decoded.
    pub size: u64,
    /// Its Content-ID without angle brackets: HTML shows it.
    pub content_id: Option<String>,
}

/// The class of a program's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AutoReplyClass {
    /// Somebody is away.
    Vacation,
    /// Mail is held until the sender has proved to be somebody.
    Challenge,
    /// A help desk has noted it.
    Ticket,
    /// A notification about what a reader did (RFC 8098).
    Receipt,
    /// Any other answer of a program.
    Other,
}

impl AutoReplyClass {
    /// Every class.
    pub const ALL: &[Self] = &[
        Self::Vacation,
        Self::Challenge,
        Self::Ticket,
        Self::Receipt,
        Self::Other,
    ];

    /// The name in the store and in documents: `vacation`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vacation => "vacation",
            Self::Challenge => "challenge",
            Self::Ticket => "ticket",
            Self::Receipt => "receipt",
            Self::Other => "other",
        }
    }
}

/// An answer to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyFact {
    /// The answer itself.
    pub inbound: InboundId,
    /// Where it came to.
    pub via: Via,
    /// Whether the recipient of the delivery wrote it, by the address in its From field.
    pub is_from_recipient: bool,
    /// Whether it says that somebody has forwarded it.
    pub is_forwarded: bool,
    /// Who else got it, by To and Cc, our address aside.
    pub also_to: Vec<String>,
    /// What it says.
    pub content: Content,
}

/// The address that an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// That of replies.
    ReplyTo,
    /// That of bounces: vacation notes go there (RFC 3834 §4).
    ReturnPath,
}

impl Via {
    /// Both.
    pub const ALL: &[Self] = &[Self::ReplyTo, Self::ReturnPath];

    /// `replyTo`, `returnPath`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplyTo => "replyTo",
            Self::ReturnPath => "returnPath",
        }
    }
}

/// Mail to an address of a domain that takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFact {
    /// The message itself.
    pub inbound: InboundId,
    /// MAIL FROM; empty: `<>`.
    pub mail_from: String,
    /// The address that it came to.
    pub recipient: Address,
    /// What stands behind the `+` of the local part.
    pub tag: Option<String>,
    /// Its header fields, decoded and unfolded, in their order: the first 200, and of each the
    /// first 2,000 octets.
    pub headers: Vec<(String, String)>,
    /// Whether the sender's domain asks for distrust (DMARC `quarantine`, or `reject` where we mark),
    /// or From names nobody.
    pub is_suspicious: bool,
    /// What it says.
    pub content: Content,
}

/// How somebody has said that they want no more mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnsubscribeMethod {
    /// By the link in the message, and the button behind it.
    Link,
    /// By their mail program's button (RFC 8058), or by mail (RFC 2369 §3.2).
    OneClick,
}

impl UnsubscribeMethod {
    /// Both.
    pub const ALL: &[Self] = &[Self::Link, Self::OneClick];

    /// `link`, `one-click`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::OneClick => "one-click",
        }
    }
}

named!(
    InboundKind,
    MatchedBy,
    Confirmation,
    AutoReplyClass,
    Via,
    UnsubscribeMethod
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::UnknownName;

    #[test]
    fn names_lead_back() {
        for kind in InboundKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert_eq!("one-click".parse(), Ok(UnsubscribeMethod::OneClick));
        assert_eq!("".parse::<Via>(), Err(UnknownName));
    }

    #[test]
    fn a_report_is_told_like_a_reply() {
        let said = |code, status, diagnostic: &str| {
            let report = LateReport {
                inbound: InboundId::new(Timestamp::from_micros(0)),
                matched_by: MatchedBy::Address,
                recipient: None,
                status: EnhancedCode::parse(status),
                code,
                diagnostic: diagnostic.to_owned(),
                remote_mta: None,
                reporting_mta: None,
                class: None,
                is_permanent: true,
            };
            report.said()
        };
        let whole = "550 5.1.1 no such user";
        assert_eq!(said(Some(550), "5.1.1", whole), whole);
        assert_eq!(
            said(None, "5.1.1", "no such\r\n user\u{1b}"),
            "5.1.1 no such user"
        );
        assert_eq!(said(Some(550), "5.1.1", "no such user"), whole);
        assert_eq!(said(None, "5.0.0", ""), "5.0.0");
    }

    #[test]
    fn an_excerpt_has_whole_characters() {
        let cut = Excerpt::of("aéb".to_owned(), 2);
        assert_eq!((cut.text.as_str(), cut.is_cut), ("a", true));
        let whole = Excerpt::of("aé".to_owned(), 3);
        assert_eq!((whole.text.as_str(), whole.is_cut), ("aé", false));
    }
}
