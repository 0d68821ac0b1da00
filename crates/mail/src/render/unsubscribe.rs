//! A List-Unsubscribe of ours (RFC 2369 §3.2), with what makes a click of it (RFC 8058 §3.1).
//!
//! A message that says itself where people unsubscribe is left as it is.

use crate::header::{Field, Header};

const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
const ONE_CLICK: &str = "List-Unsubscribe-Post";

/// Where a recipient unsubscribes. The default is nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The address on the web, which takes one-click requests.
    pub page: Option<&'a str>,
    /// The address that a mail goes to.
    pub address: Option<&'a str>,
}

impl Unsubscribe<'_> {
    /// Whether the header lacks the fields. One that names nothing counts as none.
    pub(super) fn is_missing(&self, header: Header<'_>) -> bool {
        let has_place = self.page.is_some() || self.address.is_some();
        let mut fields = header.fields();
        has_place && !fields.any(|field| field.is(LIST_UNSUBSCRIBE) && !field.is_blank())
    }

    /// Fields of a message that would stand beside ours: an empty one, and a promise about it.
    pub(super) fn replaces(field: &Field<'_>) -> bool {
        field.is(LIST_UNSUBSCRIBE) || field.is(ONE_CLICK)
    }

    /// The fields, their line ends included.
    pub(super) fn fields(&self) -> String {
        let page = self.page.map(|page| format!("<{page}>"));
        let address = self.address.map(|address| format!("<mailto:{address}>"));
        let all: Vec<String> = page.into_iter().chain(address).collect();
        let mut fields = format!("{LIST_UNSUBSCRIBE}: {}\r\n", all.join(",\r\n "));
        // RFC 8058 §3.1: where there is an address on the web.
        if self.page.is_some() {
            fields.push_str(ONE_CLICK);
            fields.push_str(": List-Unsubscribe=One-Click\r\n");
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::tests::rendered_with;
    use super::*;

    const PAGE: &str = "https://track.acme.example/u/token";
    const ADDRESS: &str = "unsub+token@reply.acme.example";
    const BOTH: Unsubscribe<'_> = Unsubscribe {
        page: Some(PAGE),
        address: Some(ADDRESS),
    };

    /// The fields that speak of unsubscribing, of a message with `given` among its own.
    fn of(unsubscribe: Unsubscribe<'_>, given: &str) -> String {
        let body = format!("From: a@acme.example\r\n{given}\r\nHello\r\n");
        let out = rendered_with(&Bytes::from(body), unsubscribe);
        let header = Header::find(&out).unwrap();
        let fields = header.fields().filter(Unsubscribe::replaces);
        let fields = fields.map(|field| out.get(field.span().clone()).unwrap());
        String::from_utf8(fields.collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn what_is_there_is_named() {
        let post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
        let page = Unsubscribe {
            address: None,
            ..BOTH
        };
        let address = Unsubscribe { page: None, ..BOTH };
        for (unsubscribe, fields) in [
            (
                BOTH,
                format!("List-Unsubscribe: <{PAGE}>,\r\n <mailto:{ADDRESS}>\r\n{post}"),
            ),
            (page, format!("List-Unsubscribe: <{PAGE}>\r\n{post}")),
            (address, format!("List-Unsubscribe: <mailto:{ADDRESS}>\r\n")),
            (Unsubscribe::default(), String::new()),
        ] {
            assert_eq!(of(unsubscribe, ""), fields);
        }
    }

    #[test]
    fn a_message_that_names_its_own_is_left_alone() {
        let own = "list-unsubscribe:\r\n <https://acme.example/u>\r\nList-Unsubscribe-Post: x\r\n";
        assert_eq!(of(BOTH, own), own);
        let own = "List-Unsubscribe: <mailto:a@acme.example>\r\n";
        assert_eq!(of(BOTH, own), own);
    }

    #[test]
    fn one_that_names_nothing_is_replaced() {
        let empty = "List-Unsubscribe: \r\nList-Unsubscribe-Post: no\r\n";
        assert_eq!(of(BOTH, empty), of(BOTH, ""));
        // Where we have nothing to name, it is not ours to change.
        assert_eq!(of(Unsubscribe::default(), empty), empty);
    }
}
