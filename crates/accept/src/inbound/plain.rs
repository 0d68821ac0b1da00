//! Strangers' words, such that they can stand in one line of anything: a field of ours, a log, a
//! document.

/// On one line, at most `limit` octets: what would end the line, or is no character to be seen,
/// is a space, and there is one space where there were several of those.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || breaks(c));
    let mut line = String::with_capacity(text.len().min(limit));
    let mut is_broken = false;
    for c in text.chars() {
        if breaks(c) {
            is_broken = true;
            continue;
        }
        if is_broken && !line.ends_with(' ') && c != ' ' {
            line.push(' ');
        }
        is_broken = false;
        if line.len() + c.len_utf8() > limit {
            break;
        }
        line.push(c);
    }
    line.truncate(line.floor_char_boundary(limit));
    line.truncate(line.trim_end().len());
    line
}

/// The same of what may not be there.
pub(super) fn one_line_of(text: Option<&str>, limit: usize) -> Option<String> {
    let line = one_line(text?, limit);
    (!line.is_empty()).then_some(line)
}

/// Octets that are looked at in one go.
const STRETCH: usize = 256;

/// Text of several lines without control characters: what ends a line or a page for some reader
/// ends a line, and tabs stay. A NUL is what many a store of documents does not take.
pub(super) fn legible(text: String) -> String {
    // Nearly every text has none, and may be long. Within a stretch nothing ends the look, so that it is
    // at many octets at a time.
    let has_control = |octets: &[u8]| octets.iter().fold(false, |any, o| any | may_be_control(*o));
    if !text.as_bytes().chunks(STRETCH).any(has_control) {
        return text;
    }
    let is_kept = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let ends_line = |c| matches!(c, '\u{b}' | '\u{c}' | '\u{85}');
    let chars = text.chars().map(|c| if ends_line(c) { '\n' } else { c });
    chars.filter(|c| is_kept(*c)).collect()
}

/// Whether a control character begins with this octet. Those from U+0080 on begin with 0xC2, as others do.
const fn may_be_control(octet: u8) -> bool {
    let is_low = (octet < 0x20) & (octet != b'\t') & (octet != b'\n') & (octet != b'\r');
    is_low | (octet == 0x7f) | (octet == 0xc2)
}

/// Control characters, and what else ends a line for some reader.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_lose_what_is_no_text(text in "[a-z\\r\\n\\t\\x00-\\x1f\\x7f\\u{80}-\\u{a5}é]{0,600}") {
            let is_kept = |c: &char| !c.is_control() || "\t\n\r".contains(*c);
            let ends = |c| if "\u{b}\u{c}\u{85}".contains(c) { '\n' } else { c };
            let kept: String = text.chars().map(ends).filter(is_kept).collect();
            prop_assert_eq!(legible(text), kept);
        }
    }

    #[test]
    fn a_line_is_one_line() {
        for (text, line) in [
            ("Ann Lee", "Ann Lee"),
            (" Ann\r\nBcc: x@example.com\0 ", "Ann Bcc: x@example.com"),
            ("a\u{2028}b\u{85}c\x1b[31md", "a b c [31md"),
            ("a  b", "a  b"),
            ("a \r\n b", "a  b"),
            ("\r\n\0", ""),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 100), line, "{text:?}");
        }
        assert_eq!(one_line("ééé", 5), "éé");
        assert_eq!(one_line_of(Some("\n"), 5), None);
        assert_eq!(one_line_of(None, 5), None);
    }

    proptest! {
        #[test]
        fn nothing_ends_it(text in any::<String>(), limit in 0_usize..60) {
            let line = one_line(&text, limit);
            prop_assert!(line.len() <= limit);
            let is_broken = line.chars().any(breaks);
            prop_assert!(!is_broken);
        }
    }
}
