//! Whether there may be a placeholder in a message, told at the speed of a search.
//!
//! A placeholder may be written as quoted-printable, with a soft line break within it, or as base64, where its
//! octets begin at any of three places of a group. So halves of its name are searched for, in each of these
//! forms: a line end leaves one of them whole.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use data_encoding::BASE64;

use super::spelling::NAME;

/// Searches messages for placeholders.
#[derive(Debug, Clone)]
pub struct Placeholders(AhoCorasick);

impl Default for Placeholders {
    fn default() -> Self {
        let mut halves = quoted();
        halves.extend((0..3).flat_map(encoded));
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            // Which half it is matters to nobody, but of such searches alone many octets are read in one go.
            .match_kind(MatchKind::LeftmostFirst)
            .build(halves);
        Self(search.expect("invariant: a dozen short words make an automaton"))
    }
}

impl Placeholders {
    /// Whether there may be one. `false` is certain, but for encodings that nobody writes. Costs one look at
    /// each octet.
    pub fn may_be_in(&self, raw: &[u8]) -> bool {
        self.0.is_match(raw)
    }
}

/// Halves as they stand in text, and in quoted-printable that escapes all but letters and digits.
fn quoted() -> Vec<String> {
    let name = String::from_utf8_lossy(NAME);
    let (first, second) = name.split_at_checked(NAME.len() / 2).unwrap_or_default();
    let forms = |half: &str, mark: &str, escapes: [&str; 2]| {
        let escaped = escapes.map(|escape| half.replace(mark, escape));
        [vec![half.to_owned()], escaped.to_vec()].concat()
    };
    let first = forms(first, ".", ["=2E", "=2e"]);
    let second = forms(second, "_", ["=5F", "=5f"]);
    [first, second].concat()
}

/// Halves as they stand in base64 where `before` octets of their group come before the name: the digits that depend
/// on nothing else.
fn encoded(before: usize) -> [String; 2] {
    let octets = [vec![0; before].as_slice(), NAME].concat();
    let digits = BASE64.encode(&octets);
    let whole = (8 * before).div_ceil(6)..8 * octets.len() / 6;
    let digits = digits.get(whole).unwrap_or_default();
    let (first, second) = digits
        .split_at_checked(digits.len() / 2)
        .unwrap_or_default();
    [first.to_owned(), second.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::super::PLACEHOLDER;
    use super::*;

    fn may_be_in(raw: &str) -> bool {
        Placeholders::default().may_be_in(raw.as_bytes())
    }

    #[test]
    fn it_is_found_wherever_a_line_ends_in_it() {
        for at in 0..PLACEHOLDER.len() {
            let (before, behind) = PLACEHOLDER.split_at(at);
            assert!(may_be_in(&format!("a {before}=\r\n{behind}\r\n")), "{at}");
        }
        let escaped = PLACEHOLDER.replace('.', "=2E").replace('_', "=5f");
        assert!(may_be_in(&escaped));
    }

    #[test]
    fn it_is_found_in_base64() {
        for before in 0..120 {
            let text = format!("{}{PLACEHOLDER} and more", "x".repeat(before));
            for line in [60, 76] {
                let digits = BASE64.encode(text.as_bytes());
                let lines: Vec<_> = digits.as_bytes().chunks(line).collect();
                let lines = lines.join(&b"\r\n"[..]);
                assert!(Placeholders::default().may_be_in(&lines), "{before} {line}");
            }
        }
    }

    #[test]
    fn it_is_not_found_in_other_text() {
        for text in [
            "",
            "X-Postbell-Tags: postbell\r\n\r\n{{unsubscribe}} https://a.example/unsubscribe?url=1",
            "cG9zdGJlbGw=",
        ] {
            assert!(!may_be_in(text), "{text}");
        }
    }
}
