//! Content that a host does not take as it is: octets over 127 (RFC 6152 §3) and lines of more
//! than 998 octets (RFC 5321 §4.5.3.1.6, RFC 5322 §2.1.1).
//!
//! The parts that need it are encoded (RFC 2045 §6), text as quoted-printable and everything else
//! as base64; their Content-Transfer-Encoding says so, and that of what they lie in. Long lines of
//! the header are folded where they have white space. All other octets stay as they are.
//!
//! Not done here, ever: to touch what is signed or encrypted (RFC 1847 §2.1), to encode a part
//! that may not be encoded (RFC 2046 §5.2), to change octets over 127 in a header, or to guess
//! where the parts of a message begin and end. A message that would need one of these can't be
//! made 7-bit; its long lines stay.

mod apply;
mod encode;
mod fold;
mod head;
mod split;
mod walk;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

pub(crate) use encode::{QUOTED_LINE, Quoted};

use crate::control;
use crate::header::Header;

/// RFC 5322 §2.1.1: no line has more octets, its CRLF aside.
pub const LINE_MAX: usize = 998;

/// What a host can't do with a message as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// It takes octets over 127, in lines of a length that RFC 5322 allows.
    ShortLines,
    /// It takes ASCII alone, in such lines.
    SevenBit,
}

/// Why a message can't be made 7-bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// There is no encoding for that but SMTPUTF8's.
    #[error("a header in it is not ASCII")]
    Header,
    /// Its signature would no longer hold.
    #[error("what is not ASCII in it is signed or encrypted")]
    Protected,
    /// RFC 2046 §5.2, or an encoding that is not one of RFC 2045.
    #[error("a part of it that is not ASCII may not be encoded")]
    Fixed,
    /// Readers would understand it in different ways.
    #[error("where its parts begin and end is not clear")]
    Unclear,
    /// It has more parts, or parts in parts, than anybody has use for.
    #[error("it has too many parts")]
    TooComplex,
}

/// The message as a host with this need takes it. Costs a look at each kilobyte where all its
/// lines are short and octets over 127 are welcome, and one pass over the message otherwise.
///
/// Lines that can't be shortened stay as they are: most hosts take them.
///
/// # Errors
/// The message can't be made 7-bit.
pub fn fit(raw: &Bytes, need: Need) -> Result<Bytes, Unfit> {
    if !has_long_line(raw) && (need == Need::ShortLines || raw.is_ascii()) {
        return Ok(raw.clone());
    }
    let mut edits = walk::edits(raw, need)?;
    edits.extend(fold::edits(raw));
    Ok(apply::apply(raw, edits))
}

/// The same of a message in chunks, which it is given back in unless something has to be changed.
///
/// # Errors
/// The message can't be made 7-bit.
pub fn fit_chunks(chunks: Vec<Bytes>, need: Need) -> Result<Vec<Bytes>, Unfit> {
    if is_fit(&chunks, need) {
        return Ok(chunks);
    }
    let whole = match chunks.as_slice() {
        [whole] => whole.clone(),
        chunks => Bytes::from(chunks.concat()),
    };
    Ok(vec![fit(&whole, need)?])
}

/// Whether [`fit_chunks`] has nothing to do: asked in a hundredth of the time that it takes to do it.
pub fn is_fit(chunks: &[Bytes], need: Need) -> bool {
    let is_ascii = || chunks.iter().all(|chunk| chunk.is_ascii());
    !may_have_long_line(chunks) && (need == Need::ShortLines || is_ascii())
}

/// Whether a line has more than [`LINE_MAX`] octets. Of a line that begins in one chunk and ends in
/// another its CR counts as well, so that it may be one too many.
fn may_have_long_line(chunks: &[Bytes]) -> bool {
    // Octets of the line that the chunks before have begun.
    let mut begun = 0;
    for chunk in chunks {
        let first = memchr(b'\n', chunk);
        let behind = first.map_or(chunk.len(), |lf| lf + 1);
        let last = memrchr(b'\n', chunk).map_or(0, |lf| lf + 1);
        if begun + first.unwrap_or(chunk.len()) > LINE_MAX
            || has_long_line(chunk.get(behind..last).unwrap_or_default())
        {
            return true;
        }
        begun = match first {
            Some(_) => chunk.len() - last,
            None => begun + chunk.len(),
        };
    }
    begun > LINE_MAX
}

/// The longest lines that are left of a message once it was made to fit [`Need::ShortLines`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LongLines {
    /// The field that has a line of more than [`LINE_MAX`] octets, and how many they are. Control
    /// fields, which are never sent, do not count.
    pub field: Option<(String, usize)>,
    /// Octets of the longest line of the body.
    pub body: usize,
}

/// The longest lines of a message as it would be sent.
pub fn long_lines(raw: &Bytes) -> LongLines {
    let Ok(fitted) = fit(raw, Need::ShortLines) else {
        return LongLines::default();
    };
    let Ok(header) = Header::find(&fitted) else {
        return LongLines::default();
    };
    let mut fields = header.fields().filter(|field| !control::is_control(field));
    let field = fields.find_map(|field| {
        let octets = fitted.get(field.span().clone()).unwrap_or_default();
        let longest = longest_line(octets);
        let name = String::from_utf8_lossy(field.name()).into_owned();
        (longest > LINE_MAX).then_some((name, longest))
    });
    let body = fitted.get(header.as_bytes().len()..).unwrap_or_default();
    LongLines {
        field,
        body: longest_line(body),
    }
}

fn longest_line(octets: &[u8]) -> usize {
    let ends = memchr_iter(b'\n', octets).chain([octets.len()]);
    let mut start = 0;
    let mut longest = 0;
    for end in ends {
        let line = octets.get(start..end).unwrap_or_default();
        longest = longest.max(line.strip_suffix(b"\r").unwrap_or(line).len());
        start = end + 1;
    }
    longest
}

/// Whether a line has more than [`LINE_MAX`] octets. Looks for the last line end within each
/// stretch of that length, and goes on behind it.
pub(crate) fn has_long_line(octets: &[u8]) -> bool {
    // A line of the greatest length and its CRLF.
    const WINDOW: usize = LINE_MAX + 2;
    let mut rest = octets;
    while rest.len() > LINE_MAX {
        let window = rest.get(..WINDOW).unwrap_or(rest);
        let Some(end) = memrchr(b'\n', window) else {
            return longest_line(rest) > LINE_MAX;
        };
        let first = window.get(..end).unwrap_or_default();
        if end == WINDOW - 1 && !first.ends_with(b"\r") {
            // The line has one octet too many, unless it is not the only one in the window.
            if memrchr(b'\n', first).is_none() {
                return true;
            }
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    false
}
