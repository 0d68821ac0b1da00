//! Fields with which a sender tells us what to do with a message: `X-Postbell-…`.
//!
//! They are for us alone: [`mod@crate::render`] takes all of them away. What they may say is the
//! gate's matter; here they are found and decoded.

use crate::header::{Field, Header, HeaderError};

/// How their names begin.
pub const PREFIX: &str = "X-Postbell-";

/// A control field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control<'a> {
    name: &'a str,
    field: Field<'a>,
}

impl<'a> Control<'a> {
    /// Reads a field, where it is one of these.
    pub fn of(field: Field<'a>) -> Option<Self> {
        let name = std::str::from_utf8(field.name()).ok()?;
        let (start, name) = name.split_at_checked(PREFIX.len())?;
        start
            .eq_ignore_ascii_case(PREFIX)
            .then_some(Self { name, field })
    }

    /// The rest of its name, as written: `Stream`.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Its value on one line, encoded words decoded (RFC 2047). Control characters are left as
    /// they are.
    pub fn text(&self) -> String {
        self.field.text()
    }
}

/// Whether a field is for us alone, whatever octets its name has.
pub fn is_control(field: &Field<'_>) -> bool {
    let start = field.name().get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

/// The control fields of a message, in their order. Costs one look at the header.
///
/// # Errors
/// The header is too long to be read.
pub fn controls(raw: &[u8]) -> Result<impl Iterator<Item = Control<'_>>, HeaderError> {
    Ok(Header::find(raw)?.fields().filter_map(Control::of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_fields_are_found_and_decoded() {
        let raw = b"From: a@example.com\r\nx-postbell-stream : news\r\n\
            X-Postbell-Tags: =?utf-8?q?J=C3=B6,?=\r\n two\r\nX-Postbell: no\r\nX-Postbell-:\r\n\
            X-Postbel\xc3\xb6-Stream: no\r\n\r\nX-Postbell-Stream: body\r\n";
        let found: Vec<_> = controls(raw)
            .unwrap()
            .map(|control| (control.name().to_owned(), control.text()))
            .collect();
        let wanted = [("stream", "news"), ("Tags", "J\u{f6}, two"), ("", "")];
        assert_eq!(found, wanted.map(|(n, t)| (n.to_owned(), t.to_owned())));
    }
}
