//! One mail transaction: what MAIL and RCPT have said, and which of it is refused.

use std::borrow::Cow;

use super::State;
use super::conduct::Conduct;

/// What MAIL and RCPT have said since the last message.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) from: String,
    pub(super) parameters: String,
    pub(super) recipients: Vec<String>,
    /// Their parameters, at the same places.
    pub(super) recipient_parameters: Vec<String>,
    /// Whether a recipient answers the final dot late.
    pub(super) slow: bool,
}

impl Transaction {
    pub(super) fn new(from: &str, parameters: &str) -> Self {
        Self {
            from: from.to_owned(),
            parameters: parameters.to_owned(),
            recipients: Vec::with_capacity(1),
            recipient_parameters: Vec::with_capacity(1),
            slow: false,
        }
    }

    pub(super) fn add(&mut self, recipient: &str, parameters: &str) {
        self.slow |= Conduct::of(recipient) == Conduct::Slow;
        self.recipients.push(recipient.to_owned());
        self.recipient_parameters.push(parameters.to_owned());
    }
}

/// The usual reply to MAIL with these parameters.
pub(super) fn reply_to_mail(state: &State, parameters: &str) -> &'static str {
    for parameter in parameters.split(' ').filter(|p| !p.is_empty()) {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is = |wanted: &str| keyword.eq_ignore_ascii_case(wanted);
        let offered = match () {
            () if is("SIZE") => state.extension("SIZE").is_some(),
            () if is("BODY") => state.extension("8BITMIME").is_some(),
            () if is("SMTPUTF8") => state.extension("SMTPUTF8").is_some(),
            () if is("RET") || is("ENVID") => state.extension("DSN").is_some(),
            () => false,
        };
        // RFC 5321 §4.1.1.11: 555 for a parameter that is not known.
        if !offered {
            return "555 5.5.4 MAIL has a parameter that was not offered";
        }
        if is("SIZE") && !fits(state, value) {
            return "552 5.3.4 The message is larger than this server takes";
        }
    }
    "250 2.1.0 Sender OK"
}

// RFC 1870 §6.1: a declared size may be refused at MAIL.
fn fits(state: &State, value: &str) -> bool {
    let announced = state.extension("SIZE").and_then(|limit| limit.parse().ok());
    let limit = announced.unwrap_or(state.options.max_message);
    value
        .parse::<usize>()
        .is_ok_and(|size| limit == 0 || size <= limit)
}

/// The usual reply to RCPT.
pub(super) fn reply_to_rcpt(
    state: &State,
    from: &str,
    to: &str,
    parameters: &str,
) -> Cow<'static, str> {
    if !parameters.is_empty() && state.extension("DSN").is_none() {
        return "555 5.5.4 RCPT has a parameter that was not offered".into();
    }
    let judge = state.options.judge.as_ref();
    if let Some(refusal) = judge.and_then(|judge| judge.refuse_recipient(to)) {
        return refusal.into();
    }
    let usual = match Conduct::of(to) {
        Conduct::Bounce => "550 5.1.1 No such user here",
        Conduct::SoftBounce => "552 5.2.2 The mailbox is full",
        Conduct::Delay if state.delayed.refuses(from, to) => {
            "451 4.7.1 Greylisted, please come again"
        }
        Conduct::Delay | Conduct::Slow | Conduct::Take => "250 2.1.5 Recipient OK",
    };
    usual.into()
}
