//! The address of a link as a Location field: ASCII, and nothing in it that a browser would write
//! in another way.
//!
//! An address is handed on as it stands in the mail, in Unicode. Here it is written as browsers do
//! it when somebody follows it in the mail: the host in A-labels, other characters as the octets of
//! their UTF-8, percent-encoded. What is percent-encoded already stays so.
//!
//! One thing is other than in a browser: a query that is not ASCII, and not percent-encoded, in a page of
//! another character set than UTF-8. A browser sends `?q=ä` of an ISO-8859-1 page as `%E4` (WHATWG URL, 4.4,
//! query state), and here it is `%C3%A4`.

use hyper::header::HeaderValue;
use postbell_model::Domain;
use postbell_model::tracking::web_host_range;

/// Where a redirect goes; `None`: nowhere that we send anybody.
pub(super) fn location(url: &str) -> Option<HeaderValue> {
    let range = web_host_range(url)?;
    if url.bytes().all(is_plain) {
        return HeaderValue::from_str(url).ok();
    }
    let (before, host, rest) = (&url[..range.start], &url[range.clone()], &url[range.end..]);
    let mut written = String::with_capacity(url.len() + 32);
    push(&mut written, before);
    match Domain::parse(host) {
        Ok(domain) if !host.is_ascii() => written.push_str(domain.as_str()),
        _ => push(&mut written, host),
    }
    push(&mut written, rest);
    HeaderValue::from_str(&written).ok()
}

/// Whether it stands for itself: visible ASCII, but what every part of a URL has encoded.
const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'"' | b'<' | b'>')
}

fn push(written: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text.bytes() {
        if is_plain(octet) {
            written.push(char::from(octet));
        } else {
            let (high, low) = (octet >> 4, octet & 0x0f);
            written.push('%');
            written.push(char::from(DIGITS[usize::from(high)]));
            written.push(char::from(DIGITS[usize::from(low)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_browsers_do() {
        for (url, written) in [
            (
                "https://shop.example/a?b=c&d#e",
                "https://shop.example/a?b=c&d#e",
            ),
            ("HTTP://shop.example", "HTTP://shop.example"),
            (
                "https://shop.example/a b%20c",
                "https://shop.example/a%20b%20c",
            ),
            (
                "https://shop.example/?q=ä",
                "https://shop.example/?q=%C3%A4",
            ),
            (
                "https://user@bücher.example:8443/ü?é#ñ",
                "https://user@xn--bcher-kva.example:8443/%C3%BC?%C3%A9#%C3%B1",
            ),
            ("https://a.example/\"<x>", "https://a.example/%22%3Cx%3E"),
            (
                "https://a.example/\r\nSet-Cookie: x",
                "https://a.example/%0D%0ASet-Cookie:%20x",
            ),
            ("https://[2001:db8::1]/ä", "https://[2001:db8::1]/%C3%A4"),
            ("https://a.example/{x}|^`", "https://a.example/{x}|^`"),
        ] {
            assert_eq!(location(url).unwrap(), written);
        }
    }

    #[test]
    fn nobody_is_sent_where_no_web_server_is() {
        for url in [
            "",
            "https://",
            "https:///a",
            "javascript:alert(1)",
            "javascript://x/%0aalert(1)",
            "data:text/html,x",
            "//shop.example/",
            "ftp://shop.example/",
            "https://user@/",
        ] {
            assert_eq!(location(url), None, "{url}");
        }
    }
}
