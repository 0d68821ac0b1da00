//! Lines that got too long (RFC 5322 §2.1.1).

use std::ops::Range;

use memchr::memchr_iter;

use crate::transfer::{LINE_MAX, has_long_line};

/// The octets, in which lines of more than [`LINE_MAX`] are broken at gaps: places within tags,
/// in their order, where white space has no meaning. A line that these do not make short enough
/// stays as it is.
pub(super) fn fold(octets: Vec<u8>, gaps: &[usize]) -> Vec<u8> {
    if gaps.is_empty() || !has_long_line(&octets) {
        return octets;
    }
    let mut folded = Vec::with_capacity(octets.len() + 2 * gaps.len());
    let mut start = 0;
    for end in memchr_iter(b'\n', &octets).chain([octets.len()]) {
        let line = start..end;
        let mut at = start;
        for gap in breaks(&octets, &line, gaps) {
            folded.extend_from_slice(octets.get(at..gap).unwrap_or_default());
            folded.extend_from_slice(b"\r\n");
            at = gap;
        }
        // With its LF, if it has one.
        folded.extend_from_slice(
            octets
                .get(at..end + 1)
                .or(octets.get(at..))
                .unwrap_or_default(),
        );
        start = end + 1;
    }
    folded
}

/// The gaps that make a line short enough, as few as will do; none where they don't.
fn breaks(octets: &[u8], line: &Range<usize>, gaps: &[usize]) -> Vec<usize> {
    if line.len() <= LINE_MAX {
        return Vec::new();
    }
    let text = octets.get(line.clone()).unwrap_or_default();
    let end = line.start + text.strip_suffix(b"\r").unwrap_or(text).len();
    let first = gaps.partition_point(|gap| *gap <= line.start);
    let last = gaps.partition_point(|gap| *gap < end);
    // What begins with a dash could be taken for a boundary.
    let is_plain = |gap: &usize| octets.get(*gap) != Some(&b'-');
    let gaps = gaps.get(first..last).unwrap_or_default();
    let mut breaks = Vec::new();
    let (mut start, mut before) = (line.start, line.start);
    for gap in gaps.iter().copied().filter(is_plain).chain([end]) {
        if gap - start > LINE_MAX && before > start {
            breaks.push(before);
            start = before;
        }
        if gap - start > LINE_MAX {
            return Vec::new();
        }
        before = gap;
    }
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], gaps: &[usize], folded: &[&str]) {
        let octets = lines.join("\r\n").into_bytes();
        let out = String::from_utf8(fold(octets, gaps)).unwrap();
        assert!(out == folded.join("\r\n"), "{out}");
    }

    #[test]
    fn long_lines_are_broken_where_they_may() {
        let [a, b] = ["a", "b"].map(|letter| letter.repeat(600));
        let both = format!("{a}{b}");
        check(
            &["x", &both, "y"],
            &[3, 303, 603, 1_000],
            &["x", &format!("{a}{}", &b[..397]), &b[397..], "y"],
        );
        check(&[&both], &[600], &[&a, &b]);
        check(&[&both, ""], &[100, 600, 1_200], &[&a, &b, ""]);
        // Nothing helps, or half of it would.
        check(&[&both], &[100], &[&both]);
        check(
            &[&format!("{both}{both}")],
            &[600],
            &[&format!("{both}{both}")],
        );
        check(&[&a, &b], &[300], &[&a, &b]);
        check(&[&format!("{a}--{a}")], &[600], &[&format!("{a}--{a}")]);
    }
}
