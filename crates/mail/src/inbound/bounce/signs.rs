//! Whether a message is a bounce, by signs that have to agree.

use std::cell::OnceCell;

use super::notice::{Notice, head};
use super::phrases::{DELAYED, DELIVERED, FINAL, SUBJECT_FAILED, TEXT_FAILED};
use crate::inbound::address;
use crate::inbound::mime::Mail;
use crate::inbound::origin::{Origin, is_daemon};
use crate::inbound::phrases::Phrases;
use crate::inbound::status::{Action, Codes, find_codes};

/// Octets of a text in which phrases are looked for: what a report has to say it says at once.
const HEAD_MAX: usize = 16 * 1024;

/// What speaks for a bounce.
#[derive(Debug)]
pub(crate) struct Signs<'a> {
    notice: &'a Notice,
    origin: &'a Origin,
    /// A field names the recipients that failed.
    has_failed_field: bool,
    /// Its type says that it is a report.
    is_report: bool,
    /// It has the message that it is about.
    returns_it: bool,
    subject_failed: bool,
    subject: String,
    head: OnceCell<String>,
    from: Option<String>,
}

impl<'a> Signs<'a> {
    pub(crate) fn of(mail: &Mail<'_>, notice: &'a Notice, origin: &'a Origin) -> Self {
        let text = |name: &str| mail.field(name).map(|field| field.text());
        let subject = text("Subject").unwrap_or_default().to_lowercase();
        let from = text("From");
        let report_type = mail
            .parts()
            .first()
            .and_then(|part| part.report_type.as_deref());
        Self {
            notice,
            origin,
            has_failed_field: mail.field("X-Failed-Recipients").is_some(),
            is_report: report_type == Some("delivery-status"),
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
        if self.origin.is_answer {
            return false;
        }
        if self.origin.reports() {
            return self.subject_failed || (names_somebody && self.text_failed());
        }
        // People's mail has such words and addresses as well, and seldom a code; theirs alone
        // answers ours, under another subject too.
        if self.origin.is_in_thread {
            return false;
        }
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

#[test]
fn every_phrase_counts() {
    let within = [
        &SUBJECT_FAILED,
        &TEXT_FAILED,
        &TEXT_FAILED_HARD,
        &DELAYED,
        &FINAL,
        &DELIVERED,
        &super::phrases::LABELS,
    ];
    for phrases in within {
        phrases.check_within();
    }
}
