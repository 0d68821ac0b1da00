//! Addresses in plain text.

use std::ops::Range;

use memchr::{memchr_iter, memmem};

/// Addresses that begin with `http://` or `https://`, without what is punctuation around them.
///
/// One that has a character which is not ASCII, or is followed by one, is none: where it ends
/// depends on the language.
pub(super) fn addresses(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut end = 0;
    for colon in memmem::find_iter(text, b"://") {
        let Some(start) = scheme(text, colon).filter(|start| *start >= end) else {
            continue;
        };
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        end = start + len;
        let address = rest.get(..len).unwrap_or_default();
        if address.is_ascii() {
            let len = without_punctuation(address);
            found.push(start..start + len);
        }
    }
    found
}

/// Where `http` or `https` begins before this colon, as a word of its own.
fn scheme(text: &[u8], colon: usize) -> Option<usize> {
    let before = text.get(..colon)?;
    let len = [5, 4].into_iter().find(|len| {
        let word = before
            .len()
            .checked_sub(*len)
            .and_then(|at| before.get(at..));
        word.is_some_and(|word| {
            b"https"
                .get(..*len)
                .is_some_and(|name| word.eq_ignore_ascii_case(name))
        })
    })?;
    let start = colon - len;
    let is_word = |octet: &u8| octet.is_ascii_alphanumeric();
    let inside = start
        .checked_sub(1)
        .and_then(|at| text.get(at))
        .is_some_and(is_word);
    (!inside).then_some(start)
}

const fn ends(octet: &u8) -> bool {
    matches!(octet, 0..=b' ' | b'<' | b'>' | b'"' | b'`' | 0x7f)
}

/// The length of an address without what belongs to the sentence: points, quotes, and brackets
/// that were not opened in it.
fn without_punctuation(address: &[u8]) -> usize {
    let mut len = address.len();
    while let Some((last, rest)) = address.get(..len).and_then(<[u8]>::split_last) {
        let open = match last {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'_' => {
                len -= 1;
                continue;
            }
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            _ => break,
        };
        if memchr_iter(open, rest).count() > memchr_iter(*last, rest).count() {
            break;
        }
        len -= 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_where_the_sentence_goes_on() {
        for (text, found) in [
            (
                "See https://a.example/b?c=d&e=f .",
                &["https://a.example/b?c=d&e=f"][..],
            ),
            (
                "See http://a.example. Or <HTTPS://b.example/>!",
                &["http://a.example", "HTTPS://b.example/"],
            ),
            (
                "(https://a.example/b_(c)), https://a.example/?",
                &["https://a.example/b_(c)", "https://a.example/"],
            ),
            ("[1]: https://a.example/[x]]", &["https://a.example/[x]"]),
            ("x://a xhttp://a.example ftp://b", &[]),
            (
                "https://a.example/?u=http://b.example",
                &["https://a.example/?u=http://b.example"],
            ),
            ("https://a.example/\u{e9}b https://b.example\u{3002}", &[]),
            ("https://a.example/\r\n", &["https://a.example/"]),
            ("://", &[]),
        ] {
            let read: Vec<&str> = addresses(text.as_bytes())
                .into_iter()
                .map(|at| &text[at])
                .collect();
            assert_eq!(read, found, "{text}");
        }
    }
}
