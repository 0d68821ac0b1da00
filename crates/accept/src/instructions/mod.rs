//! What a submitted message asks for in its control fields, `X-Postbell-…`.
//!
//! They are the only way for an SMTP client to choose a configuration set, a time, tags. So a
//! field that is misspelt, given twice or not understood is refused with its name and never
//! dropped: the sender would take it for done. What is read goes to the store and to events, never
//! into a header or a command.
//!
//! Not refused: [`RELAYED`], the fields that we add ourselves. They stand in every message that went
//! through such a server before.

mod fault;
mod metadata;
mod value;

#[cfg(test)]
mod tests;

use std::time::Duration;

use postbell_mail::control::{self, Control};
use postbell_mail::header::HeaderError;
use postbell_model::{Instructions, Timestamp};

pub use fault::{ControlFault, Shown, Wrong};

/// The fields that we write: mail that is sent on, or sent again, has them from the time before.
const RELAYED: [&str; 1] = ["Delivery"];

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlName {
    /// Which configuration set decides.
    ConfigurationSet,
    /// The name of the stream.
    Stream,
    /// Tags for events.
    Tags,
    /// Names and values for events.
    Metadata,
    /// Whether opens are tracked.
    TrackOpens,
    /// Whether clicks are tracked.
    TrackClicks,
    /// Whether List-Unsubscribe is added.
    Unsubscribe,
    /// When the message is sent.
    SendAt,
    /// How long it is tried.
    ExpireAfter,
    /// What makes a second submission known.
    IdempotencyKey,
}

impl ControlName {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ConfigurationSet,
        Self::Stream,
        Self::Tags,
        Self::Metadata,
        Self::TrackOpens,
        Self::TrackClicks,
        Self::Unsubscribe,
        Self::SendAt,
        Self::ExpireAfter,
        Self::IdempotencyKey,
    ];

    /// The name behind `X-Postbell-`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigurationSet => "Configuration-Set",
            Self::Stream => "Stream",
            Self::Tags => "Tags",
            Self::Metadata => "Metadata",
            Self::TrackOpens => "Track-Opens",
            Self::TrackClicks => "Track-Clicks",
            Self::Unsubscribe => "Unsubscribe",
            Self::SendAt => "Send-At",
            Self::ExpireAfter => "Expire-After",
            Self::IdempotencyKey => "Idempotency-Key",
        }
    }

    fn of(control: &Control<'_>) -> Result<Self, ControlFault> {
        let known = |known: &Self| known.name().eq_ignore_ascii_case(control.name());
        let found = Self::ALL.into_iter().find(known);
        found.ok_or_else(|| ControlFault::unknown(control.name()))
    }
}

/// What a message asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The name of the configuration set.
    pub(crate) configuration_set: Option<String>,
    /// What is kept with the message.
    pub(crate) instructions: Instructions,
    /// When it is sent; `None`, or in the past: at once.
    pub(crate) send_at: Option<Timestamp>,
    /// How long it is tried, from then on.
    pub(crate) expire_after: Option<Duration>,
    /// The client's idempotency key.
    pub(crate) idempotency_key: Option<String>,
}

/// Why it can't be said what a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    Header(HeaderError),
    Control(ControlFault),
}

/// Reads the control fields of a message. Costs one look at the header.
pub(crate) fn read(raw: &[u8]) -> Result<Asked, Unread> {
    let mut asked = Asked::default();
    let mut seen: Vec<ControlName> = Vec::new();
    for control in control::controls(raw).map_err(Unread::Header)? {
        if RELAYED
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(control.name()))
        {
            continue;
        }
        let name = ControlName::of(&control).map_err(Unread::Control)?;
        if seen.contains(&name) {
            return Err(Unread::Control(ControlFault::Repeated(name)));
        }
        seen.push(name);
        let taken = asked.take(name, control.text().trim());
        taken.map_err(|wrong| Unread::Control(ControlFault::Wrong(name, wrong)))?;
    }
    Ok(asked)
}

impl Asked {
    fn take(&mut self, name: ControlName, text: &str) -> Result<(), Wrong> {
        if text.is_empty() {
            return Err(Wrong::Empty);
        }
        let kept = &mut self.instructions;
        match name {
            ControlName::ConfigurationSet => self.configuration_set = Some(value::name(text)?),
            ControlName::Stream => kept.stream = Some(value::name(text)?),
            ControlName::Tags => kept.tags = value::tags(text)?,
            ControlName::Metadata => kept.metadata = metadata::read(text)?,
            ControlName::TrackOpens => kept.track_opens = Some(value::yes_or_no(text)?),
            ControlName::TrackClicks => kept.track_clicks = Some(value::yes_or_no(text)?),
            ControlName::Unsubscribe => kept.unsubscribe = Some(value::yes_or_no(text)?),
            ControlName::SendAt => {
                self.send_at = Some(Timestamp::read(text).ok_or(Wrong::NotATime)?);
            }
            ControlName::ExpireAfter => self.expire_after = Some(value::duration(text)?),
            ControlName::IdempotencyKey => self.idempotency_key = Some(value::key(text)?),
        }
        Ok(())
    }
}
