//! Bodies in base64 (RFC 2045 §6.8): lines of digits, many octets at a time.
//!
//! What is read here is base64 and nothing else; [`crate::inbound`] also reads what comes near to
//! it. Keys, signatures and other short values are left to `data_encoding`.

use base64_simd::{Out, STANDARD};
use memchr::memchr_iter;

/// RFC 2045 §6.8: the longest line.
pub(crate) const LINE: usize = 76;

/// Digits that are made at a time, so few that they are still near when they are put into lines.
const BLOCK: usize = 8 * 1024;

/// The octets of a body. There may be white space around its lines, of whatever length.
///
/// `None` where there is anything else: no multiple of four digits, octets that are no digits,
/// padding but at the end, or bits behind the last octet.
pub(crate) fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(body.len());
    let mut start = 0;
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = body.get(start..end).unwrap_or_default();
        digits.extend_from_slice(line.trim_ascii());
        start = end + 1;
    }
    let len = STANDARD.decode_inplace(&mut digits).ok()?.len();
    digits.truncate(len);
    Some(digits)
}

/// Octets in lines of so many digits, a multiple of four. The last has no line end.
pub(crate) fn encode(octets: &[u8], line: usize) -> Vec<u8> {
    let lines = (BLOCK / line).max(1);
    let mut block = vec![0; lines * line];
    let digits = octets.len().div_ceil(3) * 4;
    let mut encoded = Vec::with_capacity(digits + digits / line * 2);
    for octets in octets.chunks(lines * line / 4 * 3) {
        let digits = STANDARD.encode(octets, Out::from_slice(&mut block));
        for digits in digits.chunks(line) {
            if !encoded.is_empty() {
                encoded.extend_from_slice(b"\r\n");
            }
            encoded.extend_from_slice(digits);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The same, octet by octet.
    fn decoded(body: &[u8]) -> Option<Vec<u8>> {
        let lines = body.split(|octet| *octet == b'\n');
        let digits: Vec<u8> = lines.flat_map(<[u8]>::trim_ascii).copied().collect();
        let padding = digits.iter().position(|octet| *octet == b'=');
        let is_padded_within = padding.is_some_and(|at| at + 2 < digits.len());
        BASE64.decode(&digits).ok().filter(|_| !is_padded_within)
    }

    fn encoded(octets: &[u8], line: usize) -> Vec<u8> {
        let lines: Vec<String> = octets
            .chunks(line / 4 * 3)
            .map(|octets| BASE64.encode(octets))
            .collect();
        lines.join("\r\n").into_bytes()
    }

    #[test]
    fn nothing_but_base64_is_read() {
        for (body, octets) in [
            ("", Some("")),
            (" \r\n", Some("")),
            ("w7zDvMO8", Some("üüü")),
            ("\r\nw7z\nDvA\r\n\r\n= \t\n\t=", Some("üü")),
            ("w7w", None),
            ("w7w=", Some("ü")),
            // Bits behind the last octet.
            ("w7x=", None),
            ("YR==", None),
            ("w7w==", None),
            ("w7w=w7w=", None),
            ("w7w=\r\nw7w=", None),
            ("w7 w=", None),
            ("w7\rw=", None),
            ("w7\0w=", None),
            ("w7-_", None),
            ("w7w=\r\n--\r\n", None),
            ("====", None),
            ("A===", None),
            ("=", None),
        ] {
            let octets = octets.map(|octets| octets.as_bytes().to_vec());
            assert_eq!(decode(body.as_bytes()), octets, "{body:?}");
            assert_eq!(decoded(body.as_bytes()), octets, "{body:?}");
        }
    }

    #[test]
    fn every_octet_is_read_as_it_was_wherever_it_stands() {
        // Of each length, so that it is read in steps of each size.
        for len in [4, 8, 32, 36, 76, 100] {
            for at in 0..len {
                for octet in 0..=u8::MAX {
                    let mut body = vec![b'A'; len];
                    body.splice(at..=at, [octet]);
                    assert_eq!(decode(&body), decoded(&body), "{octet} at {at} of {len}");
                }
            }
        }
    }

    const FAULTS: [&str; 15] = [
        "", "=", "==", " ", "\r", "\n", "\r\n", "A", "B", "AB", "ABC", "-", "_", "\0", "\u{e9}",
    ];

    /// Base64 in lines, with up to three faults.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let fault = (
            any::<prop::sample::Index>(),
            0..3_usize,
            select(&FAULTS[..]),
        );
        (
            prop::collection::vec(any::<u8>(), 0..400),
            1..100_usize,
            select(vec!["\n", "\r\n", " \r\n", "\t\n ", "\r", "\n\n"]),
            prop::collection::vec(fault, 0..4),
        )
            .prop_map(|(octets, line, end, faults)| {
                let digits = BASE64.encode(&octets).into_bytes();
                let lines: Vec<&[u8]> = digits.chunks(line).collect();
                let mut body = lines.join(end.as_bytes());
                for (at, removed, put) in faults {
                    let at = at.index(body.len() + 1);
                    let end = body.len().min(at + removed);
                    body.splice(at..end, put.bytes());
                }
                body
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_is_read_as_octet_by_octet(body in nearly()) {
            prop_assert_eq!(decode(&body), decoded(&body));
        }

        #[test]
        fn anything_is_read_as_octet_by_octet(
            body in prop::collection::vec(select(b"QUJDRAz89+/== \r\n\t-\x0b\x0c\x80!".to_vec()), 0..40),
        ) {
            prop_assert_eq!(decode(&body), decoded(&body));
        }

        #[test]
        fn the_last_digits_are_read_as_octet_by_octet(
            len in 0..25_usize,
            last in "[A-Za-z0-9+/]{1,4}={0,3}",
        ) {
            let body = [vec![b'Q'; 4 * len], last.into_bytes()].concat();
            prop_assert_eq!(decode(&body), decoded(&body));
        }
    }

    proptest! {
        #[test]
        fn lines_are_as_line_by_line(
            octets in prop::collection::vec(any::<u8>(), 0..20_000),
            line in 1..249_usize,
        ) {
            prop_assert!(encode(&octets, 4 * line) == encoded(&octets, 4 * line));
            prop_assert!(encode(&octets, LINE) == encoded(&octets, LINE));
            prop_assert!(decode(&encode(&octets, LINE)) == Some(octets));
        }
    }

    #[test]
    fn lines_are_as_line_by_line_where_a_block_ends() {
        let octets: Vec<u8> = (0..=u8::MAX).cycle().take(2 * BLOCK).collect();
        for line in [4, LINE, 996, BLOCK - 4, BLOCK, BLOCK + 4] {
            let block = (BLOCK / line).max(1) * line / 4 * 3;
            for len in [0, 1, block - 1, block, block + 1, 2 * block, 2 * block + 2] {
                let octets = octets.get(..len).unwrap_or(&octets);
                assert!(
                    encode(octets, line) == encoded(octets, line),
                    "{len} {line}"
                );
            }
        }
    }
}
