//! Octets to text.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memmem;

/// What octets of this character set say. Where none is named, or one that is not known, or a
/// false one, what the octets look like decides: UTF-8 where they are that, ISO-2022-JP where
/// they shift as it does, otherwise Windows-1252, in which everything is something.
pub fn to_text(octets: &[u8], charset: Option<&str>) -> String {
    let name = charset.unwrap_or_default().trim_matches(['"', '\'', ' ']);
    let is_silent = name.is_empty()
        || name.eq_ignore_ascii_case("us-ascii")
        || name.eq_ignore_ascii_case("ascii")
        || name.eq_ignore_ascii_case("unknown-8bit");
    let is_utf8 = name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8");
    if octets.is_ascii() && (is_silent || is_utf8) && !shifts(octets) {
        return utf8(octets);
    }
    if is_utf8 {
        return utf8(octets);
    }
    // The library's table takes names of up to 45 octets.
    let known = (!is_silent && name.len() <= 45)
        .then(|| charset_decoder(name.as_bytes()))
        .flatten();
    match known {
        Some(decode) => decode(octets),
        None => guessed(octets),
    }
}

fn guessed(octets: &[u8]) -> String {
    if shifts(octets)
        && let Some(decode) = charset_decoder(b"iso-2022-jp")
    {
        return decode(octets);
    }
    match std::str::from_utf8(octets) {
        Ok(text) => without_mark(text),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decode) => decode(octets),
            None => String::from_utf8_lossy(octets).into_owned(),
        },
    }
}

fn utf8(octets: &[u8]) -> String {
    // Checked as a whole, which is faster than piece by piece.
    match std::str::from_utf8(octets) {
        Ok(text) => without_mark(text),
        Err(_) => without_mark(&String::from_utf8_lossy(octets)),
    }
}

fn shifts(octets: &[u8]) -> bool {
    memmem::find(octets, b"\x1b$").is_some()
}

fn without_mark(text: &str) -> String {
    let text = Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    text.into_owned()
}
