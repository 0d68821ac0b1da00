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
        let lost = lost_lines(old.body(index), new.body(index));
        let places = pieces(&new_text).len();
        if part.encoding == Encoding::QuotedPrintable && lost > 4 * places {
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

/// What lies between what was put into a page. Line ends before an attribute are folds.
fn pieces(after: &[u8]) -> Vec<Vec<u8>> {
    let text: Vec<char> = after.iter().map(|octet| char::from(*octet)).collect();
    let text: String = text.into_iter().collect();
    let mut pieces = vec![String::new()];
    let mut rest = text.as_str();
    while let Some(at) = rest.find("https://t.example/") {
        let (before, put) = rest.split_at(at);
        let end = put
            .find(|c: char| !(c.is_ascii_alphanumeric() || ":/._-?=&;".contains(c)))
            .unwrap_or(put.len());
        // `&#62;` and the like do not stand in these addresses, but text may follow directly.
        let (put, after) = put.split_at(end);
        let is_pixel = put.starts_with("https://t.example/o/");
        let last = pieces.last_mut().unwrap();
        last.push_str(before);
        rest = after;
        if is_pixel {
            let tag = last.rfind("<img").unwrap();
            last.truncate(tag);
            rest = rest.split_once("/>").unwrap().1;
        }
        pieces.push(String::new());
    }
    pieces.last_mut().unwrap().push_str(rest);
    let octets = |piece: String| {
        piece
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    };
    pieces.into_iter().map(octets).collect()
}

/// How many lines there are no longer.
fn lost_lines(before: &[u8], after: &[u8]) -> usize {
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(|octet| *octet == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    /// Lines that may have been put before one that was kept.
    const AHEAD: usize = 100;
    let kept = lines(after);
    let (mut at, mut lost) = (0, 0);
    for line in lines(before) {
        let mut ahead = kept.iter().skip(at).take(AHEAD);
        match ahead.position(|other| *other == line) {
            Some(ahead) => at += ahead + 1,
            None => lost += 1,
        }
    }
    lost
}
