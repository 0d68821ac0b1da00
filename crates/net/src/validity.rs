//! Until when a certificate holds: the one field of X.509 that an operator asks for.
//!
//! The certificate is walked from its beginning to its Validity (RFC 5280 §4.1) and no further.
//! Nothing is verified here.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use postbell_model::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate whose end can't be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidityError {
    /// The file can't be read, or has no certificate.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It is not built as certificates are.
    #[error("it is no X.509 certificate")]
    Malformed,
}

/// The moment after which the first certificate of a PEM file holds no longer.
///
/// # Errors
/// There is no certificate that can be read.
pub fn valid_until(file: &Path) -> Result<Timestamp, ValidityError> {
    let unreadable =
        |error: rustls::pki_types::pem::Error| ValidityError::Unreadable(error.to_string());
    let mut certificates = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let first = certificates
        .next()
        .ok_or_else(|| ValidityError::Unreadable("there is none in it".to_owned()))?
        .map_err(unreadable)?;
    not_after(&first).ok_or(ValidityError::Malformed)
}

/// RFC 5280 §4.1: `notAfter` of a certificate.
pub(crate) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let mut certificate = Reader(Reader(der).take(SEQUENCE)?);
    let mut to_be_signed = Reader(certificate.take(SEQUENCE)?);
    // The version may be left out; the serial number, the algorithm and the issuer follow.
    let (tag, _) = to_be_signed.element()?;
    if tag == VERSION {
        to_be_signed.element()?;
    }
    to_be_signed.take(SEQUENCE)?;
    to_be_signed.take(SEQUENCE)?;
    let mut validity = Reader(to_be_signed.take(SEQUENCE)?);
    validity.element()?;
    time(validity.element()?)
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ`, of this century where the year is below 50, or
/// `YYYYMMDDHHMMSSZ`.
fn time((tag, octets): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(octets).ok()?.strip_suffix('Z')?;
    if !text.is_ascii() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (
                if year < 50 {
                    2_000 + year
                } else {
                    1_900 + year
                },
                rest,
            )
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let moment = DateTime::new(year, pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?, 0).ok()?;
    let moment = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

/// Elements of DER, one after the other.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The next element, which has this tag: its content.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, content) = self.element()?;
        (found == tag).then_some(content)
    }

    /// The next element: its tag and its content.
    fn element(&mut self) -> Option<(u8, &'d [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // No certificate is longer than three octets can tell.
            if octets.is_empty() || octets.len() > 3 {
                return None;
            }
            let length = octets
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet));
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs/dev.pem");

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let until = valid_until(Path::new(DEV)).unwrap();
        assert!(until > Timestamp::from_micros(0), "{until}");
        let der = CertificateDer::from_pem_file(DEV).unwrap();
        // Whatever is cut off or changed, it is an answer or none.
        for end in 0..der.len() {
            let _none = not_after(&der[..end]);
        }
        assert_eq!(not_after(&der[..100]), None);
    }

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        let read = |tag, text: &str| time((tag, text.as_bytes())).map(|at| at.to_string());
        let moment = |text: &str| Some(text.to_owned());
        assert_eq!(
            read(UTC_TIME, "491231235959Z"),
            moment("2049-12-31T23:59:59.000000Z")
        );
        assert_eq!(
            read(UTC_TIME, "500101000000Z"),
            moment("1950-01-01T00:00:00.000000Z")
        );
        assert_eq!(
            read(GENERALIZED_TIME, "20500101000000Z"),
            moment("2050-01-01T00:00:00.000000Z")
        );
        for text in [
            "",
            "Z",
            "4913",
            "491331235959Z",
            "49123123595Z",
            "49123123595éZ",
        ] {
            assert_eq!(read(UTC_TIME, text), None, "{text}");
        }
    }
}
