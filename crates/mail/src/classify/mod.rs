//! From a reply to the one list of bounce classes.
//!
//! Evidence in the order of its weight: a status code that is used for one thing alone, words
//! that leave no doubt, the meaning of the status code (RFC 3463 and IANA's registry), the reply
//! code together with how far the try came (RFC 5321 §4.2.3). The codes of RFC 3463 stand
//! behind the words because most servers say 5.7.1 or 5.1.0 whatever the cause.
//!
//! A class that means a dead address puts it on the suppression list, so nothing is taken for
//! one without evidence: a bare 550 is [`BounceClass::Other`]. What single providers mean by
//! words of their own is not known here.

mod codes;
mod words;

#[cfg(test)]
mod tests;

use postbell_model::{BounceClass, EnhancedCode, Phase, Reply};

/// The class of a refusal, a deferral or a failure, from how far the try came and what was
/// said, by the far server or by us in its place.
pub fn classify(phase: Phase, reply: &Reply) -> BounceClass {
    let told = reply.enhanced;
    match phase {
        Phase::Dns | Phase::Connect => before_the_server(told),
        Phase::Tls => securing(told),
        Phase::Greeting
        | Phase::Ehlo
        | Phase::Mail
        | Phase::Rcpt
        | Phase::Data
        | Phase::Message
        | Phase::Render => told
            .and_then(codes::unmistakable)
            .or_else(|| words::class(&reply.text))
            .or_else(|| told.and_then(codes::class))
            .unwrap_or_else(|| by_reply_code(phase, reply)),
    }
}

/// Nobody has spoken but us, and our codes are exact.
fn before_the_server(told: Option<EnhancedCode>) -> BounceClass {
    told.and_then(codes::class)
        .unwrap_or(BounceClass::NetworkError)
}

/// STARTTLS and the handshake: the connection broke (X.4.Y), or TLS could not be had.
fn securing(told: Option<EnhancedCode>) -> BounceClass {
    match told {
        Some(code) if code.subject == 4 => BounceClass::NetworkError,
        _ => BounceClass::TlsRequired,
    }
}

/// RFC 5321 §4.2.3, where neither words nor status code say more.
fn by_reply_code(phase: Phase, reply: &Reply) -> BounceClass {
    match (reply.code, phase) {
        // RFC 5321 §3.8: the server closes the channel.
        (421, _) => BounceClass::NetworkError,
        // RFC 5321 §3.1: who is refused at the door is refused for the address it comes from.
        (500.., Phase::Greeting) => BounceClass::IpBlocked,
        (_, Phase::Greeting) => BounceClass::NetworkError,
        // "Mailbox unavailable" has causes of all kinds; in answer to RCPT it is the mailbox.
        (550, Phase::Rcpt) if words::say_mailbox_unavailable(&reply.text) => {
            BounceClass::NoSuchUser
        }
        (551, _) => BounceClass::NoSuchUser,
        (552, Phase::Rcpt) => BounceClass::MailboxFull,
        (552, _) => BounceClass::MessageTooLarge,
        // RFC 7504 §4: the domain accepts no mail.
        (556, _) => BounceClass::NoSuchDomain,
        (530..=538 | 571, _) => BounceClass::PolicyRejected,
        _ => BounceClass::Other,
    }
}
