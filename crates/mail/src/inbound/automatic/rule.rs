//! What a rule in an Exchange mailbox has sent: an answer, or a person's mail that it sent on.
//!
//! Exchange marks both with the mailbox whose rule it was. Mail that is sent on keeps its author
//! and its recipients, among whom that mailbox is; an answer is written for the mailbox, at its
//! own domain.

use crate::inbound::bounce::Notice;
use crate::inbound::mime::Mail;
use crate::inbound::{address, people};

/// The field that it is marked with.
pub(super) const FIELD: &str = "X-MS-Exchange-Inbox-Rules-Loop";
/// Mailboxes of a field that are looked at.
const PEOPLE_MAX: usize = 100;

/// Whether a rule wrote it, and no sign speaks for a person.
pub(super) fn wrote(mail: &Mail<'_>, notice: &Notice) -> bool {
    let marked = mail.field(FIELD).map(|field| field.text());
    let Some(owner) = marked.as_deref().and_then(address::first) else {
        return false;
    };
    let authors = addresses(mail, &["From"]);
    let is_its_own = authors.first().is_some_and(|author| {
        // What answers in the name of the mailbox itself says so by Auto-Submitted as well.
        domain(author).eq_ignore_ascii_case(domain(&owner)) && !address::same(author, &owner)
    });
    let recipients = addresses(mail, &["To", "Cc"]);
    let was_sent_on = recipients.iter().any(|to| address::same(to, &owner));
    // RFC 5322 §3.6.6: Resent- fields stand in what was sent on; the others are a person's.
    let signs = ["Resent-From", "Resent-To", "User-Agent", "X-Mailer"];
    let is_signed = signs.iter().any(|name| mail.field(name).is_some());
    is_its_own && !was_sent_on && !is_signed && !notice.quotes()
}

fn addresses(mail: &Mail<'_>, names: &[&str]) -> Vec<String> {
    let header = mail.header(0);
    let fields = header
        .fields()
        .filter(|field| names.iter().any(|name| field.is(name)));
    let named = fields.flat_map(|field| people(&field, PEOPLE_MAX));
    named
        .take(PEOPLE_MAX)
        .map(|person| person.address)
        .collect()
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}
