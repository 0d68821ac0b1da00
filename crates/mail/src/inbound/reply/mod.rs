//! What somebody wrote in a reply, without the thread that it quotes and without a signature.
//!
//! The text is that of all parts that stand inline ([`body`]). It is read line by line, each line
//! is of a kind ([`lines`]), and what is left out follows from how the kinds follow one another
//! ([`strip`]). A reply that has nothing else keeps what it quotes: nothing may vanish.

mod attribution;
mod body;
mod forward;
mod lines;
mod strip;
mod thread;

#[cfg(test)]
mod tests;

use super::mime::Mail;
use body::Body;

pub use forward::is_forwarded;
pub use strip::strip;
pub use thread::{Thread, thread};

/// The texts of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyText {
    /// Its text, made from HTML where it has no other.
    pub text: String,
    /// Its HTML, if it has any.
    pub html: Option<String>,
    /// The text without quoted thread and signature.
    pub stripped: String,
}

/// The texts of a message.
pub fn reply_text(mail: &Mail<'_>) -> ReplyText {
    let Body { text, html } = Body::of(mail);
    ReplyText {
        stripped: strip(&text),
        text,
        html,
    }
}
