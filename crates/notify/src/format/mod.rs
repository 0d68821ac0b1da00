//! The vocabularies: one event, told as the destination understands it.
//!
//! A format is a total function from an event with the facts of its message to documents: none
//! where the vocabulary has no word for the event, several where it has several. Each document
//! has an id of its own that stays the same over every retry. Retry, time-out and filter belong
//! to the destination, never to the format.

mod incoming;
mod moment;
mod postbell;
mod received;
mod splashify;
mod visitor;
mod workspace;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use postbell_model::{EventKind, Fact};
use postbell_store::{Logged, LoggedEvent};
use serde::Serialize;

// A document is seldom larger; one that is grows its buffer.
const USUAL_SIZE: usize = 1_024;
/// Why mail to an address on the suppression list is not sent, in the words of the reference.
const ON_THE_LIST: &str = "address on suppression list";

/// A vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own: the Splashify envelope with everything that a fact carries.
    Postbell,
    /// That of SplashifyPro.
    Splashify,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Postbell, Self::Splashify];

    /// The name in a destination's settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postbell => "postbell",
            Self::Splashify => "splashify",
        }
    }

    /// How many documents it makes of one event, at most.
    pub const fn most_documents(self) -> u32 {
        match self {
            Self::Postbell | Self::Splashify => 1,
        }
    }

    /// Whether events of this kind are told at all.
    pub(crate) const fn has_word_for(self, kind: EventKind) -> bool {
        match self {
            Self::Postbell => true,
            Self::Splashify => matches!(
                kind,
                EventKind::Send
                    | EventKind::Delivery
                    | EventKind::DeliveryDelay
                    | EventKind::Reject
                    | EventKind::Bounce
                    | EventKind::Complaint
                    | EventKind::Reply
                    | EventKind::Open
                    | EventKind::Click
            ),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.iter().find(|format| format.name() == name);
        found.copied().ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A name of no [`Format`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format \"{0}\"; known are postbell and splashify")]
pub struct UnknownFormat(pub String);

/// What one event is in one vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its place among the documents of its event, 0 for the first.
    pub number: u32,
    /// The same over every retry: that of the event; `_2` behind it for its second document.
    pub id: String,
    /// What the vocabulary calls the event.
    pub name: &'static str,
    /// The body.
    pub json: Bytes,
}

/// Tells an event in a vocabulary. `configuration_set` is the name of its message's set.
pub fn render(format: Format, event: &Logged, configuration_set: &str) -> Vec<Document> {
    if format.has_word_for(event.kind()) {
        preview(format, event, configuration_set)
    } else {
        Vec::new()
    }
}

/// Tells an event in a vocabulary whether or not it is one that is sent. What is about a
/// workspace is told in our own.
pub fn preview(format: Format, event: &Logged, configuration_set: &str) -> Vec<Document> {
    let json = match (format, event) {
        (Format::Postbell, Logged::Delivery(event)) => {
            write(&postbell::Body::new(event, configuration_set))
        }
        (Format::Splashify, Logged::Delivery(event)) => write(&splashify::Body::new(event)),
        (_, Logged::Workspace(event)) => write(&workspace::Body::new(&event.event)),
    };
    vec![Document {
        number: 0,
        id: event.id().to_string(),
        name: event.kind().name(),
        json,
    }]
}

/// The first attempt's delay is the first; so is one that comes right after `Send`, where the
/// process died in the attempts before it and left no event of them.
pub(crate) fn is_first_delay(event: &LoggedEvent) -> bool {
    let first_attempt = event
        .event
        .fact
        .attempt()
        .is_some_and(|attempt| attempt.number == 1);
    first_attempt || event.event.sequence == 2
}

fn write(body: &impl Serialize) -> Bytes {
    let mut json = Vec::with_capacity(USUAL_SIZE);
    serde_json::to_writer(&mut json, body)
        .expect("invariant: text, numbers and string keys are always JSON");
    json.into()
}

/// What far servers said last, as the vocabularies show it.
fn last_reply(fact: &Fact) -> String {
    let last = fact.attempt().and_then(|attempt| attempt.last());
    last.map(|host| host.reply.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
