//! What is posted to the page of unsubscribing: by the mail program's button, or by the page's own.

use hyper::HeaderMap;
use hyper::header;

/// What somebody wants who posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// The mail program says so for its user (RFC 8058 §3.1).
    OneClick,
    /// The button of the page.
    Confirmed,
    /// Neither.
    Unclear,
}

/// Fields of a form that are looked at.
const FIELDS_MAX: usize = 16;

/// Reads a form, in either of the forms that RFC 8058 §3.1 allows.
pub(super) fn intent(headers: &HeaderMap, body: &[u8]) -> Intent {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let mut fields = match boundary(kind) {
        Some(boundary) => parts(&body, boundary),
        None => pairs(&body),
    };
    fields.truncate(FIELDS_MAX);
    let has = |name: &str, value: &str| {
        let mut all = fields.iter();
        all.any(|(n, v)| n.eq_ignore_ascii_case(name) && v.trim().eq_ignore_ascii_case(value))
    };
    // RFC 8058 §3.2: the body is the pair of List-Unsubscribe-Post.
    if has("List-Unsubscribe", "One-Click") {
        Intent::OneClick
    } else if has("confirm", "yes") {
        Intent::Confirmed
    } else {
        Intent::Unclear
    }
}

/// The boundary of multipart/form-data (RFC 7578 §4.1).
fn boundary(kind: &str) -> Option<&str> {
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters
        .split(';')
        .filter_map(|pair| pair.split_once('='));
    let (_, boundary) =
        parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().trim_matches('"'))
}

/// The fields of multipart/form-data.
fn parts(body: &str, boundary: &str) -> Vec<(String, String)> {
    let delimiter = format!("--{boundary}");
    let parts = body.split(delimiter.as_str()).skip(1).take(FIELDS_MAX);
    parts.filter_map(part).collect()
}

fn part(part: &str) -> Option<(String, String)> {
    let (head, value) = part
        .split_once("\r\n\r\n")
        .or_else(|| part.split_once("\n\n"))?;
    let disposition = head.lines().find(|line| {
        let name = line.split(':').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("Content-Disposition")
    })?;
    let mut parameters = disposition
        .split(';')
        .filter_map(|pair| pair.split_once('='));
    let (_, name) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))?;
    let name = name.trim().trim_matches('"');
    Some((name.to_owned(), value.trim_end().to_owned()))
}

/// The fields of application/x-www-form-urlencoded.
fn pairs(body: &str) -> Vec<(String, String)> {
    let pairs = body.trim().split('&').take(FIELDS_MAX);
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match (first, digits(others)) {
            (b'%', Some(octet)) => {
                octets.push(octet);
                rest = &others[2..];
            }
            (b'+', _) => octets.push(b' '),
            (octet, _) => octets.push(*octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn digits(octets: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(octets.get(..2)?).ok()?;
    let is_hex = text.bytes().all(|octet| octet.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, body: &str, expected: Intent) {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        assert_eq!(
            intent(&headers, body.as_bytes()),
            expected,
            "{kind}: {body}"
        );
    }

    #[test]
    fn both_forms_of_rfc_8058_are_read() {
        let urlencoded = "application/x-www-form-urlencoded";
        check(urlencoded, "List-Unsubscribe=One-Click", Intent::OneClick);
        check(
            urlencoded,
            "list%2Dunsubscribe=One%2dClick\r\n",
            Intent::OneClick,
        );
        check("", "List-Unsubscribe=One-Click", Intent::OneClick);
        // The example of RFC 8058 §8.
        let body = "---FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; \
            name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n---FormBoundaryjWmhtjORrn--\r\n";
        let multipart = "multipart/form-data; boundary=-FormBoundaryjWmhtjORrn";
        check(multipart, body, Intent::OneClick);
        check(
            "Multipart/Form-Data;boundary=\"-FormBoundaryjWmhtjORrn\"",
            body,
            Intent::OneClick,
        );
        check("multipart/form-data; boundary=other", body, Intent::Unclear);
    }

    #[test]
    fn the_button_of_the_page_is_told_apart() {
        let urlencoded = "application/x-www-form-urlencoded";
        check(urlencoded, "confirm=yes", Intent::Confirmed);
        for unclear in [
            "",
            "confirm=",
            "confirm=no",
            "List-Unsubscribe=",
            "%%%=%",
            "a+b&&=",
            "%4",
        ] {
            check(urlencoded, unclear, Intent::Unclear);
        }
    }
}
