//! Headers as proxies send them, whole, cut and wrong.

use proptest::prelude::*;

use super::header::{Header, Malformed, Progress, Source};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of these parts, its length as it is.
pub(crate) fn header(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_command, family], &length, rest].concat()
}

/// What a proxy says for a client of this address.
pub(crate) fn header_for(client: std::net::IpAddr) -> Vec<u8> {
    match client {
        std::net::IpAddr::V4(v4) => header(
            0x21,
            0x11,
            &[&v4.octets()[..], &[10, 0, 0, 1, 0x9c, 0x40, 2, 75]].concat(),
        ),
        std::net::IpAddr::V6(v6) => header(
            0x21,
            0x21,
            &[&v6.octets()[..], &[0; 16], &[1, 2, 3, 4]].concat(),
        ),
    }
}

fn whole(octets: &[u8]) -> Result<Source, Malformed> {
    match Header::parse(octets)? {
        Progress::Whole(header) => Ok(header.source),
        Progress::Needs(length) => panic!("needs {length}"),
    }
}

#[test]
fn clients_have_the_address_that_the_proxy_says() {
    for ip in ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"] {
        let ip = ip.parse().unwrap();
        assert_eq!(whole(&header_for(ip)), Ok(Source::Client(ip)));
    }
    assert_eq!(whole(&header(0x20, 0x00, b"")), Ok(Source::Proxy));
    assert_eq!(whole(&header(0x20, 0xff, b"whatever")), Ok(Source::Proxy));
}

#[test]
fn what_is_no_header_is_refused_as_soon_as_it_shows() {
    for (octets, expected) in [
        (b"EHLO c\r\n".to_vec(), Malformed::Signature),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
            Malformed::Signature,
        ),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Malformed::Signature),
        (header(0x11, 0x11, &[0; 12]), Malformed::Version(1)),
        (header(0x31, 0x11, &[0; 12]), Malformed::Version(3)),
        (header(0x22, 0x11, &[0; 12]), Malformed::Command(2)),
        (header(0x21, 0x00, b""), Malformed::Family(0)),
        (header(0x21, 0x12, &[0; 12]), Malformed::Family(0x12)),
        (header(0x21, 0x31, &[0; 216]), Malformed::Family(0x31)),
        (header(0x21, 0x11, &[0; 11]), Malformed::Short),
        (header(0x21, 0x21, &[0; 35]), Malformed::Short),
        (header(0x20, 0x00, &[0; 4097]), Malformed::Length(4097)),
    ] {
        assert_eq!(Header::parse(&octets), Err(expected), "{octets:?}");
    }
}

proptest! {
    /// Wherever a header is cut, more is asked for and never more than there is of it; what
    /// follows is left alone.
    #[test]
    fn a_header_is_as_long_as_it_says(
        v6 in any::<bool>(),
        address in any::<[u8; 16]>(),
        more in proptest::collection::vec(any::<u8>(), 0..200),
        behind in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let addresses = if v6 { 36 } else { 12 };
        let mut rest = address.to_vec();
        rest.resize(36, 7);
        rest.truncate(addresses);
        rest.extend(more);
        let octets = header(0x21, if v6 { 0x21 } else { 0x11 }, &rest);
        for cut in 0..octets.len() {
            match Header::parse(&octets[..cut]) {
                Ok(Progress::Needs(length)) => {
                    prop_assert!(length > cut && length <= octets.len());
                }
                other => prop_assert!(false, "cut at {}: {:?}", cut, other),
            }
        }
        let all = [octets.as_slice(), &behind].concat();
        let Ok(Progress::Whole(header)) = Header::parse(&all) else {
            return Err(TestCaseError::fail("whole"));
        };
        prop_assert_eq!(header.length, octets.len());
    }

    #[test]
    fn nothing_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Header::parse(&octets);
        let _ = Header::parse(&[SIGNATURE, &octets].concat());
    }
}
