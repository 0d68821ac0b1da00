//! Where the parts of a multipart body begin and end (RFC 2046 §5.1.1).

use std::ops::Range;

use memchr::{memchr, memmem};

/// The parts of a body, and what lies around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// Each without the line ends that belong to the boundaries around it.
    pub(super) parts: Vec<Range<usize>>,
    /// Before the first boundary and behind the last: nobody reads it.
    pub(super) outside: [Range<usize>; 2],
}

/// Splits the body at `span`. `None` where there is no boundary in it, or a line that some readers
/// take for one and others do not.
pub(super) fn split(raw: &[u8], span: &Range<usize>, boundary: &[u8]) -> Option<Split> {
    let body = raw.get(span.clone())?;
    let dashed = [b"--", boundary].concat();
    let mut parts = Vec::new();
    let mut preamble = None;
    let mut begun: Option<usize> = None;
    for found in memmem::find_iter(body, &dashed) {
        let starts_line = found == 0 || body.get(found - 1) == Some(&b'\n');
        if !starts_line {
            continue;
        }
        let line = Delimiter::read(body, found + dashed.len())?;
        match begun {
            Some(begin) => parts.push(part(body, begin, found)),
            None => preamble = Some(0..found),
        }
        begun = (!line.closes).then_some(line.end);
        if line.closes {
            return Some(Split {
                parts: parts.into_iter().map(|part| moved(&part, span)).collect(),
                outside: [preamble?, line.end..body.len()].map(|part| moved(&part, span)),
            });
        }
    }
    // RFC 2046 §5.1.2: the last boundary may have been lost.
    parts.push(begun?..body.len());
    Some(Split {
        parts: parts.into_iter().map(|part| moved(&part, span)).collect(),
        outside: [preamble?, body.len()..body.len()].map(|part| moved(&part, span)),
    })
}

/// The rest of a boundary's line.
struct Delimiter {
    /// Where the next line begins.
    end: usize,
    closes: bool,
}

impl Delimiter {
    // RFC 2046 §5.1.1: nothing but white space follows. Some readers take a line that goes on for
    // a boundary, others don't.
    fn read(body: &[u8], at: usize) -> Option<Self> {
        let rest = body.get(at..)?;
        let len = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let line = rest.get(..len)?.trim_ascii_end();
        let closes = line.starts_with(b"--");
        let padding = if closes { line.get(2..)? } else { line };
        let end = at + len;
        padding.is_empty().then_some(Self { end, closes })
    }
}

/// From behind one boundary to the line end before the next.
fn part(body: &[u8], begin: usize, boundary: usize) -> Range<usize> {
    let octets = body.get(begin..boundary).unwrap_or_default();
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
    begin..begin + octets.len()
}

fn moved(part: &Range<usize>, span: &Range<usize>) -> Range<usize> {
    span.start + part.start..span.start + part.end
}
