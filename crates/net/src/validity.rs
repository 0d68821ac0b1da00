//! Until when a certificate is valid, RFC 5280 §4.1.2.5: the one field of it that an operator is
//! to be warned of.
//!
//! Refused: to be a parser of certificates. It walks over DER (X.690 §8.1) to that field, and
//! whatever is not as expected on the way is no answer. Nothing depends on it but a figure.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use postbell_model::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT`, as the version is tagged.
const VERSION: u8 = 0xA0;

/// The end of a certificate's validity.
pub(crate) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // The serial number, the algorithm of the signature and the issuer come before.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (kind, text, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    time(kind, std::str::from_utf8(text).ok()?)
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            let fold = |length, octet: &u8| length << 8 | usize::from(*octet);
            (octets.iter().fold(0, fold), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(kind: u8, text: &str) -> Option<Timestamp> {
    let text = match kind {
        // RFC 5280 §4.1.2.5.1: years from 50 on are those of the last century.
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn development() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs/dev.pem");
        CertificateDer::from_pem_file(path).unwrap().to_vec()
    }

    #[test]
    fn the_development_certificate_ends_some_day() {
        let end = not_after(&development()).unwrap();
        // Made for years from the day of this writing.
        assert!(end.as_seconds() > 1_800_000_000, "{end}");
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        let second = |kind, text| time(kind, text).map(Timestamp::as_seconds);
        assert_eq!(second(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        assert_eq!(second(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        let late = second(GENERALIZED_TIME, "20500101000000Z");
        assert_eq!(late, Some(2_524_608_000));
        assert_eq!(second(UTC_TIME, "4912312359Z"), None);
        assert_eq!(second(0x0C, "491231235959Z"), None);
    }

    #[test]
    fn what_is_cut_off_or_changed_is_no_answer_or_another_and_never_a_panic() {
        let der = development();
        for end in 0..der.len() {
            let _ = not_after(&der[..end]);
            let mut changed = der.clone();
            changed[end] ^= 0xFF;
            let _ = not_after(&changed);
        }
        assert_eq!(not_after(&der[..20]), None);
    }
}
