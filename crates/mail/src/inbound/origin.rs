//! Who sent a message, as far as that tells programs from people.
//!
//! Names, marks and fields alone: what a message says is read elsewhere. In doubt it is a person,
//! who loses more by being taken for a program than a program does by the contrary.

use postbell_model::ReversePath;

use super::address;
use super::mime::Mail;
use super::phrases::Phrases;

/// Where the sender in a message's envelope is known from (RFC 5321 §4.1.1.2).
#[derive(Debug, Clone, Copy)]
pub enum Envelope<'a> {
    /// From the client, in MAIL. A field Return-Path that the message brings says nothing then:
    /// RFC 5321 §4.4 has none on the way.
    Said(&'a ReversePath),
    /// From the field Return-Path, which whoever delivered the message wrote.
    Noted,
}

impl Envelope<'_> {
    /// The address in lower case, empty where it is null; `None` where nobody knows it.
    fn sender(self, mail: &Mail<'_>) -> Option<String> {
        let sender = match self {
            Self::Said(path) => path.to_string(),
            Self::Noted => mail.field("Return-Path")?.text(),
        };
        let bare = sender.trim().trim_matches(['<', '>']);
        Some(bare.to_lowercase())
    }
}

/// What tells a program from a person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// It has no return path, as what is nobody's mail (RFC 5321 §4.5.5).
    pub(crate) is_null: bool,
    /// From names a program that reports.
    pub(crate) is_daemon: bool,
    /// From has a name that no person bears.
    is_mailer: bool,
    /// Its return path is that of automatic answers.
    pub(crate) is_answering: bool,
    /// From names nobody who reads answers.
    pub(crate) is_nobody: bool,
    /// From names a feedback loop.
    pub(crate) is_feedback: bool,
    /// A field says that a program sent it (RFC 3834 §5).
    pub(crate) is_submitted: bool,
    /// Its subject is marked as that of an answer, or of what is passed on.
    pub(crate) is_answer: bool,
    /// It names a message that it answers, or others of a thread.
    pub(crate) is_in_thread: bool,
}

impl Origin {
    pub(crate) fn of(mail: &Mail<'_>, envelope: Envelope<'_>) -> Self {
        let text = |name: &str| mail.field(name).map(|field| field.text());
        let from = text("From").unwrap_or_default();
        let subject = text("Subject").unwrap_or_default().to_lowercase();
        let submitted = text("Auto-Submitted").unwrap_or_default();
        let submitted = submitted.trim().to_ascii_lowercase();
        let sender = envelope.sender(mail);
        let sender = sender.as_deref();
        Self {
            is_null: sender.is_some_and(str::is_empty),
            is_answering: sender.is_some_and(is_answering),
            is_daemon: is_daemon(&from),
            is_mailer: from.to_lowercase().contains(MAILER),
            is_nobody: is_nobody(&from),
            is_feedback: is_feedback(&from),
            is_submitted: !submitted.is_empty() && !submitted.starts_with("no"),
            is_answer: is_answer(&subject),
            is_in_thread: mail.field("In-Reply-To").is_some() || mail.field("References").is_some(),
        }
    }

    /// Whether a program sent it that reports about deliveries: without a return path
    /// (RFC 5321 §4.5.5), or under its name. People are called postmaster as well, and answer.
    pub(crate) const fn reports(&self) -> bool {
        let is_named = self.is_mailer || (self.is_daemon && !self.is_in_thread);
        !self.is_answer && (self.is_null || is_named)
    }

    /// Whether any program sent it.
    pub(crate) const fn is_program(&self) -> bool {
        let is_named = (self.is_nobody || self.is_feedback) && !self.is_in_thread;
        self.reports() || (!self.is_answer && (is_named || self.is_submitted))
    }
}

fn is_answering(sender: &str) -> bool {
    let local = sender.split('@').next();
    local.is_some_and(|local| ["autoreply", "auto-reply"].contains(&local))
}

/// In a From field: no person bears it.
const MAILER: &str = "mailer-daemon";

/// Names of mailboxes of programs.
static DAEMONS: Phrases = Phrases::new(
    "\
     mailer-daemon|mailer_daemon|mailerdaemon|mail-daemon|maildaemon|postmaster|mdaemon|\
     mail.delivery.system|mail-delivery|maildelivery|mail_delivery|bounce|bounces|smtp|\
     mailsystem|mail-system|mailadmin|mail-admin",
);

/// Names that programs give themselves.
static DAEMON_NAMES: Phrases = Phrases::new(
    "\
     mail deliver|delivery system|delivery subsystem|mail administrator|\
     system administrator|mail system|postmaster|ndr administrator|\
     mailer|microsoft outlook|mail router|mail service",
);

/// Whether a From field names a program that reports.
pub(crate) fn is_daemon(from: &str) -> bool {
    let lower = from.to_lowercase();
    let local = local_part(&lower);
    let local = local.unwrap_or_else(|| lower.trim().trim_matches(['<', '>', '"']).to_owned());
    let name = lower.split('<').next().unwrap_or_default();
    let is_named = DAEMONS.iter().any(|daemon| {
        let rest = local.strip_prefix(daemon);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '+']))
    });
    is_named
        || lower.contains(MAILER)
        || lower.contains("postmaster")
        || lower.trim() == "<>"
        || DAEMON_NAMES.are_in(name)
}

/// In a From field of nobody who reads answers.
static NOBODY: Phrases = Phrases::new("noreply|no-reply|no_reply|donotreply|do-not-reply");

fn is_nobody(from: &str) -> bool {
    NOBODY.are_in(&from.to_lowercase())
}

/// Local parts of feedback loops.
const FEEDBACK: [&str; 5] = ["staff", "complaints", "complaint", "spamcop", "junk"];
/// In a local part of one.
const FEEDBACK_WITHIN: [&str; 3] = ["abuse", "feedback", "fbl"];

/// Whether a From field names a feedback loop.
fn is_feedback(from: &str) -> bool {
    let Some(local) = local_part(&from.to_lowercase()) else {
        return false;
    };
    FEEDBACK.contains(&local.as_str()) || FEEDBACK_WITHIN.iter().any(|word| local.contains(word))
}

fn local_part(from: &str) -> Option<String> {
    let address = address::first(from)?;
    let (local, _) = address.rsplit_once('@')?;
    Some(local.to_owned())
}

/// What stands before the colon in the subject of an answer (RFC 5322 §3.6.5) or of what is passed
/// on, in lower case.
static ANSWER_MARKS: Phrases = Phrases::new(
    "\
     re|aw|sv|vs|antw|antwort|r|odp|ynt|cevap|rv|res|rif|rép|rép.|rsp|resp|ats|atb|bls|vá|válasz|\
     απ|σχετ|отв|ответ|на|回复|回覆|答复|答覆|返信|\
     fw|fwd|wg|tr|enc|i|vl|vb|doorst|pd|ilt|továbbítás|πρθ|转发|轉寄|轉發|転送",
);

/// Whether a subject in lower case is one of an answer, or of what is passed on.
pub(crate) fn is_answer(subject: &str) -> bool {
    let mut rest = subject.trim_start();
    if rest.starts_with("[fwd:") {
        return true;
    }
    // Lists put their name before it: `[list] Re: …`.
    while let Some((_, behind)) = rest
        .strip_prefix('[')
        .and_then(|tagged| tagged.split_once(']'))
    {
        rest = behind.trim_start();
    }
    let Some((mark, _)) = rest.split_once([':', '：']) else {
        return false;
    };
    // Some count: `Re[2]:`, `Re^3:`; the French put a space there.
    let mark = mark.split(['[', '(', '^']).next().unwrap_or(mark);
    ANSWER_MARKS.has(mark.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_names() {
        for from in [
            "MAILER-DAEMON@mx.example",
            "Mail Delivery Subsystem <mailer-daemon@provider.example>",
            "\"Mail Delivery System\" <noreply@provider.example>",
            "postmaster@customer.example",
            "<>",
        ] {
            assert!(is_daemon(from), "{from}");
        }
        for from in [
            "Ann <ann@customer.example>",
            "",
            "Bounce House Rentals <info@shop.example>",
        ] {
            assert!(!is_daemon(from), "{from}");
        }
    }

    #[test]
    fn answers_are_told_by_their_subjects() {
        for subject in [
            "re: a",
            "aw: a",
            "fwd: a",
            "  sv: a",
            "re : a",
            "re[2]: a",
            "re^3: a",
            "回覆：a",
            "[list] [x] re: a",
            "[fwd: a: b]",
            "antwort: undeliverable: a",
        ] {
            assert!(is_answer(subject), "{subject}");
        }
        for subject in [
            "a re: b",
            "returned mail",
            "re a",
            "",
            "[a]",
            "[a: re: b",
            "error: a",
        ] {
            assert!(!is_answer(subject), "{subject}");
        }
    }

    #[test]
    fn feedback_loops_are_told_by_their_senders() {
        for from in [
            "staff@a.example",
            "Loop <fbl-no-reply@a.example>",
            "Complaints@a.example",
            "email-abuse@a.example",
        ] {
            assert!(is_feedback(from), "{from}");
        }
        for from in [
            "",
            "ann@abuse.example",
            "staff.ann@a.example",
            "junkyard@a.example",
        ] {
            assert!(!is_feedback(from), "{from}");
        }
    }

    #[test]
    fn every_phrase_counts() {
        DAEMON_NAMES.check_within();
        NOBODY.check_within();
        ANSWER_MARKS.check_apart();
        DAEMONS.check(|one, other| one == other || one.starts_with(&format!("{other}-")));
    }
}
