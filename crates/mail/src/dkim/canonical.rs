//! The canonical forms of header and body (RFC 6376 §3.4).

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::authentication::tags::emptied;
use crate::header::{Field, Header};

/// Canonical octets that are gathered before they are hashed.
const GATHER: usize = 4096;

/// How much a message may be changed on its way before a signature breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Canonicalization {
    /// Not at all, but for empty lines at its end.
    Simple,
    /// White space may change, and the case of field names.
    Relaxed,
}

impl Canonicalization {
    /// Appends a field of a header in this form, without a line end.
    pub fn field(self, header: Header<'_>, field: &Field<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Relaxed => relaxed_field(field.name(), field.value(), out),
            Self::Simple => {
                let octets = header.as_bytes().get(field.span().clone());
                let octets = octets.unwrap_or_default();
                let line = octets.strip_suffix(b"\n").unwrap_or(octets);
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            }
        }
    }

    /// Appends the field of the signature itself, without a line end and without the value of its
    /// `b=` tag.
    // RFC 6376 §3.7
    pub fn own_field(self, header: Header<'_>, field: &Field<'_>, out: &mut Vec<u8>) {
        let value = emptied(field.value(), "b");
        match self {
            Self::Relaxed => relaxed_field(field.name(), &value, out),
            Self::Simple => {
                let octets = header.as_bytes().get(field.span().clone());
                let name = octets
                    .unwrap_or_default()
                    .split(|octet| *octet == b':')
                    .next();
                out.extend_from_slice(name.unwrap_or_default());
                out.push(b':');
                out.extend_from_slice(&value);
            }
        }
    }

    /// The octets of a body that count in this form: what has to be hashed.
    pub fn part(self, body: &[u8]) -> &[u8] {
        let mut part = body;
        // RFC 6376 §3.4.3: empty lines at the end do not count.
        while self == Self::Simple
            && let Some(shorter) = part.strip_suffix(b"\r\n")
        {
            part = shorter;
        }
        part
    }

    /// The hash of a body in this form, and how many octets the form has. Costs one look at each
    /// octet.
    pub fn body_hash(self, body: &[u8]) -> ([u8; 32], u64) {
        let mut hash = BodyHash::new(self);
        hash.write(self.part(body));
        hash.finish()
    }
}

/// Appends a header field in canonical form, without a line end.
pub(crate) fn relaxed_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    for &octet in value {
        match octet {
            b' ' | b'\t' => space = true,
            // The line ends of a folded field.
            b'\r' | b'\n' => {}
            octet => {
                if space && out.len() > start {
                    out.push(b' ');
                }
                space = false;
                out.push(octet);
            }
        }
    }
}

/// The SHA-256 of a body in canonical form, of chunks cut anywhere.
pub struct BodyHash {
    form: Canonicalization,
    canonical: Canonical,
    digest: Context,
    length: u64,
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyHash")
            .field("form", &self.form)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl BodyHash {
    /// Of no octets yet.
    pub fn new(form: Canonicalization) -> Self {
        Self {
            form,
            canonical: Canonical::default(),
            digest: Context::new(&SHA256),
            length: 0,
        }
    }

    /// More of what [`Canonicalization::part`] gives.
    pub fn write(&mut self, chunk: &[u8]) {
        match self.form {
            Canonicalization::Simple => self.hash(chunk),
            Canonicalization::Relaxed => {
                for part in chunk.chunks(GATHER) {
                    self.canonical.write(part);
                    self.flush();
                }
            }
        }
    }

    /// The hash, and how many octets the form has.
    pub fn finish(mut self) -> ([u8; 32], u64) {
        match self.form {
            // RFC 6376 §3.4.3: one line end at the end, however many there were.
            Canonicalization::Simple => self.hash(b"\r\n"),
            Canonicalization::Relaxed => {
                self.canonical.finish();
                self.flush();
            }
        }
        let digest = self.digest.finish();
        let mut octets = [0; 32];
        octets.copy_from_slice(digest.as_ref());
        (octets, self.length)
    }

    fn flush(&mut self) {
        self.digest.update(&self.canonical.out);
        self.length += self.canonical.out.len() as u64;
        self.canonical.out.clear();
    }

    fn hash(&mut self, octets: &[u8]) {
        self.digest.update(octets);
        self.length += octets.len() as u64;
    }
}

/// Octets that are looked at together.
const BLOCK: usize = 32;

/// How many octets of a text that begins with a plain one are in their canonical form already, up
/// to one that is plain.
fn verbatim(text: &[u8]) -> usize {
    let mut end = 1;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        if let Some(block) = rest.first_chunk()
            && is_verbatim(block)
        {
            end += BLOCK;
            continue;
        }
        let block_end = end + BLOCK;
        while end < block_end {
            match text.get(end..).and_then(step) {
                Some(octets) => end += octets,
                None => return end,
            }
        }
    }
}

/// Whether nothing in a block is to be changed, by the two octets behind it too. Without branches,
/// so that many octets are compared by one instruction.
fn is_verbatim(block: &[u8; BLOCK + 2]) -> bool {
    let ([these @ .., _, _], [_, nexts @ .., _], [_, _, thirds @ ..]) = (block, block, block);
    let mut all = true;
    for ((this, next), third) in these.iter().zip(nexts).zip(thirds) {
        let is_single = (*this == b' ') & is_plain(*next);
        let is_line_end = (*this == b'\r') & (*next == b'\n') & is_plain(*third);
        all &= is_plain(*this) | is_single | is_line_end;
    }
    all
}

/// How many of the first octets are in their canonical form, up to one that is plain.
fn step(text: &[u8]) -> Option<usize> {
    match text {
        [first, ..] if is_plain(*first) => Some(1),
        [b' ', next, ..] if is_plain(*next) => Some(2),
        [b'\r', b'\n', next, ..] if is_plain(*next) => Some(3),
        _ => None,
    }
}

const fn is_plain(octet: u8) -> bool {
    (octet != b' ') & (octet != b'\t') & (octet != b'\r')
}

/// What was read and what of it is not written yet, since it counts only if more follows.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    pub(super) out: Vec<u8>,
    /// Line ends.
    line_ends: usize,
    /// White space within the line.
    space: bool,
    /// A CR, perhaps of a line end.
    cr: bool,
    /// Whether anything was ever written.
    any: bool,
}

impl Canonical {
    pub(super) fn write(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            match first {
                b'\n' if self.cr => self.end_line(),
                b'\r' => {
                    self.lone_cr();
                    self.cr = true;
                }
                b' ' | b'\t' => {
                    self.lone_cr();
                    self.space = true;
                }
                _ => {
                    self.lone_cr();
                    let (run, next) = rest.split_at(verbatim(rest));
                    self.text(run);
                    rest = next;
                    continue;
                }
            }
            rest = after;
        }
    }

    /// All lines that are empty by now, at the end of the body, are left out.
    pub(super) fn finish(&mut self) {
        self.lone_cr();
        if self.any {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn end_line(&mut self) {
        self.cr = false;
        self.space = false;
        self.line_ends += 1;
    }

    /// A CR without LF is text like any other.
    fn lone_cr(&mut self) {
        if std::mem::take(&mut self.cr) {
            self.text(b"\r");
        }
    }

    fn text(&mut self, run: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.out.extend_from_slice(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(run);
        self.any = true;
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    use super::*;

    /// What `verbatim` says, one octet after the other.
    fn verbatim_by_octets(text: &[u8]) -> usize {
        let mut end = 1;
        while let Some(octets) = text.get(end..).and_then(step) {
            end += octets;
        }
        end
    }

    proptest! {
        #[test]
        fn blocks_say_what_octets_say(
            words in proptest::collection::vec("[a-z]{1,30}", 1..20),
            between in proptest::collection::vec("( |\r\n|\n|  |\t|\r|\r\n\r\n| \r\n)", 20),
            odd in 0..20_usize,
        ) {
            let mut text = String::new();
            for (at, (word, mark)) in words.iter().zip(&between).enumerate() {
                text.push_str(word);
                // Mostly what is canonical, so that there are runs of several blocks.
                text.push_str(if at < odd { " " } else { mark });
            }
            prop_assert_eq!(verbatim(text.as_bytes()), verbatim_by_octets(text.as_bytes()));
        }
    }

    fn check(form: Canonicalization, body: &str, canonical: &str) {
        let (hash, length) = form.body_hash(body.as_bytes());
        assert_eq!(length, canonical.len() as u64, "{body:?}");
        assert_eq!(
            hash,
            digest(&SHA256, canonical.as_bytes()).as_ref(),
            "{body:?}"
        );
    }

    // RFC 6376 §3.4.3, §3.4.4, §3.4.5
    #[test]
    fn bodies_in_their_canonical_forms() {
        let body = " C \r\nD \t E\r\n\r\n\r\n";
        check(Canonicalization::Relaxed, body, " C\r\nD E\r\n");
        check(Canonicalization::Simple, body, " C \r\nD \t E\r\n");
        check(Canonicalization::Relaxed, "", "");
        check(Canonicalization::Simple, "", "\r\n");
        check(Canonicalization::Relaxed, "a\r\n \r\n\t\r\n", "a\r\n");
        check(Canonicalization::Relaxed, " \r\n", "");
        check(Canonicalization::Simple, "a\r\n \r\n", "a\r\n \r\n");
        check(Canonicalization::Simple, "a", "a\r\n");
        check(Canonicalization::Relaxed, "a", "a\r\n");
    }
}
