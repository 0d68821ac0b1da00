//! How programs spell a placeholder that they take for an address: with `http://` before it, and its braces
//! as references (WHATWG HTML, 13.2.5.72) or percent-encoded (RFC 3986 §2.1).

use memchr::memmem;

use super::parts::Language;

/// The name between the braces of [`super::PLACEHOLDER`].
pub(super) const NAME: &[u8] = b"postbell.unsubscribe_url";

/// What stands for a character, in any case: the first two everywhere, the rest on pages.
type Spellings = [&'static [u8]; 6];

const OPEN: Spellings = [b"{", b"%7B", b"&#123;", b"&#x7B;", b"&lbrace;", b"&lcub;"];
const CLOSE: Spellings = [b"}", b"%7D", b"&#125;", b"&#x7D;", b"&rbrace;", b"&rcub;"];
const COLON: Spellings = [b":", b":", b"&#58;", b"&#x3A;", b"&colon;", b"&colon;"];
const SLASH: Spellings = [b"/", b"/", b"&#47;", b"&#x2F;", b"&sol;", b"&sol;"];

/// A place for an address to unsubscribe at.
#[derive(Debug)]
pub(super) struct Placeholder {
    pub(super) place: std::ops::Range<usize>,
    /// Whether it stands behind a `<`, so that a letter would begin a tag there.
    pub(super) begins_tag: bool,
}

/// The places of [`super::PLACEHOLDER`], in their order.
pub(super) fn placeholders(ascii: &[u8], language: Language) -> Vec<Placeholder> {
    let known = match language {
        Language::Plain => 2,
        Language::Body | Language::Page => OPEN.len(),
    };
    memmem::find_iter(ascii, NAME)
        .filter_map(|at| {
            let before = ascii.get(..at)?.trim_ascii_end();
            let behind = ascii.get(at + NAME.len()..)?.trim_ascii_start();
            let before = without_end(without_end(before, &OPEN, known)?, &OPEN, known)?;
            let behind = without_start(without_start(behind, &CLOSE, known)?, &CLOSE, known)?;
            // The address that takes its place has a scheme of its own.
            let before = without_scheme(before, known).unwrap_or(before);
            Some(Placeholder {
                place: before.len()..ascii.len() - behind.len(),
                begins_tag: before.ends_with(b"<") || before.ends_with(b"</"),
            })
        })
        .collect()
}

/// What stands before `http://` or `https://` at the end of a text; `None` where none begins there.
fn without_scheme(text: &[u8], known: usize) -> Option<&[u8]> {
    let text = without_end(text, &SLASH, known)?;
    let text = without_end(text, &SLASH, known)?;
    let text = without_end(text, &COLON, known)?;
    let before = [&b"https"[..], b"http"]
        .into_iter()
        .find_map(|scheme| cut_end(text, scheme))?;
    let in_scheme = |octet: &u8| octet.is_ascii_alphanumeric() || b"+-.".contains(octet);
    before
        .last()
        .is_none_or(|last| !in_scheme(last))
        .then_some(before)
}

fn without_end<'a>(text: &'a [u8], spellings: &Spellings, known: usize) -> Option<&'a [u8]> {
    let mut known = spellings.iter().take(known);
    known.find_map(|spelling| cut_end(text, spelling))
}

fn without_start<'a>(text: &'a [u8], spellings: &Spellings, known: usize) -> Option<&'a [u8]> {
    let mut known = spellings.iter().take(known);
    known.find_map(|spelling| {
        let (start, rest) = text.split_at_checked(spelling.len())?;
        start.eq_ignore_ascii_case(spelling).then_some(rest)
    })
}

fn cut_end<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let (rest, last) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    last.eq_ignore_ascii_case(end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with `U` where an address to unsubscribe at is put.
    fn with_places(text: &str, language: Language) -> String {
        let mut out = text.to_owned();
        let places = placeholders(text.as_bytes(), language);
        for found in places.into_iter().rev() {
            out.replace_range(found.place, "U");
        }
        out
    }

    #[test]
    fn a_scheme_before_it_is_part_of_it() {
        for written in [
            "http://{{postbell.unsubscribe_url}}",
            "HTTPS://{{ postbell.unsubscribe_url }}",
            "https://%7B%7Bpostbell.unsubscribe_url%7D%7D",
            "http://%7b%7Bpostbell.unsubscribe_url%7D%7d",
            "http://&#123;&#x7b;postbell.unsubscribe_url&rcub;&rbrace;",
            "http:&#x2F;&#47;{{postbell.unsubscribe_url}}",
            "http&#58;&sol;/{{postbell.unsubscribe_url}}",
        ] {
            for (before, behind) in [
                ("", ""),
                ("<a href=\"", "\">"),
                ("<a href=", ">"),
                ("(", ")"),
            ] {
                let text = format!("{before}{written}{behind}");
                let wanted = format!("{before}U{behind}");
                assert_eq!(with_places(&text, Language::Page), wanted);
            }
        }
        let text =
            "see http://{{postbell.unsubscribe_url}}, https://%7B%7Bpostbell.unsubscribe_url%7D%7D";
        assert_eq!(with_places(text, Language::Plain), "see U, U");
    }

    #[test]
    fn what_else_stands_before_it_stays() {
        for (before, behind) in [
            ("{{", "}}"),
            ("xhttp://{{", "}}"),
            ("ftp://{{", "}}"),
            ("http://a/{{", "}}"),
            ("http:// {{", "}}"),
            ("//{{", "}}"),
        ] {
            let text = format!("{before}postbell.unsubscribe_url{behind}");
            let wanted = format!("{}U", before.trim_end_matches('{'));
            assert_eq!(with_places(&text, Language::Page), wanted);
        }
        for text in [
            "http://postbell.unsubscribe_url",
            "{postbell.unsubscribe_url}",
            "{{postbell.unsubscribe_url}",
            "postbell.unsubscribe_url}}",
        ] {
            assert_eq!(with_places(text, Language::Page), text);
        }
        // A reference is none in plain text.
        let text = "&#123;&#123;postbell.unsubscribe_url&#125;&#125;";
        assert_eq!(with_places(text, Language::Plain), text);
        assert_eq!(with_places(text, Language::Page), "U");
    }
}
