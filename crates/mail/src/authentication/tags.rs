//! Lists of tags: `v=1; a=rsa-sha256` (RFC 6376 §3.2).

/// More tags than any list has for a reason.
const TAGS_MAX: usize = 64;

/// Why octets are no list of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Something in it is not of the form `name=value`.
    #[error("it is not a list of tags")]
    Syntax,
    /// A tag is in it twice.
    #[error("a tag is there twice")]
    Twice,
    /// It has more than 64 tags.
    #[error("it has too many tags")]
    TooMany,
}

/// The tags of a list, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Reads a list. Names keep their case, values their inner white space.
    ///
    /// # Errors
    /// It is none.
    pub fn read(octets: &'a [u8]) -> Result<Self, TagError> {
        // RFC 8616 §5: values may have UTF-8.
        let text = std::str::from_utf8(octets).map_err(|_| TagError::Syntax)?;
        let mut tags: Vec<(&str, &str)> = Vec::with_capacity(12);
        let mut parts = text.split(';').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() && trim(part).is_empty() {
                // The semicolon behind the last tag.
                break;
            }
            let (name, value) = part.split_once('=').ok_or(TagError::Syntax)?;
            let (name, value) = (trim(name), trim(value));
            if !is_name(name) || !value.chars().all(is_of_value) {
                return Err(TagError::Syntax);
            }
            // RFC 6376 §3.2: a list with a tag twice is invalid as a whole.
            if tags.iter().any(|(known, _)| *known == name) {
                return Err(TagError::Twice);
            }
            if tags.len() == TAGS_MAX {
                return Err(TagError::TooMany);
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// The value of a tag, without white space around it.
    // RFC 6376 §3.2: names are told apart by case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// The value of a tag whose name may be in any case.
    pub fn get_in_any_case(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The first tag.
    pub fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().copied()
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

/// Without white space, which may stand anywhere in what it is left out of.
pub fn squeezed(value: &str) -> String {
    value.chars().filter(|c| !is_space(*c)).collect()
}

/// The items of a list with colons, without white space around each.
pub fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(trim)
}

/// The octets of a list with nothing for the value of this tag.
pub fn emptied(list: &[u8], name: &str) -> Vec<u8> {
    let mut rest = Vec::with_capacity(list.len());
    for (index, tag) in list.split(|octet| *octet == b';').enumerate() {
        if index > 0 {
            rest.push(b';');
        }
        let end = memchr::memchr(b'=', tag).filter(|end| {
            let found = tag.get(..*end).unwrap_or_default();
            found.trim_ascii() == name.as_bytes()
        });
        let kept = end.and_then(|end| tag.get(..=end));
        rest.extend_from_slice(kept.unwrap_or(tag));
    }
    rest
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_of_value(c: char) -> bool {
    c.is_ascii_graphic() || is_space(c) || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], TagError>) {
        let read = Tags::read(text.as_bytes()).map(|tags| tags.0);
        assert_eq!(read, expected.map(<[_]>::to_vec), "{text:?}");
    }

    #[test]
    fn the_value_of_a_tag_is_left_out() {
        let check = |list: &str, expected: &str| {
            assert_eq!(emptied(list.as_bytes(), "b"), expected.as_bytes());
        };
        check("v=1; b=AQ\r\n ID ; bh=b=1", "v=1; b=; bh=b=1");
        check(" b = AQID=", " b =");
        check("a=b=1;B=2;bb=3", "a=b=1;B=2;bb=3");
    }

    #[test]
    fn lists_are_read() {
        check("v=1", Ok(&[("v", "1")]));
        check(
            " v = 1;\r\n\tb=a b\r\n =;",
            Ok(&[("v", "1"), ("b", "a b\r\n =")]),
        );
        check("a=; b=x=y ; ", Ok(&[("a", ""), ("b", "x=y")]));
        check("", Ok(&[]));
        check("a=1; A=2", Ok(&[("a", "1"), ("A", "2")]));
        check("a=1; a=2", Err(TagError::Twice));
        check("a=1;; b=2", Err(TagError::Syntax));
        check("a", Err(TagError::Syntax));
        check("1a=1", Err(TagError::Syntax));
        check("a b=1", Err(TagError::Syntax));
        check("a=\u{7}", Err(TagError::Syntax));
        let many: String = (0..65).map(|n| format!("t{n}=1;")).collect();
        check(&many, Err(TagError::TooMany));
    }
}
