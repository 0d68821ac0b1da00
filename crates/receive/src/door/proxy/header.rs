//! The binary header (PROXY protocol, section 2.2), without I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_LEN: usize = 16;
/// What stands behind that, at most: addresses take 36 octets, what proxies add some hundred,
/// a client's certificate a few thousand.
const REST_MAX: usize = 4096;

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source: Source,
    /// Octets of all of it.
    pub(super) length: usize,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The proxy's own.
    Proxy,
    /// A client's.
    Client(IpAddr),
}

/// What can be said of a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It takes so many octets, all together, to say more.
    Needs(usize),
    Whole(Header),
}

/// Why it is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it does not begin as one of version 2 does")]
    Signature,
    #[error("version {0}, not 2")]
    Version(u8),
    #[error("unknown command {0}")]
    Command(u8),
    #[error("family and transport {0:#04x}, not TCP over IPv4 or IPv6")]
    Family(u8),
    #[error("{0} octets, more than {REST_MAX}")]
    Length(usize),
    #[error("too short for its addresses")]
    Short,
}

impl Header {
    /// Reads the header that the octets begin with; what follows it is not looked at.
    pub(super) fn parse(octets: &[u8]) -> Result<Progress, Malformed> {
        let begun = octets
            .iter()
            .zip(SIGNATURE)
            .all(|(octet, sign)| octet == sign);
        if !begun {
            return Err(Malformed::Signature);
        }
        let Some((fixed, rest)) = octets.split_at_checked(FIXED_LEN) else {
            return Ok(Progress::Needs(FIXED_LEN));
        };
        let &[.., version, family, high, low] = fixed else {
            return Ok(Progress::Needs(FIXED_LEN));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let command = command(version)?;
        if length > REST_MAX {
            return Err(Malformed::Length(length));
        }
        let Some(rest) = rest.get(..length) else {
            return Ok(Progress::Needs(FIXED_LEN + length));
        };
        let source = match command {
            Command::Local => Source::Proxy,
            Command::Proxy => Source::Client(client(family, rest)?),
        };
        let length = FIXED_LEN + length;
        Ok(Progress::Whole(Self { source, length }))
    }
}

enum Command {
    Local,
    Proxy,
}

fn command(octet: u8) -> Result<Command, Malformed> {
    match (octet >> 4, octet & 0xf) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, command) => Err(Malformed::Command(command)),
        (version, _) => Err(Malformed::Version(version)),
    }
}

/// The source address; what stands behind the addresses is passed over.
///
/// Deviation: the protocol lets a receiver take a client that the proxy can't name (UNSPEC, UNIX)
/// for the proxy itself. A proxy may be trusted with what no stranger is, so it is refused.
fn client(family: u8, rest: &[u8]) -> Result<IpAddr, Malformed> {
    // Source and destination address, and their ports.
    match family {
        0x11 => {
            let addresses: &[u8; 12] = rest.first_chunk().ok_or(Malformed::Short)?;
            let source: &[u8; 4] = addresses.first_chunk().ok_or(Malformed::Short)?;
            Ok(Ipv4Addr::from(*source).into())
        }
        0x21 => {
            let addresses: &[u8; 36] = rest.first_chunk().ok_or(Malformed::Short)?;
            let source: &[u8; 16] = addresses.first_chunk().ok_or(Malformed::Short)?;
            Ok(Ipv6Addr::from(*source).into())
        }
        family => Err(Malformed::Family(family)),
    }
}
