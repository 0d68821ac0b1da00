//! Transfer encodings (RFC 2045 §6), taken off as far as what came allows.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::base64;

/// How a part's content was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, nothing, or something that nobody knows (RFC 2045 §6.4: such content
    /// is left as it is).
    Identity,
    /// RFC 2045 §6.7
    QuotedPrintable,
    /// RFC 2045 §6.8
    Base64,
    /// What was in use before MIME.
    Uuencode,
}

impl Encoding {
    pub(super) fn read(value: &[u8]) -> Self {
        let value = value.trim_ascii();
        let end = value.iter().position(|octet| b" ;(".contains(octet));
        let word = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
        match word.to_ascii_lowercase().as_slice() {
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Self::Uuencode,
            _ => Self::Identity,
        }
    }

    pub(super) const fn is_identity(self) -> bool {
        matches!(self, Self::Identity)
    }

    /// The content. Never more octets than `body` has.
    pub fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::QuotedPrintable => quoted_printable(body),
            Self::Base64 => {
                Cow::Owned(base64::decode(body).unwrap_or_else(|| lenient_base64(body)))
            }
            Self::Uuencode => uuencoded(body).map_or(Cow::Borrowed(body), Cow::Owned),
        }
    }

    /// How many octets the content has.
    pub(super) fn decoded_len(self, body: &[u8]) -> usize {
        match self {
            Self::Identity => body.len(),
            Self::Base64 => base64_len(body),
            Self::QuotedPrintable | Self::Uuencode => self.decode(body).len(),
        }
    }
}

/// How many octets [`lenient_base64`] gives back.
fn base64_len(body: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = body;
    loop {
        let padding = memchr(b'=', rest);
        count += digits_in(
            rest.get(..padding.unwrap_or(rest.len()))
                .unwrap_or_default(),
        );
        match padding.filter(|_| count % 4 < 2) {
            Some(at) => rest = rest.get(at + 1..).unwrap_or_default(),
            None => break,
        }
    }
    count / 4 * 3 + (count % 4).saturating_sub(1)
}

fn digits_in(text: &[u8]) -> usize {
    // Counts of few octets fit into one, so that many are counted at once.
    let counts = text.chunks(128).map(|octets| {
        let digits = octets.iter().map(|octet| u8::from(is_digit(*octet)));
        usize::from(digits.sum::<u8>())
    });
    counts.sum()
}

const fn is_digit(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() | (octet == b'+') | (octet == b'/')
}

/// What each octet stands for; [`NO_DIGIT`] where for nothing.
const DIGITS: [u8; 256] = digits();
const NO_DIGIT: u8 = 0xff;

#[expect(clippy::indexing_slicing, reason = "the compiler computes it")]
const fn digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 64 {
        digits[alphabet[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
}

fn digit(octet: u8) -> u8 {
    DIGITS.get(usize::from(octet)).copied().unwrap_or(NO_DIGIT)
}

/// Octets that are no digits are passed over; padding ends it. What is nothing but base64 gives the
/// same as with [`base64::decode`], which is quicker.
fn lenient_base64(body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u8);
    let mut rest = body;
    while let Some((&octet, after)) = rest.split_first() {
        // As nearly all of it is: four digits in a row.
        if count == 0
            && let Some((four, behind)) = rest.split_first_chunk::<4>()
            && let [a, b, c, d] = four.map(digit)
            && a | b | c | d < 64
        {
            octets.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            rest = behind;
            continue;
        }
        rest = after;
        match digit(octet) {
            NO_DIGIT if octet == b'=' && count >= 2 => break,
            NO_DIGIT => continue,
            digit => bits = bits << 6 | u32::from(digit),
        }
        count += 1;
        if count == 4 {
            let [_, a, b, c] = bits.to_be_bytes();
            octets.extend([a, b, c]);
            (bits, count) = (0, 0);
        }
    }
    let [_, a, b, _] = (bits << (6 * (4 - u32::from(count)))).to_be_bytes();
    match count {
        2 => octets.push(a),
        3 => octets.extend([a, b]),
        _ => {}
    }
    octets
}

fn quoted_printable(body: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'=', body).is_none() {
        return Cow::Borrowed(body);
    }
    let mut octets = Vec::with_capacity(body.len());
    for (_, piece) in Quoted::of(body) {
        match piece {
            Piece::Plain(plain) => octets.extend_from_slice(plain),
            Piece::Escape(octet) => octets.push(octet),
            Piece::SoftBreak => {}
        }
    }
    Cow::Owned(octets)
}

/// What quoted-printable is made of, each piece with its place.
#[derive(Debug)]
pub(crate) struct Quoted<'a> {
    body: &'a [u8],
    at: usize,
}

/// A piece of quoted-printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Octets that stand for themselves. `=` before anything but two digits or a line end does.
    Plain(&'a [u8]),
    /// `=3D`
    Escape(u8),
    /// `=` and a line end, which stand for nothing.
    SoftBreak,
}

impl<'a> Quoted<'a> {
    pub(crate) const fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn piece(&self) -> Option<(usize, Piece<'a>)> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let Some(after) = rest.strip_prefix(b"=") else {
            let len = memchr(b'=', rest).unwrap_or(rest.len());
            return Some((len, Piece::Plain(rest.get(..len)?)));
        };
        if let [high, low, ..] = after
            && let Some(octet) = hex(*high, *low)
        {
            return Some((3, Piece::Escape(octet)));
        }
        if let Some(behind) = after_soft_break(after) {
            return Some((rest.len() - behind.len(), Piece::SoftBreak));
        }
        Some((1, Piece::Plain(rest.get(..1)?)))
    }
}

impl<'a> Iterator for Quoted<'a> {
    type Item = (Range<usize>, Piece<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (len, piece) = self.piece()?;
        let place = self.at..self.at + len;
        self.at = place.end;
        Some((place, piece))
    }
}

/// RFC 2045 §6.7, rule 3: white space before the line end was added on the way.
fn after_soft_break(rest: &[u8]) -> Option<&[u8]> {
    let blank = rest
        .iter()
        .position(|octet| !matches!(octet, b' ' | b'\t'))
        .unwrap_or(rest.len());
    match rest.get(blank..)? {
        [] => Some(&[]),
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] | [b'\r', after @ ..] => Some(after),
        _ => None,
    }
}

pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// `None` where there is no `begin` line.
fn uuencoded(body: &[u8]) -> Option<Vec<u8>> {
    let mut lines = body.split(|&octet| octet == b'\n');
    lines.find(|line| line.starts_with(b"begin "))?;
    let mut octets = Vec::with_capacity(body.len() / 4 * 3);
    for line in lines {
        let end = memchr2(b'\r', b'\n', line).unwrap_or(line.len());
        let line = line.get(..end).unwrap_or_default();
        let Some((&first, digits)) = line.split_first() else {
            continue;
        };
        if line == b"end" {
            break;
        }
        let length = usize::from(first.wrapping_sub(b' ') & 0x3f);
        let before = octets.len();
        for group in digits.chunks(4) {
            let mut bits = 0_u32;
            for place in 0..4 {
                let digit = group.get(place).copied().unwrap_or(b' ');
                bits = bits << 6 | u32::from(digit.wrapping_sub(b' ') & 0x3f);
            }
            let [_, a, b, c] = bits.to_be_bytes();
            octets.extend([a, b, c]);
        }
        octets.truncate(before + length);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn check(body: &[u8]) {
        let octets = lenient_base64(body);
        assert!(*Encoding::Base64.decode(body) == octets, "{body:?}");
        assert_eq!(base64_len(body), octets.len(), "{body:?}");
    }

    #[test]
    fn quick_and_lenient_readings_of_base64_are_one() {
        for octet in 0..=u8::MAX {
            for at in 0..300 {
                let mut body = base64::encode(&[octet; 200], base64::LINE);
                if let Some(changed) = body.get_mut(at) {
                    *changed = octet;
                }
                check(&body);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn quick_and_lenient_readings_of_nearly_base64_are_one(
            octets in prop::collection::vec(any::<u8>(), 0..600),
            line in 1..99_usize,
            end in select(vec!["\n", "\r\n", " \r\n", "\r", "="]),
            cut in 0..4_usize,
            put in "[A-Za-z0-9+/= \r\n!é-]{0,8}",
            at in any::<prop::sample::Index>(),
        ) {
            let digits = base64::encode(&octets, 4_000);
            let lines: Vec<&[u8]> = digits.chunks(line).collect();
            let mut body = lines.join(end.as_bytes());
            body.truncate(body.len().saturating_sub(cut));
            let at = at.index(body.len() + 1);
            check(&body);
            body.splice(at..at, put.bytes());
            check(&body);
        }
    }
}
