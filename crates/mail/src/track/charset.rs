//! Character sets, as far as it has to be known which octets are ASCII.

use std::borrow::Cow;

use super::Note;

/// Stands for octets that are part of a character which is not ASCII.
pub(super) const MASK: u8 = 0xff;

/// Sets in which an octet under 128 may be something other than ASCII, by how their names begin.
const NOT_ASCII: [&str; 17] = [
    "utf-16",
    "utf16",
    "utf-32",
    "utf32",
    "ucs-",
    "ucs2",
    "ucs4",
    "iso-10646",
    "csunicode",
    "unicode",
    "utf-7",
    "utf7",
    "iso-2022",
    "csiso2022",
    "hz-gb",
    "ebcdic",
    "ibm037",
];

const JAPANESE: [&str; 2] = ["iso-2022-jp", "csiso2022jp"];

/// The octets of a part, those that are no ASCII masked. In nearly all character sets these are
/// octets over 127, and what is around them that looks like ASCII is never part of a tag.
pub(super) fn ascii_of<'a>(octets: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, [u8]>, Note> {
    let name = charset.unwrap_or_default().to_ascii_lowercase();
    if JAPANESE.contains(&name.as_str()) {
        return Ok(masked(octets));
    }
    if NOT_ASCII.iter().any(|family| name.starts_with(family)) {
        return Err(Note::CharsetLeftAlone(name));
    }
    // The mark decides, whatever the name is (WHATWG Encoding, 6.1).
    if octets.starts_with(b"\xff\xfe") || octets.starts_with(b"\xfe\xff") {
        return Err(Note::CharsetLeftAlone("utf-16".to_owned()));
    }
    Ok(Cow::Borrowed(octets))
}

/// ISO-2022-JP (RFC 1468): what lies between the sequence that leads to characters of two octets,
/// or of another alphabet, and the one that leads back, both ends excluded.
fn masked(octets: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    if !octets.contains(&ESCAPE) {
        return Cow::Borrowed(octets);
    }
    let mut is_ascii = true;
    let mut seen = octets.to_vec();
    for at in 0..seen.len() {
        let is_escape = octets.get(at) == Some(&ESCAPE);
        match octets.get(at + 1..at + 3) {
            // ASCII, and its Japanese variant, which differs in two characters.
            Some(b"(B" | b"(J") if is_escape => is_ascii = true,
            Some(&[b'$' | b'(', _]) if is_escape => is_ascii = false,
            _ => {}
        }
        if let Some(octet) = seen.get_mut(at).filter(|_| !is_ascii) {
            *octet = MASK;
        }
    }
    Cow::Owned(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_two_octets_are_no_tags() {
        let text = b"<a>\x1b$B<\"$\"\x1b(B</a>\x1b(Jx\x1b(I<\x1b(B>\x1b$B<";
        let seen = ascii_of(text, Some("ISO-2022-JP")).unwrap();
        assert_eq!(seen.len(), text.len());
        let ascii: Vec<u8> = seen
            .iter()
            .copied()
            .filter(|octet| *octet != MASK)
            .collect();
        assert_eq!(ascii, b"<a>\x1b(B</a>\x1b(Jx\x1b(B>");
    }

    #[test]
    fn what_is_no_ascii_is_told() {
        for name in ["UTF-16LE", "utf-7", "iso-2022-kr", "hz-gb-2312"] {
            let note = ascii_of(b"<a>", Some(name)).unwrap_err();
            assert_eq!(note, Note::CharsetLeftAlone(name.to_ascii_lowercase()));
        }
        assert!(ascii_of(b"\xff\xfe<\0", Some("utf-8")).is_err());
        for name in [
            "utf-8",
            "iso-8859-1",
            "Shift_JIS",
            "gb18030",
            "nobody-knows",
        ] {
            assert_eq!(*ascii_of(b"<a>\xff", Some(name)).unwrap(), *b"<a>\xff");
        }
        assert!(ascii_of(b"<a>", None).is_ok());
    }
}
