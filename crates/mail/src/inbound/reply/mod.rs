//! What somebody wrote in a reply, without the thread that it quotes and without a signature.
//!
//! A text is read line by line, each line is of a kind ([`lines`]), and what is left out follows
//! from how the kinds follow one another ([`strip`]). A reply that has nothing else keeps what it
//! quotes: nothing may vanish.

mod attribution;
mod forward;
mod lines;
mod strip;
mod thread;

#[cfg(test)]
mod tests;

use super::html;
use super::mime::Mail;

pub use forward::is_forwarded;
pub use strip::strip;
pub use thread::{Thread, thread};

/// Octets of a body that are read.
const TEXT_MAX: usize = 1024 * 1024;

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
    let body = |sub: &str| {
        let mut leaves = mail
            .own_leaves()
            .filter(|(_, part)| part.media.is("text", sub) && !part.is_attachment);
        leaves.next().map(|(index, _)| mail.text(index, TEXT_MAX))
    };
    let html = body("html");
    let plain = body("plain").filter(|text| !text.trim().is_empty());
    let text = plain.unwrap_or_else(|| html.as_deref().map(html::to_text).unwrap_or_default());
    ReplyText {
        stripped: strip(&text),
        text,
        html,
    }
}
