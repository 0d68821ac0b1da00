//! A List-Unsubscribe of ours (RFC 2369 §3.2), with what makes a click of it (RFC 8058 §3.1).
//!
//! A message that says itself where people unsubscribe is left as it is.

use std::fmt;

use crate::header::{Field, Header};

const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
const ONE_CLICK: &str = "List-Unsubscribe-Post";

/// Where a recipient unsubscribes. Asked for a message that does not say so itself.
pub trait Unsubscribe: fmt::Debug {
    /// The address on the web, which takes one-click requests.
    fn page(&self) -> Option<String>;

    /// The address that a mail goes to.
    fn address(&self) -> Option<String>;
}

/// The fields that a header lacks, their line ends included. A field that names no address, or none but ours,
/// counts as none.
pub(super) fn missing(header: Header<'_>, place: &dyn Unsubscribe) -> Option<String> {
    let page = place.page();
    let mut given = header.fields().filter(|field| field.is(LIST_UNSUBSCRIBE));
    if given.any(|field| names_another(&field, page.as_deref())) {
        return None;
    }
    let address = place.address();
    let has_page = page.is_some();
    let page = page.map(|page| format!("<{page}>"));
    let address = address.map(|address| format!("<mailto:{address}>"));
    let all: Vec<String> = page.into_iter().chain(address).collect();
    if all.is_empty() {
        return None;
    }
    let mut fields = format!("{LIST_UNSUBSCRIBE}: {}\r\n", all.join(",\r\n "));
    // RFC 8058 §3.1: where there is an address on the web.
    if has_page {
        fields.push_str(ONE_CLICK);
        fields.push_str(": List-Unsubscribe=One-Click\r\n");
    }
    Some(fields)
}

/// Whether a field names an address other than this page. RFC 2369 §2 has them in angle brackets; what is written
/// without is still the sender's.
fn names_another(field: &Field<'_>, page: Option<&str>) -> bool {
    let value = String::from_utf8_lossy(&field.unfolded()).into_owned();
    let mut words = value.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ','));
    words.any(|word| is_address(word) && Some(word) != page)
}

/// Whether it has a scheme and something behind it, and is not what a template left behind.
fn is_address(word: &str) -> bool {
    let Some((scheme, rest)) = word.split_once(':') else {
        return false;
    };
    // RFC 3986 §3.1
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let has_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(in_scheme);
    let rest = rest.trim_start_matches('/');
    has_scheme && !rest.is_empty() && !rest.contains("{{")
}

/// Fields of a message that would stand beside ours: an empty one, and a promise about it.
pub(super) fn is_replaced(field: &Field<'_>) -> bool {
    field.is(LIST_UNSUBSCRIBE) || field.is(ONE_CLICK)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::tests::rendered_with;
    use super::*;

    const PAGE: &str = "https://track.acme.example/u/token";
    const ADDRESS: &str = "unsub+token@reply.acme.example";
    const BOTH: Place = Place {
        page: Some(PAGE),
        address: Some(ADDRESS),
    };

    const NOWHERE: Place = Place {
        page: None,
        address: None,
    };

    #[derive(Debug, Clone, Copy)]
    struct Place {
        page: Option<&'static str>,
        address: Option<&'static str>,
    }

    impl Unsubscribe for Place {
        fn page(&self) -> Option<String> {
            self.page.map(str::to_owned)
        }

        fn address(&self) -> Option<String> {
            self.address.map(str::to_owned)
        }
    }

    /// The fields that speak of unsubscribing, of a message with `given` among its own.
    fn of(place: &impl Unsubscribe, given: &str) -> String {
        let body = format!("From: a@acme.example\r\n{given}\r\nHello\r\n");
        let out = rendered_with(&Bytes::from(body), Some(place));
        let header = Header::find(&out).unwrap();
        let fields = header.fields().filter(is_replaced);
        let fields = fields.map(|field| out.get(field.span().clone()).unwrap());
        String::from_utf8(fields.collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn what_is_there_is_named() {
        let post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
        let page = Place {
            address: None,
            ..BOTH
        };
        let address = Place { page: None, ..BOTH };
        for (place, fields) in [
            (
                BOTH,
                format!("List-Unsubscribe: <{PAGE}>,\r\n <mailto:{ADDRESS}>\r\n{post}"),
            ),
            (page, format!("List-Unsubscribe: <{PAGE}>\r\n{post}")),
            (address, format!("List-Unsubscribe: <mailto:{ADDRESS}>\r\n")),
            (NOWHERE, String::new()),
        ] {
            assert_eq!(of(&place, ""), fields);
        }
    }

    #[test]
    fn a_message_that_names_its_own_is_left_alone() {
        let beside_ours = format!("List-Unsubscribe: <mailto:a@acme.example>,\r\n <{PAGE}>\r\n");
        for own in [
            "list-unsubscribe:\r\n <https://acme.example/u>\r\nList-Unsubscribe-Post: x\r\n",
            "List-Unsubscribe: <mailto:a@acme.example>\r\n",
            "List-Unsubscribe: https://acme.example/u\r\n",
            "List-Unsubscribe: <>\r\nList-Unsubscribe: <https://acme.example/u>\r\n",
            &beside_ours,
        ] {
            assert_eq!(of(&BOTH, own), own);
        }
    }

    #[test]
    fn one_that_names_nothing_is_replaced() {
        let ours = format!("<{PAGE}>");
        for value in [
            "",
            "<>",
            "none",
            "(none: of any kind)",
            "<mailto:>, <https://>",
            "<{{postbell.unsubscribe_url}}>",
            "<https://{{unsubscribe}}>",
            // What the placeholder became: the mailbox belongs beside it.
            &ours,
        ] {
            let empty = format!("List-Unsubscribe: {value}\r\nList-Unsubscribe-Post: no\r\n");
            assert_eq!(of(&BOTH, &empty), of(&BOTH, ""), "{value}");
            // Where we have nothing to name, it is not ours to change.
            assert_eq!(of(&NOWHERE, &empty), empty);
        }
    }
}
