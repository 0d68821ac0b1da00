//! A Reply-To of ours: the address of answers, under the name that From has (RFC 5322 §3.6.2).
//!
//! Who answers sees a name, not a token. Only a name that can be said again without a doubt is taken: one of
//! a single mailbox, of words or quoted strings, without a line end or an `@`, which would show one address
//! and mean another. Otherwise the address stands alone.

use std::fmt::Write;

use crate::header::Field;

/// The longest name that is said again, in octets.
const NAME_MAX: usize = 256;
// RFC 2047 §2: a line with an encoded word has at most 76 characters.
const LINE_MAX: usize = 76;

/// What stands in an address list and names nobody: `<>`, `""`, a lone comma.
const NOTHING: &[u8] = b" \t\r\n<>,\"";

/// Whether a Reply-To leads nowhere: no answer could be sent by it. A comment is no address
/// (RFC 5322 §3.2.2).
pub(super) fn is_empty(field: &Field<'_>) -> bool {
    let (mut depth, mut is_escaped) = (0_usize, false);
    for octet in field.value() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if depth > 0 => is_escaped = true,
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            octet if depth == 0 && !NOTHING.contains(octet) => return false,
            _ => {}
        }
    }
    depth == 0
}

/// The field, its line end included.
pub(super) fn field(address: &str, from: Option<&Field<'_>>) -> String {
    let value = from.map(Field::unfolded).unwrap_or_default();
    let mut field = "Reply-To:".to_owned();
    let Some(name) = name(&value) else {
        let _ = write!(field, " {address}\r\n");
        return field;
    };
    let mut width = field.len();
    for word in name.split(' ').chain([format!("<{address}>").as_str()]) {
        // RFC 5322 §2.2.3: a line of white space alone must not come of folding.
        if width + 1 + word.len() > LINE_MAX && !word.is_empty() && width > 1 {
            field.push_str("\r\n");
            width = 0;
        }
        field.push(' ');
        field.push_str(word);
        width += 1 + word.len();
    }
    field.push_str("\r\n");
    field
}

/// The display name of the only mailbox in a field, as it may stand in another one.
fn name(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?;
    let (phrase, rest) = split_phrase(value.trim_ascii())?;
    let is_one_mailbox = rest.ends_with('>') && !rest.contains([',', '(', '"']);
    let is_sayable = |c: char| !c.is_control() && c != '@' && c != '\u{2028}' && c != '\u{2029}';
    if !is_one_mailbox
        || phrase.is_empty()
        || phrase.len() > NAME_MAX
        || !phrase.chars().all(is_sayable)
    {
        return None;
    }
    if is_words(phrase) {
        return Some(phrase.to_owned());
    }
    // In quotes an encoded word would be shown as it is written.
    let is_plain = !phrase.contains(['"', '\\']) && !phrase.contains("=?");
    is_plain.then(|| format!("\"{phrase}\""))
}

/// What stands before the `<` that is in no quoted string, and what from there on.
fn split_phrase(value: &str) -> Option<(&str, &str)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let at = value.bytes().position(|octet| {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'<' if !is_quoted => return true,
            _ => {}
        }
        false
    })?;
    let (phrase, rest) = value.split_at_checked(at)?;
    Some((phrase.trim_ascii_end(), rest))
}

/// Whether a phrase is one by the letter: atoms and quoted strings with spaces between them
/// (RFC 5322 §3.2.5; beyond ASCII RFC 6532 §3.2).
fn is_words(phrase: &str) -> bool {
    let mut rest = phrase;
    while !rest.is_empty() {
        let len = if rest.starts_with('"') {
            quoted_len(rest)
        } else {
            Some(rest.find([' ', '"']).unwrap_or(rest.len())).filter(|len| {
                rest.get(..*len)
                    .is_some_and(|word| word.chars().all(is_atext))
            })
        };
        let Some(after) = len.and_then(|len| rest.get(len..)) else {
            return false;
        };
        rest = after.trim_start_matches(' ');
        if rest.len() == after.len() && !rest.is_empty() {
            return false;
        }
    }
    true
}

/// The length of the quoted string at the beginning (RFC 5322 §3.2.4).
fn quoted_len(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_atext(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;
    use proptest::prelude::*;

    const ADDRESS: &str = "reply+t@reply.acme.example";

    fn of(from: &str) -> String {
        let header = format!("From: {from}\r\n\r\n");
        let header = Header::find(header.as_bytes()).unwrap();
        let from = header.fields().next().unwrap();
        let field = field(ADDRESS, Some(&from));
        let value = field.strip_prefix("Reply-To: ").unwrap();
        value.strip_suffix("\r\n").unwrap().to_owned()
    }

    #[test]
    fn a_name_is_said_again() {
        for (from, name) in [
            ("Ann <a@acme.example>", "Ann"),
            ("Acme Shop <a@acme.example>", "Acme Shop"),
            ("\"Shop, Acme\" <a@acme.example>", "\"Shop, Acme\""),
            ("\"a \\\" <b>\" <a@acme.example>", "\"a \\\" <b>\""),
            ("Joe Q. Public <a@acme.example>", "\"Joe Q. Public\""),
            ("[Acme] News <a@acme.example>", "\"[Acme] News\""),
            (
                "=?utf-8?q?J=C3=B6?= <a@acme.example>",
                "=?utf-8?q?J=C3=B6?=",
            ),
            ("Jörg <a@acme.example>", "Jörg"),
            ("Acme\r\n Shop <a@acme.example> ", "Acme Shop"),
        ] {
            assert_eq!(of(from), format!("{name} <{ADDRESS}>"), "{from}");
        }
    }

    #[test]
    fn a_name_with_a_doubt_is_left_out() {
        for from in [
            "a@acme.example",
            "<a@acme.example>",
            "a@acme.example (Ann)",
            "\"a@acme.example\" <a@acme.example>",
            "Ann <a@acme.example>, Bob <b@acme.example>",
            "Ann <a@acme.example> (Ann)",
            "=?utf-8?q?J=C3=B6?= B. <a@acme.example>",
            "\"open <a@acme.example>",
            "a\0b <a@acme.example>",
            "Ann \"B\"C <a@acme.example>",
            &format!("{} <a@acme.example>", "x".repeat(NAME_MAX + 1)),
        ] {
            assert_eq!(of(from), ADDRESS, "{from:?}");
        }
        assert_eq!(field(ADDRESS, None), format!("Reply-To: {ADDRESS}\r\n"));
    }

    #[test]
    fn long_names_are_folded() {
        let word = "=?utf-8?q?J=C3=B6rgs_Laden?=";
        let shown = of(&format!("{word} {word} {word} <a@acme.example>"));
        assert_eq!(shown, format!("{word} {word}\r\n {word} <{ADDRESS}>"));
    }

    #[test]
    fn what_leads_nowhere_is_empty() {
        let is_empty = |value: &str| {
            let header = format!("Reply-To:{value}\r\n\r\n");
            let header = Header::find(header.as_bytes()).unwrap();
            is_empty(&header.fields().next().unwrap())
        };
        for nothing in [
            "",
            " ",
            " \r\n ",
            " <>",
            " \"\" <>",
            " ,",
            " (none)",
            " (no (really), \\) none) <>",
        ] {
            assert!(is_empty(nothing), "{nothing:?}");
        }
        for something in [" a@b", " undisclosed:;", " x", " (a) a@b", " (a", " a)"] {
            assert!(!is_empty(something), "{something:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_outside_makes_another_field_or_address(from in "[ -~\r\n\té<>\"\\\\@,;:()]{0,80}") {
            let header = format!("From: {from}\r\n\r\n");
            let header = Header::find(header.as_bytes()).unwrap();
            let made = field(ADDRESS, header.fields().next().as_ref());
            let fields: Vec<_> = Header::find(made.as_bytes()).unwrap().fields().collect();
            prop_assert_eq!(fields.len(), 1, "{:?}", made);
            let read = crate::mailbox::read_list(&fields.first().unwrap().unfolded());
            let read: Vec<_> = read.unwrap().iter().map(|one| one.as_str().to_owned()).collect();
            prop_assert_eq!(read, [ADDRESS]);
        }
    }
}
