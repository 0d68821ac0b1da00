//! Folding long lines of a header (RFC 5322 §2.2.3).
//!
//! A line end is put before white space that is there: unfolding gives the same field again. A
//! line without white space stays as it is.

use super::apply::Edit;
use super::{LINE_MAX, longest_line};
use crate::header::Header;

/// The folds of a message's long header fields.
pub(super) fn edits(raw: &[u8]) -> Vec<Edit> {
    let Ok(header) = Header::find(raw) else {
        return Vec::new();
    };
    let mut edits = Vec::new();
    for field in header.fields() {
        let octets = raw.get(field.span().clone()).unwrap_or_default();
        if longest_line(octets) <= LINE_MAX || field.name().is_empty() {
            continue;
        }
        let mut at = field.span().start;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            let folds = folds(line).into_iter();
            edits.extend(folds.map(|fold| Edit::insert(at + fold, *b"\r\n")));
            at += line.len();
        }
    }
    edits
}

/// Where a line is folded: before white space, with something before and behind it that is none,
/// and as seldom as can be.
fn folds(line: &[u8]) -> Vec<usize> {
    let text = line.trim_ascii_end();
    let mut folds = Vec::new();
    let mut start = 0;
    while text.len() - start > LINE_MAX {
        let rest = text.get(start..).unwrap_or_default();
        let window = rest.get(..=LINE_MAX).unwrap_or(rest);
        let blank = window.len() - window.trim_ascii_start().len();
        let is_space = |octet: &u8| matches!(octet, b' ' | b'\t');
        let fold = window.iter().rposition(is_space).filter(|&at| at > blank);
        // Where the first word is too long, at the next white space: it helps the rest of the line.
        let later = || {
            let behind = rest.iter().skip(blank).position(is_space);
            behind.map(|at| at + blank)
        };
        let Some(fold) = fold.or_else(later) else {
            break;
        };
        start += fold;
        folds.push(start);
    }
    folds
}
