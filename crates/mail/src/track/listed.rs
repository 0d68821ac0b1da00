//! The List-Unsubscribe of a message (RFC 2369 §3.2): addresses in it are left alone, and a placeholder in it is
//! replaced as in the text. No other field of a header has places.

use crate::header::Field;
use crate::inbound::mime::Mail;

use super::parts::Language;
use super::plan::{Carrier, Edit, PartPlan, With};
use super::spelling::{Placeholder, placeholders};
use super::{Note, url};

/// A header with more placeholders is not touched: nobody has so many addresses.
const COUNT_MAX: usize = 8;

/// The addresses that it has, which must work without us.
pub(super) fn addresses(mail: &Mail<'_>) -> Vec<String> {
    fields(mail)
        .flat_map(|field| url::listed(&String::from_utf8_lossy(&field.unfolded())))
        .collect()
}

/// The header of a message with the places of placeholders; `None` where there are none, or where not all of the
/// header was read.
pub(super) fn places(mail: &Mail<'_>) -> Option<Result<PartPlan, Note>> {
    if mail.is_limited() {
        return None;
    }
    let header = mail.header(0).as_bytes();
    let edits = |field: Field<'_>| {
        let start = field.span().start;
        let octets = header.get(field.span().clone()).unwrap_or_default();
        let found = placeholders(octets, Language::Plain).into_iter();
        found.map(move |Placeholder { place, begins_tag }| Edit {
            span: place.start + start..place.end + start,
            with: With::Unsubscribe { begins_tag },
        })
    };
    let edits: Vec<Edit> = fields(mail).flat_map(edits).collect();
    if edits.is_empty() {
        return None;
    }
    if edits.len() > COUNT_MAX {
        return Some(Err(Note::TooManyLinks));
    }
    Some(Ok(PartPlan {
        body: 0..header.len(),
        language: Language::Plain,
        carrier: Carrier::Plain,
        edits,
    }))
}

fn fields<'a>(mail: &Mail<'a>) -> impl Iterator<Item = Field<'a>> {
    let fields = mail.header(0).fields();
    fields.filter(|field| field.is("List-Unsubscribe"))
}
