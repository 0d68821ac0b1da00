//! From what was told about a recipient to what it means.

use postbell_model::{BounceClass, EnhancedCode, Phase, Reply};

use super::codes::{self, Codes};
use super::{Action, RecipientStatus};
use crate::classify::{Classifier, Table};

/// Octets of a diagnostic text that are kept.
const DIAGNOSTIC_MAX: usize = 2_000;

/// Knows what replies mean, and what servers say that report.
#[derive(Debug)]
pub(crate) struct Judge {
    replies: Classifier,
    reports: Classifier,
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

/// A failure or a delay, as far as codes tell.
struct Failure {
    reply: Option<u16>,
    status: Option<EnhancedCode>,
    /// 4 or 5.
    digit: u16,
    phase: Phase,
}

impl Judge {
    pub(crate) fn new(replies: Classifier) -> Self {
        let reports = Table::parse(include_str!("../../../../../config/reports.toml"))
            .expect("invariant: a test reads the table that is compiled in");
        Self {
            replies,
            reports: Classifier::from_table(reports),
        }
    }

    pub(crate) fn judge(&self, told: Told) -> RecipientStatus {
        let own = codes::find(&told.diagnostic);
        let is_vague = told.status.is_none_or(|status| !codes::is_specific(status));
        let found = match own == Codes::default() && is_vague {
            true => codes::find(&told.context),
            false => own,
        };
        let status =
            preferred(told.status, found.enhanced).map(|status| cause(status, &told.context));
        let action = told.action.unwrap_or(match status.map(|code| code.class) {
            Some(2) => Action::Delivered,
            _ => Action::Failed,
        });
        let digit = match (found.reply, status) {
            (Some(reply), _) => reply / 100,
            (_, Some(status)) if status.class != 2 => u16::from(status.class),
            _ if action == Action::Delayed => 4,
            _ => 5,
        };
        let failure = Failure {
            reply: found.reply,
            status,
            digit,
            phase: phase(&told.diagnostic)
                .or_else(|| phase(&told.context))
                .unwrap_or(Phase::Rcpt),
        };
        let is_failure = matches!(action, Action::Failed | Action::Delayed);
        let said = match told.diagnostic.trim() {
            "" => told.context.trim(),
            diagnostic => diagnostic,
        };
        RecipientStatus {
            class: is_failure.then(|| self.class(&told, &failure)),
            action,
            status,
            status_field: told.status,
            code: found.reply,
            is_permanent: action == Action::Failed && digit == 5,
            diagnostic: cut(said),
            address: told.address,
            original: told.original,
            remote_mta: told.remote_mta,
        }
    }

    /// What a server said in a reply counts before what the reporting one says of its own, and
    /// that before codes without words.
    fn class(&self, told: &Told, failure: &Failure) -> BounceClass {
        let code = failure.reply.unwrap_or(failure.digit * 100 + 50);
        let ask = |classifier: &Classifier, text: &str, status: Option<EnhancedCode>| {
            let mut reply = Reply::received(code, text);
            reply.enhanced = status.or(reply.enhanced);
            classifier.classify(failure.phase, &reply)
        };
        let is_other = |class: BounceClass| class == BounceClass::Other;
        let session = failure
            .reply
            .map(|code| in_session(&told.context, code))
            .unwrap_or_default();
        let diagnostic = match session.len() > told.diagnostic.len() {
            true => session.as_str(),
            false => told.diagnostic.trim(),
        };
        if failure.reply.is_none() {
            if is_local(diagnostic) {
                return BounceClass::Other;
            }
            let class = ask(&self.reports, diagnostic, failure.status);
            if !is_other(class) {
                return class;
            }
        }
        let class = ask(&self.replies, diagnostic, failure.status);
        if !is_other(class) {
            return class;
        }
        let class = ask(&self.reports, &told.context, failure.status);
        // A refusal that nobody understands makes no address dead for words around it.
        if failure.reply.is_some() && class.means_dead_address() {
            return BounceClass::Other;
        }
        if !is_other(class) || !diagnostic.is_empty() {
            return class;
        }
        ask(&self.replies, &told.context, failure.status)
    }
}

/// Whether a program of the reporting server failed: what it says is not about the address.
fn is_local(diagnostic: &str) -> bool {
    const WORDS: [&str; 9] = [
        "couldn't create",
        "can't create",
        "cannot create",
        "command died",
        "program exited",
        "exited with",
        "exit status",
        "error writing message",
        "can't open mailbox",
    ];
    let lower = diagnostic.to_ascii_lowercase();
    WORDS.iter().any(|words| lower.contains(words))
}

/// What the far server said, where it says more than its class; else the field.
fn preferred(field: Option<EnhancedCode>, text: Option<EnhancedCode>) -> Option<EnhancedCode> {
    match (field, text) {
        (Some(field), Some(text)) if !codes::is_specific(text) || field.class == 2 => Some(field),
        (field, text) => text.or(field),
    }
}

/// RFC 3463 §3.5: X.4.7 says that time ran out. Why it did the text may say.
fn cause(status: EnhancedCode, context: &str) -> EnhancedCode {
    let is_time = |code: EnhancedCode| (code.subject, code.detail) == (4, 7);
    if !is_time(status) {
        return status;
    }
    let found = codes::find(context);
    let cause = found
        .enhanced
        .filter(|code| found.reply.is_some() && codes::is_specific(*code) && !is_time(*code));
    cause.unwrap_or(status)
}

/// All lines of a reply in a transcript, of which the field has one: `<<< 552-5.7.0 …`.
fn in_session(context: &str, code: u16) -> String {
    let code = code.to_string();
    let lines = context
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("<<< "));
    let said = lines.filter_map(|line| line.strip_prefix(code.as_str()));
    said.map(|line| line.trim_start_matches(['-', ' ']))
        .collect::<Vec<_>>()
        .join("\n")
}

/// In answer to what it was said, where that is told.
fn phase(said: &str) -> Option<Phase> {
    const WORDS: [(&str, Phase); 24] = [
        ("end of data", Phase::Message),
        ("after i sent the message", Phase::Message),
        ("final data", Phase::Message),
        ("for text command", Phase::Message),
        ("data command", Phase::Data),
        ("mail from command", Phase::Mail),
        ("[mail_from]", Phase::Mail),
        ("after mail from", Phase::Mail),
        ("our mail from", Phase::Mail),
        ("after sender was given", Phase::Mail),
        ("does not like sender", Phase::Mail),
        ("rcpt to command", Phase::Rcpt),
        ("after rcpt to", Phase::Rcpt),
        ("ehlo command", Phase::Ehlo),
        ("helo command", Phase::Ehlo),
        ("after ehlo", Phase::Ehlo),
        ("after helo", Phase::Ehlo),
        ("helo/ehlo", Phase::Ehlo),
        ("my name was rejected", Phase::Ehlo),
        ("initial connection", Phase::Greeting),
        ("refused to talk to me", Phase::Greeting),
        ("greeting failed", Phase::Greeting),
        ("while performing the helo", Phase::Ehlo),
        ("while performing the ehlo", Phase::Ehlo),
    ];
    let said = said.to_ascii_lowercase();
    let found = WORDS.iter().find(|(words, _)| said.contains(words));
    found
        .map(|(_, phase)| *phase)
        .or_else(|| session_phase(&said))
}

/// The command before the first refusal of a transcript: `>>> RCPT TO:…`, `<<< 550 …`.
fn session_phase(said: &str) -> Option<Phase> {
    let mut phase = None;
    for line in said.lines() {
        if let Some((_, command)) = line.split_once(">>> ") {
            phase = match command.split_ascii_whitespace().next().unwrap_or_default() {
                "mail" => Some(Phase::Mail),
                "rcpt" => Some(Phase::Rcpt),
                "data" => Some(Phase::Data),
                "." | ".." => Some(Phase::Message),
                "ehlo" | "helo" => Some(Phase::Ehlo),
                "starttls" => Some(Phase::Tls),
                _ => phase,
            };
        } else if line.contains("<<< 4") || line.contains("<<< 5") {
            break;
        }
    }
    phase
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
