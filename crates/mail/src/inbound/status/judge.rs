//! From what was told about a recipient to what it means.

use postbell_model::{BounceClass, EnhancedCode, Phase, Reply};

use super::codes::{self, Codes};
use super::{Action, RecipientStatus};
use crate::classify::Classifier;

/// Octets of a diagnostic text that are kept.
const DIAGNOSTIC_MAX: usize = 2_000;

/// Knows what replies mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) classifier: &'a Classifier,
}

/// What a report told of one recipient.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) address: Option<String>,
    pub(crate) original: Option<String>,
    pub(crate) action: Option<Action>,
    /// What the Status field says.
    pub(crate) status: Option<EnhancedCode>,
    pub(crate) diagnostic: String,
    /// What else was said, should the diagnostic text say nothing.
    pub(crate) context: String,
    pub(crate) remote_mta: Option<String>,
}

impl Judge<'_> {
    pub(crate) fn judge(&self, told: Told) -> RecipientStatus {
        let own = codes::find(&told.diagnostic);
        let found = if own == Codes::default() {
            codes::find(&told.context)
        } else {
            own
        };
        let status = preferred(told.status, found.enhanced);
        let action = told.action.unwrap_or(match status.map(|code| code.class) {
            Some(2) => Action::Delivered,
            _ => Action::Failed,
        });
        let class_digit = match (found.reply, status) {
            (Some(reply), _) if reply >= 400 => reply / 100,
            (_, Some(status)) if status.class != 2 => u16::from(status.class),
            _ if action == Action::Delayed => 4,
            _ => 5,
        };
        let is_failure = matches!(action, Action::Failed | Action::Delayed);
        let said = match told.diagnostic.trim() {
            "" => told.context.trim(),
            diagnostic => diagnostic,
        };
        let class = is_failure.then(|| self.class(said, &told, found.reply, status, class_digit));
        RecipientStatus {
            address: told.address,
            original: told.original,
            action,
            status,
            code: found.reply,
            class,
            is_permanent: action == Action::Failed && class_digit == 5,
            diagnostic: cut(said),
            remote_mta: told.remote_mta,
        }
    }

    fn class(
        &self,
        said: &str,
        told: &Told,
        reply: Option<u16>,
        status: Option<EnhancedCode>,
        digit: u16,
    ) -> BounceClass {
        let code = reply.filter(|code| code / 100 == digit).unwrap_or(digit * 100 + 50);
        let phase = phase(said, reply.is_some());
        let reply = |text: &str| {
            let mut reply = Reply::received(code, text);
            reply.enhanced = status.or(reply.enhanced);
            reply
        };
        let class = self.classifier.classify(phase, &reply(said));
        if class != BounceClass::Other || told.context.trim().is_empty() {
            return class;
        }
        self.classifier.classify(phase, &reply(&told.context))
    }
}

/// The field, unless it says less than the text, or the contrary of a refusal.
fn preferred(field: Option<EnhancedCode>, text: Option<EnhancedCode>) -> Option<EnhancedCode> {
    let (Some(field), Some(text)) = (field, text) else {
        return field.or(text);
    };
    let is_vague = field.subject == 0 || (field.detail == 0 && field.subject != 7);
    let says_more = text.subject != 0 && (text.detail != 0 || field.subject == 0);
    Some(if is_vague && says_more { text } else { field })
}

/// In answer to what it was said; most of what says nothing about it is said to RCPT.
fn phase(said: &str, _has_reply: bool) -> Phase {
    const WORDS: [(&str, Phase); 16] = [
        ("end of data", Phase::Message),
        ("after i sent the message", Phase::Message),
        ("final data", Phase::Message),
        ("data command", Phase::Data),
        ("mail from command", Phase::Mail),
        ("[mail_from]", Phase::Mail),
        ("after mail from", Phase::Mail),
        ("does not like sender", Phase::Mail),
        ("ehlo command", Phase::Ehlo),
        ("helo command", Phase::Ehlo),
        ("after ehlo", Phase::Ehlo),
        ("after helo", Phase::Ehlo),
        ("my name was rejected", Phase::Ehlo),
        ("initial connection", Phase::Greeting),
        ("refused to talk to me", Phase::Greeting),
        ("connected to {ip} but greeting failed", Phase::Greeting),
    ];
    let said = said.to_ascii_lowercase();
    let found = WORDS.iter().find(|(words, _)| said.contains(words));
    found.map_or(Phase::Rcpt, |(_, phase)| *phase)
}

/// One line of no more than [`DIAGNOSTIC_MAX`] octets.
fn cut(said: &str) -> String {
    let mut text = String::new();
    for word in said.split_whitespace() {
        if text.len() + word.len() + 1 > DIAGNOSTIC_MAX {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(word.chars().filter(|c| !c.is_control()));
    }
    text
}
