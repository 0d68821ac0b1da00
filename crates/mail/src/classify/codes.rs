//! What enhanced status codes mean: RFC 3463 §3 and IANA's "SMTP Enhanced Status Codes".

use postbell_model::{BounceClass, EnhancedCode};

/// Codes that servers use for what they mean and nothing else.
pub(super) const fn unmistakable(code: EnhancedCode) -> Option<BounceClass> {
    match (code.subject, code.detail) {
        // X.2.2: mailbox full.
        (2, 2) => Some(BounceClass::MailboxFull),
        // X.2.3, X.3.4: message too big for the mailbox, for the system.
        (2, 3) | (3, 4) => Some(BounceClass::MessageTooLarge),
        _ => None,
    }
}

/// The class of a code; `None` where the code says nothing (X.1.0, X.5.1, X.7.0).
pub(super) const fn class(code: EnhancedCode) -> Option<BounceClass> {
    match code.subject {
        1 => address(code.detail),
        2 => mailbox(code.detail),
        3 => system(code.detail),
        4 => network(code),
        // X.5.3: too many recipients.
        5 if code.detail == 3 => Some(BounceClass::RateLimited),
        6 => Some(BounceClass::ContentRejected),
        7 => policy(code.detail),
        _ => None,
    }
}

/// RFC 3463 §3.2, RFC 7505 §4.1.
const fn address(detail: u16) -> Option<BounceClass> {
    match detail {
        // Bad mailbox; bad mailbox syntax; moved, no forwarding address.
        1 | 3 | 6 => Some(BounceClass::NoSuchUser),
        // Bad system; null MX.
        2 | 10 => Some(BounceClass::NoSuchDomain),
        // The sender's address.
        7 | 8 => Some(BounceClass::PolicyRejected),
        _ => None,
    }
}

/// RFC 3463 §3.3.
const fn mailbox(detail: u16) -> Option<BounceClass> {
    match detail {
        1 => Some(BounceClass::MailboxDisabled),
        2 => Some(BounceClass::MailboxFull),
        3 => Some(BounceClass::MessageTooLarge),
        _ => None,
    }
}

/// RFC 3463 §3.4.
const fn system(detail: u16) -> Option<BounceClass> {
    match detail {
        // Not accepting messages.
        2 => Some(BounceClass::NetworkError),
        // Not capable of selected features.
        3 => Some(BounceClass::ContentRejected),
        4 => Some(BounceClass::MessageTooLarge),
        _ => None,
    }
}

/// RFC 3463 §3.5.
const fn network(code: EnhancedCode) -> Option<BounceClass> {
    match (code.class, code.detail) {
        // Unable to route: for good, there is nowhere to go.
        (5, 4) => Some(BounceClass::NoSuchDomain),
        (_, 7) => Some(BounceClass::Expired),
        _ => Some(BounceClass::NetworkError),
    }
}

/// RFC 3463 §3.8, RFC 4954 §6, RFC 5248, RFC 7293 §8, RFC 7372 §3, RFC 8689 §7.
const fn policy(detail: u16) -> Option<BounceClass> {
    match detail {
        // Encryption needed; required for authentication; REQUIRETLS.
        10 | 11 | 30 => Some(BounceClass::TlsRequired),
        13 => Some(BounceClass::MailboxDisabled),
        // The mailbox, the domain has changed its owner.
        17 => Some(BounceClass::NoSuchUser),
        18 => Some(BounceClass::NoSuchDomain),
        // Message integrity; DKIM, SPF, several checks, ARC.
        7 | 20..=24 | 26 | 29 => Some(BounceClass::AuthenticationFailed),
        // Reverse DNS.
        25 => Some(BounceClass::IpBlocked),
        // Mail flood.
        28 => Some(BounceClass::RateLimited),
        0 => None,
        _ => Some(BounceClass::PolicyRejected),
    }
}
