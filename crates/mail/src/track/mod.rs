//! Links that report a click, and a pixel that reports an opening.
//!
//! A message is planned once and rendered for each of its recipients. [`Plan::of`] finds the
//! places: links to `http` and `https` in the message's own HTML, also in Outlook's conditional
//! comments; the end of the body, for the pixel; and [`PLACEHOLDER`], also in List-Unsubscribe. [`Plan::render`] asks a
//! [`Tracker`] what stands there for a recipient. A plan holds places, not pages: what lies
//! between them is copied as it was submitted.
//!
//! The encoding of a part stays (RFC 2045 §6). Quoted-printable is spliced, so that a line that
//! has no place in it keeps its octets; base64 is encoded anew in lines of its length. Where a
//! splice makes a line too long (RFC 5322 §2.1.1), a line end is put between attributes of the
//! tag; what has no room for one is left to [`crate::transfer`], as any other long line.
//!
//! Not touched, ever: what is signed or encrypted (RFC 1847 §2.1, PGP in the text), attached or
//! forwarded messages, files, links that are no web address or not yet one (`{{…}}`), and
//! everything that could be understood in two ways. What had to be left alone is told by
//! [`Note`]s. `docs/tracking.md` has the rules in full.

mod charset;
mod content;
mod entity;
mod fold;
mod html;
mod links;
mod listed;
mod options;
mod parts;
mod pixel;
mod placeholder;
mod plan;
mod quoted;
mod render;
mod spelling;
mod survey;
mod text;
mod url;

#[cfg(test)]
mod tests;

pub use options::{Options, Pattern, PlainText, Seek};
pub use placeholder::Placeholders;
pub use plan::Plan;
pub use render::Tracked;

/// What the address of unsubscribing takes the place of, in HTML, in plain text and in List-Unsubscribe.
/// White space may stand within the braces.
pub const PLACEHOLDER: &str = "{{postbell.unsubscribe_url}}";

/// A part that brings a message beyond so many links, tracked or not, is not touched.
pub const LINKS_MAX: usize = 10_000;
/// A part with more placeholders is not touched.
pub const PLACEHOLDERS_MAX: usize = 1_000;
/// A longer address is not tracked.
pub const URL_MAX: usize = 16 * 1024;
/// A part with more octets, decoded, is not touched.
pub const CONTENT_MAX: usize = 10 * 1024 * 1024;

/// Where the tracked addresses of one recipient come from.
pub trait Tracker {
    /// What stands for a link; `None` leaves it as it is. `url` is what a reader's program would
    /// go to, with the additions of [`Options`], in Unicode and not percent-encoded any further.
    fn link(&self, url: &str, place: Place) -> Option<String>;

    /// The address of the pixel; `None` for no pixel.
    fn pixel(&self) -> Option<String>;

    /// The address that takes the place of [`PLACEHOLDER`]; `None` leaves it there.
    fn unsubscribe(&self) -> Option<String>;
}

/// Which link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// How many links that can be tracked stand before it in the message.
    pub index: usize,
    /// What it is written as.
    pub form: Form,
}

/// What a link is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `<a href>`
    Anchor,
    /// `<area href>`
    Area,
    /// A shape that Outlook draws: `<v:roundrect href>`
    Shape,
    /// An address in plain text.
    Text,
}

/// What was left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Note {
    /// Its signature would no longer hold, or nobody can look into it.
    #[error("what is signed or encrypted is left as it is")]
    Protected,
    /// Its octets do not stand for ASCII.
    #[error("a part in the character set {0:?} is left as it is")]
    CharsetLeftAlone(String),
    /// It is none of RFC 2045, or the part is not encoded as it says.
    #[error("a part in the transfer encoding {0:?} is left as it is")]
    EncodingLeftAlone(String),
    /// Its header, or that of what it is in, does not end with an empty line, has a line that is
    /// no field, or twice a field that there should be once.
    #[error("a part whose header may be read in two ways is left as it is")]
    Unclear,
    /// More parts, or more tags within one another, than anybody has use for.
    #[error("what is nested too deeply is left as it is")]
    TooComplex,
    /// [`CONTENT_MAX`]
    #[error("a part of more than {CONTENT_MAX} octets is left as it is")]
    TooLong,
    /// [`LINKS_MAX`] or [`PLACEHOLDERS_MAX`]
    #[error("a part with more links than a message may have is left as it is")]
    TooManyLinks,
    /// [`URL_MAX`]
    #[error("a link of more than {URL_MAX} octets is not tracked")]
    LongLink,
    /// The page ends within a comment, a script or a tag.
    #[error("the page has no place for a pixel")]
    NoPlaceForPixel,
    /// There is a placeholder, and nothing to put there.
    #[error("there is no address to put in place of {PLACEHOLDER}")]
    NoUnsubscribeUrl,
}
