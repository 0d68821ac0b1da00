//! Splices in quoted-printable (RFC 2045 §6.7).
//!
//! A line without a splice keeps its octets. One that has some keeps those around them, and is
//! broken softly where it gets longer than 76.

use std::ops::Range;

use memchr::{memchr, memrchr};

use crate::inbound::mime::{Piece, Quoted};
use crate::transfer::{self, QUOTED_LINE};

/// Where octets of the content stand in the encoded body. Asked from the front on.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pieces: Quoted<'a>,
    place: Range<usize>,
    /// How many octets of the content come before the piece, and before the next one.
    content: Range<usize>,
}

impl<'a> Places<'a> {
    pub(super) const fn of(body: &'a [u8]) -> Self {
        Self {
            pieces: Quoted::of(body),
            place: 0..0,
            content: 0..0,
        }
    }

    /// Where a span stands, which does not begin before the one that was asked for last: without
    /// what stands for nothing before and behind it.
    pub(super) fn of_span(&mut self, span: &Range<usize>) -> Range<usize> {
        if span.is_empty() {
            let behind = span.start.checked_sub(1);
            let at = behind.map_or(0, |last| self.of_octet(last).end);
            return at..at;
        }
        let start = self.of_octet(span.start).start;
        start..self.of_octet(span.end - 1).end
    }

    fn of_octet(&mut self, at: usize) -> Range<usize> {
        while at >= self.content.end {
            let Some((place, piece)) = self.pieces.next() else {
                return self.place.end..self.place.end;
            };
            let len = match piece {
                Piece::Plain(octets) => octets.len(),
                Piece::Escape(_) => 1,
                Piece::SoftBreak => 0,
            };
            self.place = place;
            self.content = self.content.end..self.content.end + len;
        }
        if self.content.len() == 1 {
            return self.place.clone();
        }
        let start = self.place.start + at.saturating_sub(self.content.start);
        start..start + 1
    }
}

/// Writes the body with what is put into it. The spans are in `body`, in their order.
pub(super) fn splice(body: &[u8], put: &[(Range<usize>, String)], octets: Vec<u8>) -> Vec<u8> {
    let mut out = transfer::Quoted { octets, column: 0 };
    let mut at = 0;
    for (span, text) in put {
        keep(&mut out, body.get(at..span.start).unwrap_or_default());
        write(&mut out, text.as_bytes());
        at = span.end;
    }
    keep(&mut out, body.get(at..).unwrap_or_default());
    out.octets
}

/// Copies octets. Where the rest of a line does not fit behind what was put there, it goes on a
/// line of its own, on which it fits as well as before.
fn keep(out: &mut transfer::Quoted, mut kept: &[u8]) {
    let (line, room) = match memchr(b'\n', kept) {
        Some(lf) => (
            kept.get(..lf).unwrap_or_default().trim_ascii_end().len(),
            QUOTED_LINE + 1,
        ),
        None => (kept.len(), QUOTED_LINE),
    };
    if out.column > 0 && out.column + line > room {
        out.break_softly();
        if let Some(behind) = kept.strip_prefix(b"-") {
            out.push_escaped(b'-');
            kept = behind;
        }
    }
    out.octets.extend_from_slice(kept);
    out.column = match memrchr(b'\n', kept) {
        Some(lf) => kept.len() - lf - 1,
        None => out.column + kept.len(),
    };
}

fn write(out: &mut transfer::Quoted, text: &[u8]) {
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        let room = QUOTED_LINE.saturating_sub(out.column);
        let begins_line = out.column == 0 && octet == b'-';
        let plain = rest.iter().take(room).take_while(|octet| is_plain(**octet));
        let (run, after) = rest.split_at_checked(plain.count()).unwrap_or_default();
        if !run.is_empty() && !begins_line {
            out.push(run);
            rest = after;
            continue;
        }
        match octet {
            // RFC 2045 §6.7 (3): not at the end of a line.
            b' ' if !behind.is_empty() => out.push(b" "),
            // Nothing that is put on a line of its own may look like a boundary.
            b'-' if out.column == 0 || out.column >= QUOTED_LINE => out.push_escaped(octet),
            _ if is_plain(octet) => out.push(&[octet]),
            _ => out.push_escaped(octet),
        }
        rest = behind;
    }
}

/// Whether an octet stands for itself.
const fn is_plain(octet: u8) -> bool {
    matches!(octet, b'!'..=b'<' | b'>'..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::mime::Encoding;

    fn check(body: &str, span: Range<usize>, text: &str, spliced: &str) {
        let place = Places::of(body.as_bytes()).of_span(&span);
        let put = [(place, text.to_owned())];
        let out = splice(body.as_bytes(), &put, Vec::new());
        assert_eq!(String::from_utf8(out.clone()).unwrap(), spliced);
        let mut content = Encoding::QuotedPrintable
            .decode(body.as_bytes())
            .into_owned();
        content.splice(span, text.bytes());
        assert_eq!(*Encoding::QuotedPrintable.decode(&out), *content);
    }

    #[test]
    fn only_the_line_of_a_splice_is_touched() {
        check(
            "a=20=\r\nb\r\nc=3Dd=\r\ne\r\n",
            7..8,
            "=",
            "a=20=\r\nb\r\nc=3D=3D=\r\ne\r\n",
        );
        check("a=20=\r\nb\r\n", 1..3, "x", "ax\r\n");
        check("a=\r\n", 1..1, "x", "ax=\r\n");
        check("a=\r\nb", 0..0, "x", "xa=\r\nb");
        check("a=3", 1..3, "x", "ax");
        check("", 0..0, "x", "x");
    }

    #[test]
    fn lines_are_broken_softly() {
        let long = "x".repeat(70);
        check(
            &format!("<{long}>"),
            0..0,
            "12345",
            &format!("12345=\r\n<{long}>"),
        );
        check(
            &format!("{long}\r\n"),
            70..70,
            "123456",
            &format!("{long}12345=\r\n6\r\n"),
        );
        check(
            &format!("-{long}"),
            0..0,
            "12345",
            &format!("12345=\r\n=2D{long}"),
        );
        check(&long, 70..70, "12345-", &format!("{long}12345=\r\n=2D"));
        check(
            "",
            0..0,
            &"=".repeat(30),
            &format!("{}=\r\n{}", "=3D".repeat(25), "=3D".repeat(5)),
        );
    }
}
