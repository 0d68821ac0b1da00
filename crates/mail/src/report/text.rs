//! The small encodings that a report is written in.

use std::fmt::Write as _;

/// Where lines are broken: RFC 5322 §2.1.1 asks for at most 78 characters.
const WIDTH: usize = 72;
// RFC 2047 §2: an encoded word has at most 75 characters, of which `=?utf-8?q?` and `?=` are 12.
const WORD_MAX: usize = 75 - 12;
// RFC 2045 §6.7: a line of quoted-printable has at most 76 characters, with its `=`.
const QP_LINE_MAX: usize = 75;

/// Breaks a text into lines, each with `indent` before it and CRLF behind it. A word that is
/// longer than a line is broken, too.
pub(super) fn lines(text: &str, indent: &str) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / 16);
    for line in broken(text, WIDTH - indent.len()) {
        folded.push_str(indent);
        folded.push_str(&line);
        folded.push_str("\r\n");
    }
    folded
}

/// A field `name: value` with its CRLF, folded where it is long.
pub(super) fn field(name: &str, value: &str) -> String {
    let lines = broken(value, WIDTH - name.len() - 2);
    format!("{name}: {}\r\n", lines.join("\r\n  "))
}

fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let room = width.saturating_sub(used + usize::from(used > 0));
            // A word that fits a line is not broken; one that does not fills it.
            if rest.len() > room && (used > 0 && rest.len() <= width || room == 0) {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let tail = rest.split_off(rest.len().min(room));
            if let Some(line) = lines.last_mut() {
                if used > 0 {
                    line.push(' ');
                    used += 1;
                }
                line.extend(&rest);
            }
            used += rest.len();
            rest = tail;
        }
    }
    lines
}

/// A header's text, as it is where it can be, else in encoded words (RFC 2047), folded.
pub(super) fn encoded_words(text: &str) -> String {
    let plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if plain && !text.contains("=?") {
        let text = text.split(' ').filter(|word| !word.is_empty());
        return text.collect::<Vec<_>>().join(" ");
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        let encoded = q(character);
        if word.len() + encoded.len() > WORD_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&encoded);
    }
    words.push(word);
    let words: Vec<_> = words.iter().map(|w| format!("=?utf-8?q?{w}?=")).collect();
    words.join("\r\n ")
}

/// RFC 2047 §4.2.
fn q(character: char) -> String {
    if character.is_ascii_alphanumeric() || "!*+-/".contains(character) {
        return character.to_string();
    }
    let mut encoded = String::new();
    for octet in character.encode_utf8(&mut [0; 4]).bytes() {
        push_hex(&mut encoded, octet);
    }
    encoded
}

/// RFC 2045 §6.7. Its lines end where those of the content do.
pub(super) fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut encoded = String::with_capacity(content.len() + content.len() / 8);
    for (number, line) in content.split(|octet| *octet == b'\n').enumerate() {
        if number > 0 {
            encoded.push_str("\r\n");
        }
        push_line(&mut encoded, line.strip_suffix(b"\r").unwrap_or(line));
    }
    encoded.into_bytes()
}

fn push_line(encoded: &mut String, line: &[u8]) {
    let mut used = 0;
    for (at, octet) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let blank = matches!(octet, b' ' | b'\t');
        let plain = (octet.is_ascii_graphic() && *octet != b'=') || (blank && !is_last);
        let width = if plain { 1 } else { 3 };
        if used + width > QP_LINE_MAX {
            encoded.push_str("=\r\n");
            used = 0;
        }
        if plain {
            encoded.push(char::from(*octet));
        } else {
            push_hex(encoded, *octet);
        }
        used += width;
    }
}

fn push_hex(encoded: &mut String, octet: u8) {
    let _infallible = write!(encoded, "={octet:02X}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_lines_and_long_words_are_broken() {
        assert_eq!(lines("", ""), "\r\n");
        assert_eq!(lines("a  b\nc", "  "), "  a b c\r\n");
        let long = format!("{} {} end", "x".repeat(100), "y".repeat(60));
        let expected = format!(
            "{}\r\n{}\r\n{}\r\n",
            "x".repeat(72),
            "x".repeat(28),
            "y".repeat(60) + " end"
        );
        assert_eq!(lines(&long, ""), expected);
        assert_eq!(field("Action", "failed"), "Action: failed\r\n");
    }

    #[test]
    fn subjects_are_encoded_only_where_they_must_be() {
        assert_eq!(encoded_words("plain: text"), "plain: text");
        assert_eq!(encoded_words("a =?x"), "=?utf-8?q?a=20=3D=3Fx?=");
        assert_eq!(encoded_words("Grüße"), "=?utf-8?q?Gr=C3=BC=C3=9Fe?=");
        for word in encoded_words(&"é".repeat(50)).split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
        }
    }

    #[test]
    fn quoted_printable_is_as_rfc_2045_says() {
        let encode = |text: &str| String::from_utf8(quoted_printable(text.as_bytes())).unwrap();
        assert_eq!(encode("a=b \r\né\r\n"), "a=3Db=20\r\n=C3=A9\r\n");
        assert_eq!(
            encode(&"x".repeat(80)),
            format!("{}=\r\nxxxxx", "x".repeat(75))
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_long_line(text in "\\PC{0,400}") {
            for line in lines(&text, "    ").lines() {
                prop_assert!(line.chars().count() <= WIDTH);
            }
            for line in field("Diagnostic-Code", &text).lines() {
                prop_assert!(line.chars().count() <= WIDTH + 2);
            }
            let kept: String = lines(&text, "").split_whitespace().collect();
            let wanted: String = text.split_whitespace().collect();
            prop_assert_eq!(kept, wanted);
        }
    }
}
