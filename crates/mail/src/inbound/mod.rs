//! Mail that comes in, understood: from octets to what they say.
//!
//! [`Reader::read`] decides between four things that a message can be: a report about a delivery
//! (RFC 3464, and bounces in prose), a complaint (RFC 5965, and forms without one), an automatic
//! answer (RFC 3834), or mail that somebody wrote. Nothing is looked up, stored or answered here:
//! which delivery a fact is about is found by whoever has the store.
//!
//! All of it is written by strangers. What is read has limits ([`mime`]), what can't be
//! understood is left out, and the raw message is never changed. Everything costs a number of
//! looks at the octets that does not depend on what they are.
//!
//! Read in this order: [`mime`], `origin`, [`status`], `bounce`, [`complaint`], [`automatic`], [`reply`].

pub mod automatic;
pub mod complaint;
pub mod html;
pub mod mime;
pub mod reply;
pub mod status;

mod address;
mod bounce;
mod notification;
mod origin;
mod people;
mod phrases;

#[cfg(test)]
mod tests;

use crate::classify::Classifier;

pub use automatic::AutoReply;
pub use complaint::{Complaint, FeedbackType};
pub use mime::Mail;
pub use origin::Envelope;
pub use people::{Person, people, people_in};
pub use reply::{ReplyText, Thread, is_forwarded, reply_text, thread};
pub use status::{Action, RecipientStatus, Returned, StatusReport};

use bounce::Notice;
use origin::Origin;
use status::Judge;

/// What a message that came in is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// A report about a delivery: a bounce, a delay, a confirmation.
    Status(StatusReport),
    /// A complaint about a message, or its contrary.
    Complaint(Complaint),
    /// A program's answer.
    Automatic(AutoReply),
    /// Mail that somebody wrote, or that looks like it.
    Mail,
}

/// Understands messages. Making one takes milliseconds.
#[derive(Debug)]
pub struct Reader {
    judge: Judge,
}

impl Reader {
    /// A reader that knows from `classifier` what replies mean.
    pub fn new(classifier: Classifier) -> Self {
        Self {
            judge: Judge::new(classifier),
        }
    }

    /// What a message is that came in this envelope.
    pub fn read(&self, mail: &Mail<'_>, envelope: Envelope<'_>) -> Inbound {
        read(mail, &Origin::of(mail, envelope), &self.judge)
    }
}

fn read(mail: &Mail<'_>, origin: &Origin, judge: &Judge) -> Inbound {
    if let Some(complaint) = complaint::read(mail, origin) {
        return Inbound::Complaint(complaint);
    }
    if let Some(fact) = notification::read(mail, origin, judge) {
        return fact;
    }
    let notice = Notice::of(mail);
    if let Some(challenge) = automatic::challenge(mail, origin, &notice) {
        return Inbound::Automatic(challenge);
    }
    if let Some(mut report) = status::read(mail, origin, &notice, judge) {
        bounce::complete(mail, origin, &notice, &mut report);
        return Inbound::Status(report);
    }
    // Before the prose: a vacation note may quote a message that failed.
    if let Some(answer) = automatic::by_subject(mail, origin, &notice) {
        return Inbound::Automatic(answer);
    }
    if let Some(report) = bounce::read(mail, origin, &notice, judge) {
        return Inbound::Status(report);
    }
    automatic::read(mail, origin, &notice).map_or(Inbound::Mail, Inbound::Automatic)
}
