//! Who stands in an address field, for people to read.
//!
//! [`crate::mailbox`] reads the same strictly, since something depends on it there. Here whatever
//! looks like an address is one, and names are decoded (RFC 2047); groups are left open.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::address;
use crate::header::Field;
use crate::words::prepared;

/// Octets of a field that are read.
const FIELD_MAX: usize = 64 * 1024;

/// A mailbox with its display name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The display name, decoded; empty where there is none.
    pub name: String,
    /// The address, as it was written.
    pub address: String,
}

/// The mailboxes of an address field in their order, at most `limit`.
pub fn people(field: &Field<'_>, limit: usize) -> Vec<Person> {
    people_in(field, None, limit)
}

/// The same of a message whose text is in this character set. Addresses that something depends
/// on are those of [`people`]: a message may name any character set.
pub fn people_in(field: &Field<'_>, charset: Option<&str>, limit: usize) -> Vec<Person> {
    let value = field.unfolded();
    let value = value.get(..FIELD_MAX).unwrap_or(&value);
    let mut line = prepared(value, charset).into_owned();
    line.push(b'\n');
    let HeaderValue::Address(found) = MessageStream::new(&line).parse_address() else {
        return Vec::new();
    };
    let named = found.iter().filter_map(|mailbox| {
        let written = mailbox.address.as_deref()?.trim();
        address::is_whole(written).then(|| Person {
            name: mailbox
                .name
                .as_deref()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            address: written.to_owned(),
        })
    });
    named.take(limit).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::Header;

    fn read(value: &[u8]) -> Vec<(String, String)> {
        let raw = [b"From: ", value, b"\r\n"].concat();
        let header = Header::of(&raw);
        let field = header.fields().next().unwrap();
        let people = people(&field, 100).into_iter();
        people.map(|person| (person.name, person.address)).collect()
    }

    #[test]
    fn names_are_decoded_and_addresses_kept() {
        let check = |value: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, address)| ((*name).to_owned(), (*address).to_owned()))
                .collect();
            assert_eq!(read(value.as_bytes()), expected, "{value}");
        };
        check("a@example.com", &[("", "a@example.com")]);
        check(
            "Ann Lee <Ann@Example.com>",
            &[("Ann Lee", "Ann@Example.com")],
        );
        check(
            "\"Lee, Ann\" <a@example.com>",
            &[("Lee, Ann", "a@example.com")],
        );
        check(
            "=?utf-8?q?J=C3=B6?= <a@example.com>",
            &[("Jö", "a@example.com")],
        );
        check(
            "=?utf-8?q?J=C3?= =?utf-8?q?=B6?= <a@example.com>, =?utf-8?b?Qg==?= <b@example.com>",
            &[("Jö", "a@example.com"), ("B", "b@example.com")],
        );
        check(
            "\"=?utf-8?b?SsM=?= =?utf-8?b?tg==?=\" <a@example.com>",
            &[("Jö", "a@example.com")],
        );
        check("Jörg <a@example.com>", &[("Jörg", "a@example.com")]);
        check(
            "a@example.com,\r\n B <b@example.com>",
            &[("", "a@example.com"), ("B", "b@example.com")],
        );
        check(
            "Friends: a@example.com, b@example.com;",
            &[("", "a@example.com"), ("", "b@example.com")],
        );
        check("undisclosed-recipients:;", &[]);
        check("nobody", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
            for (_, address) in read(&value) {
                prop_assert!(address.contains('@'));
            }
        }
    }
}
