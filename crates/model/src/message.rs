//! Messages: one accepted submission each, with what its headers told and what was decided.

use crate::{
    ConfigurationSetId, Forward, Instructions, MessageId, ReversePath, Timestamp, WorkspaceId,
};

/// One accepted submission, without its body. Shared by all its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The seeds' `messageId`.
    pub id: MessageId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Which destinations hear of it and how it is retried.
    pub configuration_set: ConfigurationSetId,
    /// MAIL FROM.
    pub mail_from: ReversePath,
    /// The mailbox of the From header, without display name; empty where there is none.
    pub source: String,
    /// The Subject header, decoded (RFC 2047); empty where there is none.
    pub subject: String,
    /// The Message-ID header with its angle brackets: as submitted, or as given by us.
    pub header_message_id: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Octets of the body as submitted, headers included.
    pub size: u64,
    /// Whether an octet of the message is over 127, whatever BODY= said (RFC 6152 §2).
    pub eight_bit: bool,
    /// Whether the header has such an octet and MAIL FROM said SMTPUTF8 (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// How it came in, for the Received header.
    pub received: Received,
    /// Whether MAIL FROM gets a report where a delivery fails (RFC 3464).
    pub reports: bool,
    /// What the sender asked for.
    pub instructions: Instructions,
    /// Where it comes from and goes on to, where it is not a submission but one that came in.
    pub forward: Option<Box<Forward>>,
}

/// How a message came in: what its Received header says (RFC 5321 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What the client called itself at EHLO.
    pub helo: String,
    /// The client's address; `None` where it is hidden or the mail is our own.
    pub peer: Option<std::net::IpAddr>,
    /// `ESMTP`, `ESMTPS`, `ESMTPSA`, `UTF8SMTP` … (RFC 3848, RFC 6531 §4.3).
    pub with: String,
}
