//! The part for people (RFC 6522 §3): what happened, who said what, what to do about it.

use postbell_model::{BounceClass, Fact, HostTry};

use super::status::REPLY_MAX;
use super::text::{lines, quoted_printable};
use super::{Part, Report};

pub(super) fn part(report: &Report<'_>) -> Part {
    let text = explain(report);
    if text.is_ascii() {
        return Part {
            header: "Content-Type: text/plain; charset=us-ascii\r\n".to_owned(),
            content: text.into_bytes(),
            eight_bit: false,
        };
    }
    Part {
        header: "Content-Type: text/plain; charset=utf-8\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n"
            .to_owned(),
        content: quoted_printable(text.as_bytes()),
        eight_bit: false,
    }
}

fn explain(report: &Report<'_>) -> String {
    let mut text = lines(&happened(report), "");
    if let Some(last) = report.last_try() {
        text.push_str("\r\n");
        text.push_str(&said(last));
    }
    if let Some(advice) = advice(&report.event.fact) {
        text.push_str("\r\n");
        text.push_str(&lines(advice, ""));
    }
    text.push_str("\r\nThe message:\r\n\r\n");
    let message = report.message;
    if !message.subject.is_empty() {
        text.push_str(&lines(&format!("Subject: {}", message.subject), "    "));
    }
    let accepted = format!("Accepted: {}", message.accepted_at.to_rfc5322());
    text.push_str(&lines(&accepted, "    "));
    text.push_str(&format!(
        "\r\nThis report was written by the mail server {}.\r\n",
        report.hostname
    ));
    text
}

fn happened(report: &Report<'_>) -> String {
    let to = report.recipient;
    match &report.event.fact {
        Fact::Bounce {
            class: class @ BounceClass::Expired,
            ..
        } => format!("Your message to {to} was given up. {}", class.sentence()),
        Fact::Bounce { class, .. } => {
            format!(
                "Your message to {to} could not be delivered. {}",
                class.sentence()
            )
        }
        Fact::DeliveryDelay {
            class, expires_at, ..
        } => format!(
            "Your message to {to} has not been delivered yet. {} You need not send it again: it \
             is tried until {}, and you are told if it can't be delivered by then.",
            class.sentence(),
            expires_at.to_rfc5322()
        ),
        // Of the others no report is made.
        Fact::Delivery { .. }
        | Fact::Send
        | Fact::Scheduled { .. }
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Cancelled
        | Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Open(_)
        | Fact::Click(_)
        | Fact::Suppressed(_)
        | Fact::Reject { .. } => format!(
            "Your message to {to} was taken by the recipient's server. That server sends no \
             reports of success, so this is the last that you hear of it from us, unless the \
             message is returned later."
        ),
    }
}

fn said(last: &HostTry) -> String {
    let who = match last.ip {
        Some(ip) => format!("{} ({ip})", last.host),
        None => last.host.to_string(),
    };
    let intro = if last.from_peer {
        format!("The server {who} said:")
    } else {
        format!("No server took or refused it; the last thing that was noted of {who} is:")
    };
    let reply: String = last.reply.to_string().chars().take(REPLY_MAX).collect();
    format!("{}\r\n{}", lines(&intro, ""), lines(&reply, "    "))
}

/// What the sender can do; `None`: nothing.
fn advice(fact: &Fact) -> Option<&'static str> {
    let Fact::Bounce { class, .. } = fact else {
        return None;
    };
    Some(match class {
        BounceClass::NoSuchUser | BounceClass::NoSuchDomain => {
            "Check the address for a slip of the pen, and ask the recipient for the right one."
        }
        BounceClass::MailboxDisabled => "Ask the recipient in another way for an address in use.",
        BounceClass::MailboxFull => {
            "Send the message again once the recipient has made room in the mailbox."
        }
        BounceClass::MessageTooLarge => {
            "Make the message smaller, for instance by sending a link instead of an attachment."
        }
        BounceClass::ContentRejected => {
            "Look at what the server said, change what it names and send the message again."
        }
        BounceClass::SpamRejected => {
            "Change the words or the links of the message, or ask the recipient to expect it."
        }
        BounceClass::PolicyRejected | BounceClass::RelayDenied => {
            "Ask the recipient, or whoever runs the recipient's server, to let such mail in."
        }
        BounceClass::AuthenticationFailed => {
            "Ask whoever runs your domain to look at its SPF, DKIM and DMARC records."
        }
        BounceClass::IpBlocked => {
            "Ask whoever runs this mail server to have the block lifted; then send it again."
        }
        BounceClass::RateLimited | BounceClass::NetworkError | BounceClass::Expired => {
            "Send the message again later, or ask the recipient whether their server has trouble."
        }
        BounceClass::TlsRequired => {
            "Ask whoever runs this mail server to look at its TLS settings."
        }
        BounceClass::Other => "Look at what the server said, or ask the recipient in another way.",
    })
}
