//! Whether a message is a bounce, by signs that have to agree.

use std::cell::OnceCell;

use super::notice::{Notice, head};
use super::phrases::{
    DAEMON_NAMES, DAEMONS, DELAYED, DELIVERED, FINAL, SUBJECT_FAILED, TEXT_FAILED,
};
use crate::inbound::address;
use crate::inbound::mime::Mail;
use crate::inbound::phrases::Phrases;
use crate::inbound::status::{Action, Codes, find_codes};

/// Octets of a text in which phrases are looked for: what a report has to say it says at once.
const HEAD_MAX: usize = 16 * 1024;

/// What speaks for a bounce.
#[derive(Debug)]
pub(crate) struct Signs<'a> {
    notice: &'a Notice,
    /// A program sent it, by its name.
    is_daemon: bool,
    /// It has no return path.
    is_null: bool,
    /// A field names the recipients that failed.
    has_failed_field: bool,
    /// Its type says that it is a report.
    is_report: bool,
    /// It answers a message, as people's mail does.
    is_answer: bool,
    /// It has the message that it is about.
    returns_it: bool,
    subject_failed: bool,
    subject: String,
    head: OnceCell<String>,
    from: Option<String>,
}

impl<'a> Signs<'a> {
    pub(crate) fn of(mail: &Mail<'_>, notice: &'a Notice) -> Self {
        let text = |name: &str| mail.field(name).map(|field| field.text());
        let subject = text("Subject").unwrap_or_default().to_lowercase();
        let from = text("From");
        let report_type = mail
            .parts()
            .first()
            .and_then(|part| part.report_type.as_deref());
        Self {
            notice,
            is_daemon: from.as_deref().is_some_and(is_daemon),
            is_null: is_null(mail),
            has_failed_field: mail.field("X-Failed-Recipients").is_some(),
            is_report: report_type == Some("delivery-status"),
            is_answer: is_answer(&subject),
            returns_it: returns_a_message(mail, notice),
            subject_failed: SUBJECT_FAILED.are_in(&subject),
            subject,
            head: OnceCell::new(),
            from: from.as_deref().and_then(address::first),
        }
    }

    /// Whether they tell a bounce.
    pub(super) fn tell_a_bounce(&self, names_somebody: bool) -> bool {
        if self.has_failed_field || self.is_report {
            return true;
        }
        if self.is_answer {
            return false;
        }
        if self.is_daemon || self.is_null {
            return self.subject_failed || (names_somebody && self.text_failed());
        }
        // People's mail has such words and addresses as well, and seldom a code.
        let is_worded = self.subject_failed && names_somebody && self.text_failed();
        is_worded && (self.returns_it || find_codes(self.head()) != Codes::default())
    }

    /// Looked for where it decides: most mail is told to be none by less.
    fn text_failed(&self) -> bool {
        TEXT_FAILED.are_in(self.head())
    }

    /// The words with which the text begins, in lower case, a space between each two.
    fn head(&self) -> &str {
        self.head.get_or_init(|| {
            let head = head(self.notice.lower(), HEAD_MAX);
            head.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }

    pub(super) fn action(&self) -> Action {
        let delivered = DELIVERED.are_in(&self.subject) || DELIVERED.are_in(self.head());
        if delivered && !self.subject_failed_for_good() && !TEXT_FAILED_HARD.are_in(self.head()) {
            return Action::Delivered;
        }
        let delayed = DELAYED.are_in(&self.subject) || DELAYED.are_in(self.head());
        if delayed && !FINAL.are_in(self.head()) {
            return Action::Delayed;
        }
        Action::Failed
    }

    fn subject_failed_for_good(&self) -> bool {
        ["fail", "undeliver", "returned", "error"]
            .iter()
            .any(|word| self.subject.contains(word))
    }

    /// The host of the sender's address.
    pub(super) fn reporting_mta(&self) -> Option<String> {
        let (_, host) = self.from.as_deref()?.rsplit_once('@')?;
        Some(host.to_owned())
    }

    pub(super) fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }
}

/// In a text: it was certainly not delivered.
static TEXT_FAILED_HARD: Phrases = Phrases::new(
    "\
     could not be delivered|was not delivered|undeliverable|failed permanently|permanent error",
);

/// A message that is a part, or the header of one with what only servers write into it: the
/// header above a quote has no Message-ID. Nothing reports about a report, and people enclose one
/// when they ask about it.
fn returns_a_message(mail: &Mail<'_>, notice: &Notice) -> bool {
    let from = notice.returned.from.as_deref();
    let is_report = from.is_some_and(is_daemon);
    !is_report && (mail.enclosed().is_some() || notice.returned.message_id.is_some())
}

/// Whether a program sent it, by its name or without a return path, and not as an answer.
pub(crate) fn is_from_a_program(mail: &Mail<'_>) -> bool {
    let text = |name: &str| mail.field(name).map(|field| field.text());
    let subject = text("Subject").unwrap_or_default().to_lowercase();
    let is_daemon = text("From").is_some_and(|from| is_daemon(&from));
    !is_answer(&subject) && (is_daemon || is_null(mail))
}

/// RFC 5321 §4.5.5: what reports has no return path.
fn is_null(mail: &Mail<'_>) -> bool {
    let path = mail.field("Return-Path").map(|field| field.text());
    path.is_some_and(|path| path.trim().trim_matches(['<', '>']).is_empty())
}

/// Whether a From field names a program that reports.
pub(crate) fn is_daemon(from: &str) -> bool {
    let lower = from.to_lowercase();
    let local = address::first(&lower).and_then(|address| {
        let (local, _) = address.rsplit_once('@')?;
        Some(local.to_owned())
    });
    let local = local.unwrap_or_else(|| lower.trim().trim_matches(['<', '>', '"']).to_owned());
    let name = lower.split('<').next().unwrap_or_default();
    let is_named = DAEMONS.iter().any(|daemon| {
        let rest = local.strip_prefix(daemon);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '+']))
    });
    is_named
        || lower.contains("mailer-daemon")
        || lower.contains("postmaster")
        || lower.trim() == "<>"
        || DAEMON_NAMES.are_in(name)
}

/// How programs mark an answer (RFC 5322 §3.6.5) or what is forwarded.
static ANSWER_MARKS: Phrases = Phrases::new(
    "re:|fw:|fwd:|aw:|wg:|sv:|vs:|antw:|tr:|r:|odp:|ynt:|rv:|res:|enc:|回复:|答复:|返信:",
);

/// Whether a subject in lower case is one of an answer.
pub(crate) fn is_answer(subject: &str) -> bool {
    ANSWER_MARKS.begin(subject.trim_start())
}

#[test]
fn every_phrase_counts() {
    let within = [
        &SUBJECT_FAILED,
        &TEXT_FAILED,
        &TEXT_FAILED_HARD,
        &DELAYED,
        &FINAL,
        &DELIVERED,
        &DAEMON_NAMES,
        &super::phrases::LABELS,
    ];
    for phrases in within {
        phrases.check_within();
    }
    ANSWER_MARKS.check_beginnings();
    DAEMONS.check(|one, other| one == other || one.starts_with(&format!("{other}-")));
}
