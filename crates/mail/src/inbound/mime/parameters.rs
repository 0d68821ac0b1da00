//! A structured field: a value and its parameters (RFC 2045 §5.1, RFC 2231).

use super::charset::to_text;

/// More parameters are not read.
const MAX: usize = 100;

/// `value; name=value; …`
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// What stands before the first semicolon.
    pub(super) value: String,
    named: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    /// In lower case, without what RFC 2231 puts behind it.
    name: String,
    /// Its place among the pieces of one value.
    piece: usize,
    /// Whether `%` and a character set are in it.
    is_extended: bool,
    value: Vec<u8>,
}

impl Parameters {
    /// Reads an unfolded field, as far as it can be understood.
    pub(super) fn read(field: &[u8]) -> Self {
        let mut pieces = Pieces { rest: field };
        let value = pieces.next().unwrap_or_default();
        let named = pieces.take(MAX).filter_map(|piece| Named::read(&piece));
        Self {
            value: String::from_utf8_lossy(&value).trim().to_owned(),
            named: named.collect(),
        }
    }

    /// The value of the parameter of this name, given in lower case; where it stands twice, of
    /// the first.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let first = self.named.iter().find(|named| named.name == name)?;
        if !first.is_extended && first.piece == 0 {
            let continued = |named: &&Named| named.name == name && named.piece > 0;
            if !self.named.iter().any(|named| continued(&named)) {
                return Some(to_text(&first.value, None));
            }
        }
        let mut pieces: Vec<_> = self.named.iter().filter(|n| n.name == name).collect();
        pieces.sort_by_key(|named| named.piece);
        Some(joined(&pieces))
    }
}

/// RFC 2231 §3, §4: the pieces of one value.
fn joined(pieces: &[&Named]) -> String {
    let mut charset = None;
    let mut octets = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if piece.is_extended {
            let mut parts = value.splitn(3, |&octet| octet == b'\'');
            if let (0, Some(set), Some(_), Some(rest)) =
                (index, parts.next(), parts.next(), parts.next())
            {
                charset = Some(String::from_utf8_lossy(set).into_owned());
                value = rest;
            }
            octets.extend(percent_decoded(value));
        } else {
            octets.extend_from_slice(value);
        }
    }
    to_text(&octets, charset.as_deref().filter(|set| !set.is_empty()))
}

impl Named {
    fn read(piece: &[u8]) -> Option<Self> {
        let equals = piece.iter().position(|&octet| octet == b'=')?;
        let (name, value) = piece.split_at_checked(equals)?;
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        let value = unquoted(value.get(1..)?.trim_ascii());
        let mut marks = name.split('*');
        let base = marks.next()?.to_owned();
        let (mut piece, mut is_extended) = (0, false);
        for mark in marks {
            match mark.parse() {
                Ok(number) => piece = number,
                Err(_) => is_extended = true,
            }
        }
        (!base.is_empty()).then_some(Self {
            name: base,
            piece,
            is_extended,
            value,
        })
    }
}

/// What lies between semicolons outside of quoted strings.
struct Pieces<'a> {
    rest: &'a [u8],
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let end = self.rest.iter().position(|octet| match octet {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' if quoted => {
                escaped = true;
                false
            }
            b'"' => {
                quoted = !quoted;
                false
            }
            octet => *octet == b';' && !quoted,
        });
        let end = end.unwrap_or(self.rest.len());
        let piece = self.rest.get(..end)?.to_vec();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(piece)
    }
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return value.to_vec();
    };
    let mut octets = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for &octet in inner {
        match octet {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'"' if !escaped => break,
            _ => octets.push(octet),
        }
        escaped = false;
    }
    octets
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if let (b'%', [high, low, ..]) = (octet, after)
            && let Some(decoded) = super::decode::hex(*high, *low)
        {
            octets.push(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            octets.push(octet);
        }
    }
    octets
}
