//! Which message another one answers (RFC 5322 §3.6.4).

use crate::inbound::mime::Mail;

/// Message-IDs of a field that are kept, the last ones.
const IDS_MAX: usize = 50;
/// Longer ones are none (RFC 5322 §2.1.1).
const ID_MAX: usize = 998;

/// The Message-IDs that place a message in a thread, without angle brackets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its own.
    pub message_id: Option<String>,
    /// Those of the message that it answers; there may be several.
    pub in_reply_to: Vec<String>,
    /// Those of the messages before it, the nearest last.
    pub references: Vec<String>,
}

/// Reads them.
pub fn thread(mail: &Mail<'_>) -> Thread {
    let ids = |name: &str| {
        mail.field(name)
            .map(|field| ids(&field.text()))
            .unwrap_or_default()
    };
    Thread {
        message_id: ids("Message-ID").pop(),
        in_reply_to: ids("In-Reply-To"),
        references: ids("References"),
    }
}

/// Words with an `@`: what lies between angle brackets where there are any.
fn ids(value: &str) -> Vec<String> {
    let is_between = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',');
    let words = value
        .split(is_between)
        .filter(|word| word.contains('@') && word.len() <= ID_MAX);
    let mut ids: Vec<_> = words.rev().take(IDS_MAX).map(str::to_owned).collect();
    ids.reverse();
    ids
}
