//! Strict reading of address fields: the `mailbox-list` of RFC 5322 §3.4.
//!
//! Who a message is from must not depend on the reader, so what can be understood in two ways is
//! refused, not guessed: groups (RFC 6854 allows them in From; they name no sender), routes,
//! comments and white space inside an address, an unquoted `@` or special in a display name.
//! Read over, since nobody takes them for something else: comments around addresses, empty
//! places in a list, unquoted dots, square brackets and raw 8-bit octets in a display name.

use memchr::memchr;
use postbell_model::Address;
use postbell_model::address::AddressError;

/// A longer list is not read.
pub const LIST_MAX: usize = 1_000;
/// Comments nested deeper are not read.
const NESTING_MAX: usize = 32;

/// Why a field is no list of mailboxes. Each reads on after "the From field is malformed:".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// There is no address in it.
    #[error("it names no address")]
    Empty,
    /// It has a group, or a colon outside quotes.
    #[error("it has a colon outside quotes, which makes it a group of addresses")]
    Group,
    /// A display name has an `@` outside quotes.
    #[error("its display name has an @, so it must stand in double quotes")]
    NakedAt,
    /// A quoted string, comment or angle bracket is not closed, or something stands where
    /// nothing may.
    #[error("it is not of the form \"Name\" <local-part@domain>")]
    Syntax,
    /// What should be an address is none.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// It has more than [`LIST_MAX`] addresses.
    #[error("it names more than {LIST_MAX} addresses")]
    TooMany,
}

/// Reads the unfolded value of a From, Sender or Reply-To field.
///
/// # Errors
/// Says what keeps it from being a list of mailboxes.
pub fn read_list(value: &[u8]) -> Result<Vec<Address>, MailboxError> {
    let mut reader = Reader { rest: value };
    let mut list = Vec::new();
    loop {
        reader.skip_comments()?;
        match reader.rest.first() {
            None => break,
            Some(b',') => reader.advance(1),
            Some(_) if list.len() == LIST_MAX => return Err(MailboxError::TooMany),
            Some(_) => list.push(reader.mailbox()?),
        }
    }
    if list.is_empty() {
        return Err(MailboxError::Empty);
    }
    Ok(list)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn advance(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }

    /// One mailbox, up to the comma after it.
    fn mailbox(&mut self) -> Result<Address, MailboxError> {
        let start = self.rest;
        let mut words = 0;
        let mut naked_at = false;
        loop {
            match self.rest.first() {
                None | Some(b',') => return address(head(start, words)),
                Some(b'<') => break,
                Some(b':' | b';') => return Err(MailboxError::Group),
                Some(b'"') => self.advance(quoted_len(self.rest)?),
                Some(b'[') => self.advance(bracketed_len(self.rest)?),
                Some(b'>' | b')' | b']' | b'\\') => return Err(MailboxError::Syntax),
                Some(octet) if octet.is_ascii_control() => return Err(MailboxError::Syntax),
                Some(octet) => {
                    naked_at |= *octet == b'@';
                    self.advance(1);
                }
            }
            words = start.len() - self.rest.len();
            self.skip_comments()?;
        }
        let angle = self.angle_address()?;
        let name = head(start, words);
        // Many programs give the address itself for a name: nobody can take it for another.
        if naked_at && !name.eq_ignore_ascii_case(angle.as_str().as_bytes()) {
            return Err(MailboxError::NakedAt);
        }
        Ok(angle)
    }

    /// `<local-part@domain>` and what may follow it.
    fn angle_address(&mut self) -> Result<Address, MailboxError> {
        self.advance(1);
        let start = self.rest;
        let quoted = match start.trim_ascii_start() {
            inner @ [b'"', ..] => start.len() - inner.len() + quoted_len(inner)?,
            _ => 0,
        };
        let tail = start.get(quoted..).unwrap_or_default();
        let end = quoted + memchr(b'>', tail).ok_or(MailboxError::Syntax)?;
        let found = address(head(start, end).trim_ascii())?;
        self.advance(end + 1);
        self.skip_comments()?;
        match self.rest.first() {
            None | Some(b',') => Ok(found),
            Some(_) => Err(MailboxError::Syntax),
        }
    }

    /// White space and comments (RFC 5322 §3.2.2).
    fn skip_comments(&mut self) -> Result<(), MailboxError> {
        let mut depth = 0_usize;
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => self.advance(1),
                [b'(', ..] if depth == NESTING_MAX => return Err(MailboxError::Syntax),
                [b'(', ..] => {
                    depth += 1;
                    self.advance(1);
                }
                _ if depth == 0 => return Ok(()),
                [] => return Err(MailboxError::Syntax),
                [b')', ..] => {
                    depth -= 1;
                    self.advance(1);
                }
                [b'\\', ..] => self.advance(2),
                _ => self.advance(1),
            }
        }
    }
}

fn head(octets: &[u8], len: usize) -> &[u8] {
    octets.get(..len).unwrap_or(octets)
}

fn address(octets: &[u8]) -> Result<Address, MailboxError> {
    let text = str::from_utf8(octets).map_err(|_| MailboxError::Syntax)?;
    Ok(Address::parse(text)?)
}

/// The length of the quoted string that `rest` begins with (RFC 5322 §3.2.4).
fn quoted_len(rest: &[u8]) -> Result<usize, MailboxError> {
    let mut escaped = false;
    for (index, octet) in rest.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(index + 1),
            _ => {}
        }
    }
    Err(MailboxError::Syntax)
}

/// The length of `[…]`: an address literal, or part of a display name.
fn bracketed_len(rest: &[u8]) -> Result<usize, MailboxError> {
    let end = memchr(b']', rest).ok_or(MailboxError::Syntax)?;
    let plain = !head(rest, end)
        .iter()
        .any(|octet| b",<>\"()\\@".contains(octet) || octet.is_ascii_control());
    plain.then_some(end + 1).ok_or(MailboxError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, wanted: Result<&[&str], MailboxError>) {
        let read = read_list(value.as_bytes()).map(|list| {
            let texts = list.iter().map(|address| address.as_str().to_owned());
            texts.collect::<Vec<_>>()
        });
        let wanted = wanted.map(|list| list.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(read, wanted, "{value}");
    }

    // RFC 5322 §3.4 and its appendix A.
    #[test]
    fn mailboxes_are_read() {
        for (value, wanted) in [
            ("a@example.com", &["a@example.com"][..]),
            ("<a@example.com>", &["a@example.com"]),
            (
                " John Doe <jdoe@machine.example> ",
                &["jdoe@machine.example"],
            ),
            (
                "\"Joe Q. Public\" <john.q@example.com>",
                &["john.q@example.com"],
            ),
            (
                "Joe Q. Public <john.q@example.com>",
                &["john.q@example.com"],
            ),
            ("\"a, b <c@d.example>\" <e@example.com>", &["e@example.com"]),
            ("=?utf-8?q?J=C3=B6?= <a@example.com>", &["a@example.com"]),
            ("Jörg <a@Example.COM>", &["a@example.com"]),
            (
                "a@example.com (Ann (her \\) own) words)",
                &["a@example.com"],
            ),
            ("(x) Ann (y) <a@example.com> (z)", &["a@example.com"]),
            ("\"a b\"@example.com", &["\"a b\"@example.com"]),
            ("<\"a>b\"@example.com>", &["\"a>b\"@example.com"]),
            ("a@[192.0.2.1]", &["a@[192.0.2.1]"]),
            ("a@[IPv6:2001:db8::1]", &["a@[IPv6:2001:db8::1]"]),
            ("[List] Ann <a@example.com>", &["a@example.com"]),
            ("a@example.com <A@example.com>", &["A@example.com"]),
            (
                "a@b.example, C <c@d.example>,, ",
                &["a@b.example", "c@d.example"],
            ),
        ] {
            check(value, Ok(wanted));
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (value, error) in [
            ("", MailboxError::Empty),
            (" , (none)", MailboxError::Empty),
            ("undisclosed-recipients:;", MailboxError::Group),
            (
                "Friends: a@example.com, b@example.com;",
                MailboxError::Group,
            ),
            ("a@other.example <b@example.com>", MailboxError::NakedAt),
            ("Ann <a@example.com", MailboxError::Syntax),
            ("\"Ann <a@example.com>", MailboxError::Syntax),
            ("(Ann <a@example.com>", MailboxError::Syntax),
            ("<a@example.com> <b@example.com>", MailboxError::Syntax),
            ("<a@example.com> b", MailboxError::Syntax),
            ("a>b <a@example.com>", MailboxError::Syntax),
            ("a\0b <a@example.com>", MailboxError::Syntax),
            ("[a, b@c.example] <a@example.com>", MailboxError::Syntax),
            ("Ann", MailboxError::Address(AddressError::NoAt)),
            (
                "Foo, Inc. <a@example.com>",
                MailboxError::Address(AddressError::NoAt),
            ),
            ("<>", MailboxError::Address(AddressError::NoAt)),
            (
                "a b@example.com",
                MailboxError::Address(AddressError::BadLocalPart),
            ),
            (
                "a@b@example.com",
                MailboxError::Address(AddressError::BadDomain),
            ),
            (
                "<a@example.com(x)>",
                MailboxError::Address(AddressError::BadDomain),
            ),
            (
                "<@relay.example:a@example.com>",
                MailboxError::Address(AddressError::EmptyLocalPart),
            ),
        ] {
            check(value, Err(error));
        }
    }

    #[test]
    fn lists_and_nesting_have_limits() {
        let many = "a@example.com,".repeat(LIST_MAX + 1);
        assert_eq!(read_list(many.as_bytes()), Err(MailboxError::TooMany));
        let deep = format!("{}a@example.com", "(".repeat(100_000));
        assert_eq!(read_list(deep.as_bytes()), Err(MailboxError::Syntax));
    }
}
