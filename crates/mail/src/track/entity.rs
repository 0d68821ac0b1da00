//! Character references in the value of an attribute (WHATWG HTML, 13.2.5.72 and following).

use mail_parser::decoders::html::add_html_token;

use crate::inbound::mime::to_text;

/// Names that count without a semicolon, unless a letter, a digit or `=` follows.
const WITHOUT_SEMICOLON: &str = "AElig AMP Aacute Acirc Agrave Aring Atilde Auml COPY Ccedil ETH \
    Eacute Ecirc Egrave Euml GT Iacute Icirc Igrave Iuml LT Ntilde Oacute Ocirc Ograve Oslash \
    Otilde Ouml QUOT REG THORN Uacute Ucirc Ugrave Uuml Yacute aacute acirc acute aelig agrave \
    amp aring atilde auml brvbar ccedil cedil cent copy curren deg divide eacute ecirc egrave eth \
    euml frac12 frac14 frac34 gt iacute icirc iexcl igrave iquest iuml laquo lt macr micro middot \
    nbsp not ntilde oacute ocirc ograve ordf ordm oslash otilde ouml para plusmn pound quot raquo \
    reg sect shy sup1 sup2 sup3 szlig thorn times uacute ucirc ugrave uml uuml yacute yen yuml";

/// The longest name has 31 letters.
const NAME_MAX: usize = 32;

/// What a value says.
pub(super) fn decode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        text.push_str(before);
        rest = match character(reference) {
            Some((decoded, len)) => {
                text.push_str(&decoded);
                reference.get(len..).unwrap_or_default()
            }
            None => {
                text.push('&');
                reference.get(1..).unwrap_or_default()
            }
        };
    }
    text.push_str(rest);
    text
}

/// What a reference at the beginning of `text` stands for, and its length.
fn character(text: &str) -> Option<(String, usize)> {
    let name = text.get(1..)?;
    if let Some(number) = name.strip_prefix('#') {
        let (decoded, len) = numbered(number)?;
        return Some((decoded.to_string(), len + 2));
    }
    let len = name
        .bytes()
        .take(NAME_MAX)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    let after = name.as_bytes().get(len).copied();
    let name = name.get(..len)?;
    let len = match after {
        Some(b';') => len + 2,
        Some(b'=') => return None,
        _ if WITHOUT_SEMICOLON
            .split_ascii_whitespace()
            .any(|known| known == name) =>
        {
            len + 1
        }
        _ => return None,
    };
    let token = format!("&{name};");
    let mut decoded = String::new();
    add_html_token(&mut decoded, token.as_bytes(), false);
    (decoded != token).then_some((decoded, len))
}

/// A character by its number, and how many octets that takes behind `&#`.
fn numbered(text: &str) -> Option<(char, usize)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let len = digits.chars().take_while(|c| c.is_digit(radix)).count();
    let digits_at = text.len() - digits.len();
    let number = digits.get(..len).filter(|number| !number.is_empty())?;
    let ends = digits_at + len + usize::from(digits.get(len..)?.starts_with(';'));
    // A number that is too large stands for nothing.
    let code = u32::from_str_radix(number, radix).unwrap_or(u32::MAX);
    let decoded = match u8::try_from(code) {
        Ok(0) => None,
        Ok(octet @ 0x80..=0x9f) => to_text(&[octet], Some("windows-1252")).chars().next(),
        _ => char::from_u32(code),
    };
    Some((decoded.unwrap_or(char::REPLACEMENT_CHARACTER), ends))
}

/// Text as it may stand in a value, in whatever quotes or none, in a page and in a comment: of ASCII
/// alone, without two dashes in a row, and without one at its end. `-->` would end a comment that
/// Outlook reads.
pub(super) fn encode(text: String) -> String {
    let Some(first) = next_encoded(&text) else {
        return text;
    };
    let mut encoded = String::with_capacity(text.len() + 16);
    let mut rest = text.as_str();
    let mut next = Some(first);
    while let Some(at) = next {
        let (kept, behind) = rest.split_at_checked(at).unwrap_or_default();
        encoded.push_str(kept);
        let mut behind = behind.chars();
        match behind.next().unwrap_or_default() {
            '&' => encoded.push_str("&amp;"),
            '<' => encoded.push_str("&lt;"),
            '>' => encoded.push_str("&gt;"),
            c => {
                encoded.push_str("&#");
                encoded.push_str(&u32::from(c).to_string());
                encoded.push(';');
            }
        }
        rest = behind.as_str();
        next = next_encoded(rest);
    }
    encoded.push_str(rest);
    encoded
}

/// Where the first character stands that is written as a reference.
fn next_encoded(text: &str) -> Option<usize> {
    let octets = text.as_bytes();
    let start = plain_len(octets);
    let mut places = octets.iter().enumerate().skip(start);
    let found = places.find(|(at, octet)| match octet {
        b'-' => matches!(octets.get(at + 1), Some(b'-') | None),
        octet => is_encoded(**octet),
    });
    found.map(|(at, _)| at)
}

/// How many octets at the beginning of a text stand for themselves, counted in blocks: the octets
/// of a block are looked at together.
fn plain_len(octets: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let (blocks, _) = octets.as_chunks::<BLOCK>();
    // Each octet with the one behind it.
    let (behind, _) = octets.get(1..).unwrap_or_default().as_chunks::<BLOCK>();
    let plain = blocks.iter().zip(behind).take_while(|(block, behind)| {
        let pairs = block.iter().zip(*behind);
        !pairs.fold(false, |is_any, (octet, next)| {
            is_any | is_encoded(*octet) | ((*octet == b'-') & (*next == b'-'))
        })
    });
    plain.count() * BLOCK
}

/// Whether a character that begins with this octet is always written as a reference.
const fn is_encoded(octet: u8) -> bool {
    matches!(octet, b'&' | b'<' | b'>' | b'"' | b'\'' | b'`' | 0..=b' ' | 0x7f..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded_as_browsers_do() {
        for (value, text) in [
            ("a?b=1&amp;c=2", "a?b=1&c=2"),
            ("a?b=1&c=2&", "a?b=1&c=2&"),
            ("&#104;ttp&#x3a;//x", "http://x"),
            ("&#104ttp", "http"),
            ("&#x;&#;&#", "&#x;&#;&#"),
            ("&#0;&#xd800;&#99999999999;", "\u{fffd}\u{fffd}\u{fffd}"),
            ("&#x80;&#150;", "€–"),
            ("?a&copy=1", "?a&copy=1"),
            ("?a&copy1", "?a&copy1"),
            ("?a&copy", "?a©"),
            ("?a&copy&b", "?a©&b"),
            ("?a&copy;=1", "?a©=1"),
            ("?a&section=1", "?a&section=1"),
            ("?a&nosuch;", "?a&nosuch;"),
            ("?a&notin;", "?a∉"),
            ("?a&hellip", "?a&hellip"),
            ("?&AMP;&lt;&quot;&eacute;&Eacute;&apos;", "?&<\"éÉ'"),
            ("é&é;", "é&é;"),
            ("", ""),
        ] {
            assert_eq!(decode(value), text, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(text in "\\PC*") {
            let encoded = encode(text.clone());
            proptest::prop_assert!(encoded.is_ascii());
            proptest::prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn what_is_encoded_ends_no_comment(text in "a{0,70}[a-]{0,8}a{0,70}[a!>-]{0,8}") {
            let encoded = encode(text.clone());
            proptest::prop_assert!(!encoded.contains("--") && !encoded.ends_with('-'), "{}", encoded);
            proptest::prop_assert_eq!(decode(&encoded), text);
        }
    }
}
