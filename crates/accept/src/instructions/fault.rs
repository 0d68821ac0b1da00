//! What is wrong with a control field, in words for who wrote the sending program.

use std::fmt;
use std::time::Duration;

use postbell_mail::control::PREFIX;
use postbell_model::duration::format_duration;

use super::metadata::{MEMBERS_MAX, OCTETS_MAX, VALUE_MAX};
use super::value::{KEY_MAX, NAME_MAX, TAG_MAX, TAGS_MAX};
use super::{ControlName, metadata};

/// No more of what a client wrote is said back to it.
const SHOWN_MAX: usize = 64;

/// A control field that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlFault {
    /// There is no such field.
    #[error("There is no header {PREFIX}{0}; there are {PREFIX}{list}", list = known())]
    Unknown(Shown),
    /// It stands there twice.
    #[error("The header {0} stands there more than once")]
    Repeated(ControlName),
    /// Its value makes no sense.
    #[error("The header {0} can't be followed: {1}")]
    Wrong(ControlName, Wrong),
}

impl ControlFault {
    pub(super) fn unknown(name: &str) -> Self {
        Self::Unknown(Shown::of(name))
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// Not the name of anything.
    #[error("write a name of 1 to {NAME_MAX} letters, digits, \"-\", \"_\" and \".\"")]
    NotAName,
    /// No such configuration set.
    #[error("this workspace has no configuration set \"{0}\"")]
    NoSuchSet(Shown),
    /// Neither yes nor no.
    #[error("write yes or no")]
    NotYesOrNo,
    /// Too many tags.
    #[error("it has {0} tags, and at most {TAGS_MAX} are taken")]
    ManyTags(usize),
    /// A tag that is none.
    #[error("write tags of 1 to {TAG_MAX} characters with commas between them")]
    NotATag,
    /// No JSON object of strings.
    #[error("write a JSON object of strings, as {{\"order\": \"42\"}}")]
    NotJson,
    /// A value in it that has no one text.
    #[error("the value of \"{0}\" is no string, whole number, true or false")]
    NotText(Shown),
    /// A name in it stands there twice.
    #[error("\"{0}\" stands there more than once")]
    Twice(Shown),
    /// Too many members.
    #[error("it has more than {MEMBERS_MAX} members")]
    ManyMembers,
    /// A name in it is empty, too long or has control characters.
    #[error("its names must have 1 to {max} characters, none of them a control character", max = metadata::NAME_MAX)]
    NotAKey,
    /// A value in it is too long or has control characters.
    #[error("the value of \"{0}\" has a control character, or more than {VALUE_MAX} characters")]
    NotAValue(Shown),
    /// Too much altogether.
    #[error("its names and values have more than {OCTETS_MAX} octets")]
    Large,
    /// No point in time.
    #[error(
        "write a time with its zone, as 2026-05-03T12:34:57Z or Sun, 3 May 2026 12:34:57 +0000"
    )]
    NotATime,
    /// Too late a time.
    #[error("it is more than {} ahead", format_duration(*.0))]
    TooFar(Duration),
    /// No length of time.
    #[error("write a time such as 2h, 1h30m or 5d, or a number of seconds, more than 0")]
    NotADuration,
    /// No idempotency key.
    #[error("write 1 to {KEY_MAX} printable ASCII characters")]
    NotAnIdempotencyKey,
}

/// A part of what a client wrote, such that it can stand in any reply: ASCII, short, without
/// control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    pub(crate) fn of(text: &str) -> Self {
        let shown = |c: char| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        };
        Self(text.chars().take(SHOWN_MAX).map(shown).collect())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ControlName {
    /// The whole name of the field: `X-Postbell-Stream`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.name())
    }
}

fn known() -> String {
    ControlName::ALL.map(ControlName::name).join(", -")
}
