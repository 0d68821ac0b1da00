//! Mail addresses: `Mailbox`, `Domain` and reverse-path of RFC 5321 §4.1.2, with UTF-8 as
//! RFC 6531 §3.3 adds it.
//!
//! Refused: source routes and `<>` (they belong to the SMTP grammar), comments and white space
//! (they belong to message headers), control characters, domains that IDNA can't encode.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

// RFC 5321 §4.5.3.1.1: a local part has at most 64 octets.
const LOCAL_PART_MAX: usize = 64;
// RFC 5321 §4.5.3.1.2: a domain has at most 255 octets.
const DOMAIN_MAX: usize = 255;
// RFC 1035 §2.3.4: a label has at most 63 octets.
const LABEL_MAX: usize = 63;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside a quoted local part.
    #[error("the address has no @")]
    NoAt,
    /// Nothing stands before the `@`.
    #[error("the local part is empty")]
    EmptyLocalPart,
    /// More than 64 octets stand before the `@`.
    #[error("the local part is longer than 64 octets")]
    LocalPartTooLong,
    /// A character that needs quotes, a misplaced dot, or an unfinished quoted string.
    #[error("the local part is not a dot-string or a quoted string")]
    BadLocalPart,
    /// Nothing stands after the `@`.
    #[error("the domain is empty")]
    EmptyDomain,
    /// More than 255 octets stand after the `@`, or more than 63 between two dots.
    #[error("the domain or one of its labels is too long")]
    DomainTooLong,
    /// A character or a hyphen where a host name has none, or an invalid U-label.
    #[error("the domain is not a host name")]
    BadDomain,
    /// Brackets that hold no IPv4 or `IPv6:` address.
    #[error("the address literal is not an IP address")]
    BadLiteral,
}

/// A domain in lower case and A-label form, or an address literal: `example.com`,
/// `xn--mnchen-3ya.example`, `[192.0.2.1]`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads a domain name or an address literal.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::EmptyDomain);
        }
        if text.starts_with('[') {
            return literal(text).map(Self::from);
        }
        let ascii = to_a_labels(text)?;
        check_host_name(&ascii)?;
        Ok(Self(ascii.into()))
    }

    /// The name, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, where this is a literal.
    pub fn literal(&self) -> Option<IpAddr> {
        self.0
            .starts_with('[')
            .then(|| literal(&self.0).ok())
            .flatten()
    }

    /// Whether this domain is `parent` or lies below it.
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(parent.as_str())
            .is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }
}

impl From<IpAddr> for Domain {
    fn from(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(v4) => format!("[{v4}]").into(),
            IpAddr::V6(v6) => format!("[IPv6:{v6}]").into(),
        })
    }
}

fn to_a_labels(text: &str) -> Result<String, AddressError> {
    if text.is_ascii() {
        return Ok(text.to_ascii_lowercase());
    }
    idna::domain_to_ascii_strict(text).map_err(|_| AddressError::BadDomain)
}

fn check_host_name(name: &str) -> Result<(), AddressError> {
    if name.len() > DOMAIN_MAX {
        return Err(AddressError::DomainTooLong);
    }
    for label in name.split('.') {
        if label.len() > LABEL_MAX {
            return Err(AddressError::DomainTooLong);
        }
        // Deviation: RFC 5321 §4.1.2 has no underscore, but hosts with one receive mail.
        let plain = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if label.is_empty() || !plain || label.starts_with('-') || label.ends_with('-') {
            return Err(AddressError::BadDomain);
        }
    }
    Ok(())
}

// RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn literal(text: &str) -> Result<IpAddr, AddressError> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(AddressError::BadLiteral)?;
    let tag = inner
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let ip = match tag {
        Some(_) => inner[5..].parse::<Ipv6Addr>().map(IpAddr::V6),
        None => inner.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    ip.map_err(|_| AddressError::BadLiteral)
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A mailbox, `local-part@domain`, as it was given but for the domain, which is in lower case
/// and A-label form. Addresses are equal when local part (octet by octet) and domain are.
#[derive(Clone)]
pub struct Address {
    text: Arc<str>,
    at: usize,
    domain: Domain,
}

impl Address {
    /// Reads a mailbox without angle brackets.
    ///
    /// # Errors
    /// Says which half is wrong and how.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let at = local_part_end(text)?;
        check_local_part(&text[..at])?;
        let domain = Domain::parse(&text[at + 1..])?;
        let text = if domain.as_str() == &text[at + 1..] {
            text.into()
        } else {
            format!("{}@{domain}", &text[..at]).into()
        };
        Ok(Self { text, at, domain })
    }

    /// An address of our own making.
    ///
    /// # Errors
    /// The local part is no dot-string.
    pub fn new(local_part: &str, domain: &Domain) -> Result<Self, AddressError> {
        check_local_part(local_part)?;
        Ok(Self {
            text: format!("{local_part}@{domain}").into(),
            at: local_part.len(),
            domain: domain.clone(),
        })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, quotes included.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The local part as what it names: `"ann"` and `"a\nn"` are `ann` (RFC 5321 §4.1.2).
    pub fn plain_local_part(&self) -> Cow<'_, str> {
        let local = self.local_part();
        let quoted = local
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let Some(quoted) = quoted else {
            return Cow::Borrowed(local);
        };
        let mut is_escape = false;
        let named = quoted.chars().filter(|c| {
            is_escape = *c == '\\' && !is_escape;
            !is_escape
        });
        Cow::Owned(named.collect())
    }

    /// The domain or address literal after the `@`.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether the local part has an octet that only a host with SMTPUTF8 takes
    /// (RFC 6531 §3.4).
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Where the `@` stands that ends the local part.
fn local_part_end(text: &str) -> Result<usize, AddressError> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return text.find('@').ok_or(AddressError::NoAt);
    }
    let mut escaped = false;
    for (index, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if bytes.get(index + 1) == Some(&b'@') => return Ok(index + 1),
            b'"' => return Err(AddressError::BadLocalPart),
            _ => {}
        }
    }
    Err(AddressError::BadLocalPart)
}

fn check_local_part(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::EmptyLocalPart);
    }
    if local.len() > LOCAL_PART_MAX {
        return Err(AddressError::LocalPartTooLong);
    }
    let fine = if local.starts_with('"') {
        is_quoted_string(local)
    } else {
        is_dot_string(local)
    };
    if fine {
        Ok(())
    } else {
        Err(AddressError::BadLocalPart)
    }
}

// RFC 5321 §4.1.2: Dot-string, whose atoms may hold UTF-8 (RFC 6531 §3.3).
pub(crate) fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3 `atext`, with UTF-8.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

// RFC 5321 §4.1.2: Quoted-string: printable ASCII, a backslash before any of it.
fn is_quoted_string(local: &str) -> bool {
    let Some(inner) = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return false;
    };
    let mut escaped = false;
    for c in inner.chars() {
        if c.is_control() || (escaped && !c.is_ascii()) {
            return false;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

/// Whom to tell when mail can't be delivered (RFC 5321 §4.1.2 `Reverse-path`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody. Reports have it, so that no report is made about a report.
    Null,
    /// An address.
    Mailbox(Address),
}

impl ReversePath {
    /// The address, unless this is `<>`.
    pub const fn mailbox(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Mailbox(address) => Some(address),
        }
    }
}

/// Without the angle brackets; empty for `<>`.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox()
            .map_or(Ok(()), |address| fmt::Display::fmt(address, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_keep_their_text() {
        for text in [
            "a@example.com",
            "a.b+c@example.com",
            "\"a b\"@example.com",
            "\"a@b\\\"c\"@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
            "josé@example.com",
            "a@xn--mnchen-3ya.example",
            "a@localhost",
        ] {
            assert_eq!(
                Address::parse(text)
                    .map(|a| a.as_str().to_owned())
                    .as_deref(),
                Ok(text)
            );
        }
    }

    #[test]
    fn quotes_name_nobody_else() {
        for (local, plain) in [
            ("ann", "ann"),
            ("\"ann\"", "ann"),
            (r#""a\nn""#, "ann"),
            (r#""a\\n\"n b""#, r#"a\n"n b"#),
            ("\"\"", ""),
        ] {
            let address = Address::parse(&format!("{local}@example.com")).unwrap();
            assert_eq!(address.plain_local_part(), plain);
        }
    }

    #[test]
    fn domains_become_lower_case_a_labels() {
        let address = Address::parse("Ann@MÜNCHEN.example").unwrap();
        assert_eq!(address.as_str(), "Ann@xn--mnchen-3ya.example");
        assert_eq!(address.local_part(), "Ann");
        assert_eq!(address.domain().as_str(), "xn--mnchen-3ya.example");
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        let long = format!("{}@example.com", "x".repeat(65));
        let label = format!("a@{}.example", "x".repeat(64));
        for (text, error) in [
            ("a", AddressError::NoAt),
            ("@example.com", AddressError::EmptyLocalPart),
            (long.as_str(), AddressError::LocalPartTooLong),
            (label.as_str(), AddressError::DomainTooLong),
            ("a..b@example.com", AddressError::BadLocalPart),
            (".a@example.com", AddressError::BadLocalPart),
            ("a b@example.com", AddressError::BadLocalPart),
            ("a\r\nb@example.com", AddressError::BadLocalPart),
            ("\"a\0\"@example.com", AddressError::BadLocalPart),
            ("\"a@example.com", AddressError::BadLocalPart),
            ("\"\"a\"@example.com", AddressError::BadLocalPart),
            ("a@", AddressError::EmptyDomain),
            ("a@b@c", AddressError::BadDomain),
            ("a@exa mple.com", AddressError::BadDomain),
            ("a@-x.com", AddressError::BadDomain),
            ("a@example.com.", AddressError::BadDomain),
            ("a@example..com", AddressError::BadDomain),
            ("a@[300.0.0.1]", AddressError::BadLiteral),
            ("a@[192.0.2.1", AddressError::BadLiteral),
        ] {
            assert_eq!(Address::parse(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn literals_name_their_address() {
        let domain = Domain::parse("[IPv6:::1]").unwrap();
        assert_eq!(domain.literal(), Some("::1".parse().unwrap()));
        assert_eq!(Domain::parse("example.com").unwrap().literal(), None);
    }

    #[test]
    fn a_subdomain_lies_within() {
        let parent = Domain::parse("example.com").unwrap();
        assert!(Domain::parse("a.example.com").unwrap().is_within(&parent));
        assert!(parent.is_within(&parent));
        assert!(!Domain::parse("badexample.com").unwrap().is_within(&parent));
    }
}
