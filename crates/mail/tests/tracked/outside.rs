//! That nothing but addresses is changed in a message whose links are tracked.

use bytes::Bytes;
use memchr::memmem;
use postbell_mail::inbound::Mail;
use postbell_mail::inbound::mime::Encoding;

/// What differs between a message and the same with links tracked, beside addresses and pixel.
pub(crate) fn differences(before: &Bytes, after: &Bytes) -> Vec<String> {
    let mut found = Vec::new();
    let (old, new) = (Mail::read(before), Mail::read(after));
    if old.parts().len() != new.parts().len() {
        return vec!["the parts".to_owned()];
    }
    for (index, part) in old.parts().iter().enumerate() {
        if old.header(index).as_bytes() != new.header(index).as_bytes() {
            found.push(format!("the header of part {index}"));
        }
        let is_leaf = old.leaves().any(|(leaf, _)| leaf == index);
        let (old_text, new_text) = (old.octets(index), new.octets(index));
        // Folds are to be found only where lines stand as they are.
        let is_folded = part.encoding == Encoding::Identity
            && is_same_outside(&without_line_ends(&old_text), &without_line_ends(&new_text));
        if is_leaf && !is_folded && !is_same_outside(&old_text, &new_text) {
            found.push(format!(
                "part {index}, {}/{}",
                part.media.main, part.media.sub
            ));
        }
        if part.encoding != Encoding::QuotedPrintable {
            continue;
        }
        let lost = lost_lines(old.body(index), new.body(index));
        let places = pieces(&new_text).len();
        if lost > 4 * places {
            found.push(format!(
                "{lost} lines of part {index}, which has {places} places"
            ));
        }
    }
    found
}

/// Whether the page after is the page before, but for values that were replaced and the pixel.
fn is_same_outside(before: &[u8], after: &[u8]) -> bool {
    let pieces = pieces(after);
    let mut rest = before;
    for (index, piece) in pieces.iter().enumerate() {
        let at = if index == 0 {
            if rest.starts_with(piece) {
                0
            } else {
                usize::MAX
            }
        } else if index + 1 == pieces.len() && rest.ends_with(piece) {
            rest.len() - piece.len()
        } else {
            memmem::find(rest, piece).unwrap_or(usize::MAX)
        };
        let Some(behind) = at.checked_add(piece.len()).and_then(|at| rest.get(at..)) else {
            return false;
        };
        // What was replaced is a value.
        let value = rest.get(..at).unwrap_or_default();
        if value.contains(&b'<') || value.len() > 20_000 {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

fn without_line_ends(text: &[u8]) -> Vec<u8> {
    let kept = text.iter().copied();
    kept.filter(|octet| !matches!(octet, b'\r' | b'\n'))
        .collect()
}

/// What lies between what was put into a page.
fn pieces(after: &[u8]) -> Vec<Vec<u8>> {
    const PUT: &[u8] = b"https://t.example/";
    let is_put = |octet: &u8| octet.is_ascii_alphanumeric() || b":/._-?=&;#".contains(octet);
    let mut pieces = Vec::new();
    let mut rest = after;
    while let Some(at) = memmem::find(rest, PUT) {
        let (before, put) = rest.split_at(at);
        let len = put.iter().take_while(|octet| is_put(octet)).count();
        let (put, behind) = put.split_at(len);
        let mut piece = before;
        rest = behind;
        if put.starts_with(b"https://t.example/o/") {
            piece = before
                .get(..memmem::rfind(before, b"<img").unwrap())
                .unwrap();
            rest = behind
                .get(memmem::find(behind, b"/>").unwrap() + 2..)
                .unwrap();
        }
        pieces.push(piece.to_vec());
    }
    pieces.push(rest.to_vec());
    pieces
}

/// How many lines there are no longer.
fn lost_lines(before: &[u8], after: &[u8]) -> usize {
    /// Lines that may have been put before one that was kept.
    const AHEAD: usize = 100;
    let kept: Vec<&[u8]> = after.split(|octet| *octet == b'\n').collect();
    let (mut at, mut lost) = (0, 0);
    for line in before.split(|octet| *octet == b'\n') {
        let mut ahead = kept.iter().skip(at).take(AHEAD);
        match ahead.position(|other| *other == line) {
            Some(ahead) => at += ahead + 1,
            None => lost += 1,
        }
    }
    lost
}
