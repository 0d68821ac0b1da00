//! What a report about a delivery says, in whichever form it came.
//!
//! A report is read for each recipient that it names: what happened, with which codes, in which
//! words, and what that means in our list of classes. Nothing is concluded here about deliveries
//! of ours: what could lead to one is collected in [`Returned`].

mod codes;
mod fields;
mod judge;
mod returned;

#[cfg(test)]
mod tests;

use postbell_model::{BounceClass, EnhancedCode};

use super::bounce::Notice;
use super::mime::Mail;
use super::origin::Origin;

pub use returned::Returned;

pub(super) use codes::{Codes, find as find_codes, first_enhanced};
pub(super) use fields::is_announced;
pub(super) use judge::{Judge, Told};

/// Recipients of a report; RFC 5321 §4.5.3.1.8 lets a transaction have as many.
pub const RECIPIENTS_MAX: usize = 1_000;

/// What a report about a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// How it says it.
    pub form: Form,
    /// The server that reports (RFC 3464 §2.2.2).
    pub reporting_mta: Option<String>,
    /// The envelope id that the message was sent with (RFC 3464 §2.2.1).
    pub envelope_id: Option<String>,
    /// What became of each recipient; never empty.
    pub recipients: Vec<RecipientStatus>,
    /// What is known of the message that it is about.
    pub returned: Returned,
}

/// How a report says what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In fields for programs (RFC 3464).
    Fields,
    /// In prose for people.
    Prose,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientStatus {
    /// The address that the report is about, as it was written; `None` where it names none.
    pub address: Option<String>,
    /// The address that the message was sent to, where the report tells it apart.
    pub original: Option<String>,
    /// What happened.
    pub action: Action,
    /// The status code: what the far server said in the diagnostic text, else what the field
    /// says, in which many put 5.0.0 or a code of their own.
    pub status: Option<EnhancedCode>,
    /// What the field alone says (RFC 3464 §2.3.4).
    pub status_field: Option<EnhancedCode>,
    /// The reply code in the diagnostic text.
    pub code: Option<u16>,
    /// What the far server or the reporting one said.
    pub diagnostic: String,
    /// The server that refused (RFC 3464 §2.3.5).
    pub remote_mta: Option<String>,
    /// What that means; `None` for what is no failure and no delay.
    pub class: Option<BounceClass>,
    /// Whether it is said to be for good: a failure after retries is not.
    pub is_permanent: bool,
}

impl RecipientStatus {
    /// Whether the address is dead: refused for good, and for that cause.
    pub fn is_dead(&self) -> bool {
        let dead = self.class.is_some_and(BounceClass::means_dead_address);
        self.action == Action::Failed && self.is_permanent && dead
    }
}

/// What happened to a message for a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was not delivered and will not be.
    Failed,
    /// It was not delivered yet.
    Delayed,
    /// It was.
    Delivered,
    /// It was handed to a server that will not report.
    Relayed,
    /// It was delivered to a list or to several addresses, which will not report.
    Expanded,
}

impl Action {
    /// The name in RFC 3464: `failed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// Reads the field, where comments and words that are nearly right occur.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let value = value.trim().to_ascii_lowercase();
        let word = value.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        Some(match word {
            "failed" | "failure" | "fail" | "error" | "undeliverable" => Self::Failed,
            "delayed" | "delay" | "deferred" => Self::Delayed,
            "delivered" | "deliverable" | "success" => Self::Delivered,
            "relayed" => Self::Relayed,
            "expanded" => Self::Expanded,
            _ => return None,
        })
    }
}

/// The fields of RFC 3464 in a message, wherever they stand.
pub(super) fn read(
    mail: &Mail<'_>,
    origin: &Origin,
    notice: &Notice,
    judge: &Judge,
) -> Option<StatusReport> {
    fields::read(mail, origin, notice, judge)
}
