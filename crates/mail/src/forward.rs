//! The mark of a message that came in and went on, by which one that goes in circles is known.
//!
//! Whatever passes it on keeps a field that it does not know, and adds its Received field
//! (RFC 5321 §6.3), so that a circle that loses our mark ends as well, by its number of hops.
//! `Delivered-To` (RFC 9228) is not used: a server that delivers in the end takes a message with
//! its own address in it for one that goes in circles.

use postbell_model::Address;

use crate::header::Header;

/// The field that names the address which has sent the message on. Not one of `X-Postbell-…`, which
/// are for us alone: it stays where a message passes a submission.
pub const MARK: &str = "Postbell-Forwarded";

/// Whether this address has sent the message on before.
pub fn has_passed(header: Header<'_>, via: &Address) -> bool {
    let via = via.as_str().as_bytes();
    header
        .fields()
        .any(|field| field.is(MARK) && field.unfolded().eq_ignore_ascii_case(via))
}

/// Whether a message was handed to us with SMTPUTF8: our own Received field, the first one, says
/// so (RFC 6531 §4.3).
pub fn came_with_smtputf8(header: Header<'_>) -> bool {
    let Some(received) = header.fields().find(|field| field.is("Received")) else {
        return false;
    };
    let text = received.unfolded();
    let mut words = text.split(u8::is_ascii_whitespace);
    words.any(|word| word == b"with") && words.next().is_some_and(|with| with.starts_with(b"UTF8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, passed: bool, utf8: bool) {
        let via = Address::parse("Support@acme.example").unwrap();
        let header = Header::find(header.as_bytes()).unwrap();
        assert_eq!(has_passed(header, &via), passed, "{header:?}");
        assert_eq!(came_with_smtputf8(header), utf8, "{header:?}");
    }

    #[test]
    fn the_mark_is_that_of_the_same_address() {
        check(
            "Postbell-Forwarded: sales@acme.example\r\n\r\n",
            false,
            false,
        );
        check("From: support@acme.example\r\n\r\n", false, false);
        check(
            "postbell-forwarded:\r\n support@Acme.example \r\n\r\n",
            true,
            false,
        );
        check(
            "Postbell-Forwarded: a@b.example\r\nPostbell-Forwarded: support@acme.example\r\n\r\n",
            true,
            false,
        );
        check(
            "\r\nPostbell-Forwarded: support@acme.example\r\n",
            false,
            false,
        );
    }

    #[test]
    fn the_first_received_field_says_how_it_came() {
        check(
            "Received: from x by y\r\n\twith UTF8SMTPS id 1; now\r\n\r\n",
            false,
            true,
        );
        check(
            "Received: from x by y with ESMTP id 1\r\n\r\n",
            false,
            false,
        );
        check(
            "Received: by y with ESMTP\r\nReceived: by x with UTF8SMTP\r\n\r\n",
            false,
            false,
        );
        check("Received: from UTF8SMTP by with\r\n\r\n", false, false);
    }
}
