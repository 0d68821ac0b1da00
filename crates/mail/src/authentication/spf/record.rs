//! Records: `v=spf1 ip4:192.0.2.0/24 include:example.net -all` (RFC 7208 §4.6.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::DomainSpec;

const VERSION: &[u8] = b"v=spf1";

/// Whether a TXT record is an SPF record.
// RFC 7208 §4.5: the version and a space, or nothing behind it.
pub fn is_spf(text: &[u8]) -> bool {
    text.split_at_checked(VERSION.len())
        .is_some_and(|(version, rest)| {
            version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' '))
        })
}

/// Why a record can't be evaluated: `permerror`, wherever in the record it is (RFC 7208 §4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpfError {
    /// It has octets that are not printable ASCII.
    #[error("it is not of printable ASCII")]
    Octets,
    /// A term is no mechanism and no modifier.
    #[error("a term is neither a mechanism nor a modifier")]
    Term,
    /// What stands behind a mechanism's name is not what belongs there.
    #[error("a mechanism has an argument that it can't have")]
    Argument,
    /// A name or a macro in it is malformed.
    #[error("a name or a macro is malformed")]
    Name,
    /// `redirect=` or `exp=` is there twice.
    #[error("a modifier is there twice")]
    Twice,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its mechanisms, in their order.
    pub terms: Vec<Term>,
    /// `redirect=`
    pub redirect: Option<DomainSpec>,
}

/// A mechanism and what it means for a client that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What it means.
    pub qualifier: Qualifier,
    /// Who matches.
    pub mechanism: Mechanism,
}

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualifier {
    /// `+`, or nothing
    Pass,
    /// `-`
    Fail,
    /// `~`
    SoftFail,
    /// `?`
    Neutral,
}

/// Who matches (RFC 7208 §5). No name: that of the domain itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// Everybody.
    All,
    /// Who passes there.
    Include(DomainSpec),
    /// Who has one of its addresses, or lies in a network with one.
    A(Option<DomainSpec>, Prefixes),
    /// The same, for its mail hosts.
    Mx(Option<DomainSpec>, Prefixes),
    /// Whose address leads to a name below it, and back.
    Ptr(Option<DomainSpec>),
    /// A network.
    Ip4(Ipv4Addr, u8),
    /// A network.
    Ip6(Ipv6Addr, u8),
    /// Everybody, if there is such a name.
    Exists(DomainSpec),
}

/// How many bits count, of IPv4 and IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefixes {
    /// Up to 32.
    pub v4: u8,
    /// Up to 128.
    pub v6: u8,
}

impl Record {
    /// Reads the text of a record for which [`is_spf`] holds. Linear in its length.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn read(text: &[u8]) -> Result<Self, SpfError> {
        let text = std::str::from_utf8(text).map_err(|_| SpfError::Octets)?;
        if !text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            return Err(SpfError::Octets);
        }
        let mut record = Self {
            terms: Vec::new(),
            redirect: None,
        };
        let mut explained = false;
        let rest = text.get(VERSION.len()..).unwrap_or_default();
        for term in rest.split(' ').filter(|term| !term.is_empty()) {
            let Some((name, value)) = modifier(term) else {
                record.terms.push(directive(term)?);
                continue;
            };
            if name.eq_ignore_ascii_case("redirect") {
                let spec = DomainSpec::read(value).ok_or(SpfError::Name)?;
                if record.redirect.replace(spec).is_some() {
                    return Err(SpfError::Twice);
                }
            } else if name.eq_ignore_ascii_case("exp") {
                DomainSpec::read(value).ok_or(SpfError::Name)?;
                if std::mem::replace(&mut explained, true) {
                    return Err(SpfError::Twice);
                }
            } else if !DomainSpec::is_macro_string(value) {
                // RFC 7208 §6: unknown modifiers are ignored, but have to be well-formed.
                return Err(SpfError::Name);
            }
        }
        Ok(record)
    }
}

/// `name=value`, where the name is one of a modifier (RFC 7208 §4.6.1).
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    is_name.then_some((name, value))
}

fn directive(term: &str) -> Result<Term, SpfError> {
    let (qualifier, rest) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let mechanism = mechanism(&name.to_ascii_lowercase(), argument)?;
    Ok(Term {
        qualifier,
        mechanism,
    })
}

fn mechanism(name: &str, argument: &str) -> Result<Mechanism, SpfError> {
    let named = || {
        let spec = argument.strip_prefix(':').ok_or(SpfError::Argument)?;
        DomainSpec::read(spec).ok_or(SpfError::Name)
    };
    match name {
        "all" if argument.is_empty() => Ok(Mechanism::All),
        "all" => Err(SpfError::Argument),
        "include" => named().map(Mechanism::Include),
        "exists" => named().map(Mechanism::Exists),
        "ptr" if argument.is_empty() => Ok(Mechanism::Ptr(None)),
        "ptr" => named().map(|spec| Mechanism::Ptr(Some(spec))),
        "a" | "mx" => {
            let (spec, prefixes) = with_prefixes(argument)?;
            Ok(match name {
                "a" => Mechanism::A(spec, prefixes),
                _ => Mechanism::Mx(spec, prefixes),
            })
        }
        "ip4" => network(argument, 32).map(|(ip, bits)| Mechanism::Ip4(ip, bits)),
        "ip6" => network(argument, 128).map(|(ip, bits)| Mechanism::Ip6(ip, bits)),
        _ => Err(SpfError::Term),
    }
}

/// `:example.com/24//64`; a name may have slashes of its own, so the lengths are read from behind.
fn with_prefixes(argument: &str) -> Result<(Option<DomainSpec>, Prefixes), SpfError> {
    let (rest, v6) = match argument.rsplit_once("//") {
        Some((rest, digits)) if is_digits(digits) => (rest, prefix(digits, 128)?),
        _ => (argument, 128),
    };
    let (rest, v4) = match rest.rsplit_once('/') {
        Some((rest, digits)) if is_digits(digits) => (rest, prefix(digits, 32)?),
        _ => (rest, 32),
    };
    let prefixes = Prefixes { v4, v6 };
    if rest.is_empty() {
        return Ok((None, prefixes));
    }
    let spec = rest.strip_prefix(':').ok_or(SpfError::Argument)?;
    let spec = DomainSpec::read(spec).ok_or(SpfError::Name)?;
    Ok((Some(spec), prefixes))
}

fn network<A: std::str::FromStr>(argument: &str, most: u8) -> Result<(A, u8), SpfError> {
    let text = argument.strip_prefix(':').ok_or(SpfError::Argument)?;
    let (ip, bits) = match text.split_once('/') {
        Some((ip, digits)) => (ip, prefix(digits, most)?),
        None => (text, most),
    };
    let ip = ip.parse().map_err(|_| SpfError::Argument)?;
    Ok((ip, bits))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

// RFC 7208 §12: no leading zeros, and not longer than the address.
fn prefix(digits: &str, most: u8) -> Result<u8, SpfError> {
    let plain = is_digits(digits) && (digits == "0" || !digits.starts_with('0'));
    digits
        .parse()
        .ok()
        .filter(|bits| plain && *bits <= most)
        .ok_or(SpfError::Argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &str, expected: Result<usize, SpfError>) {
        let text = format!("v=spf1 {terms}");
        let read = Record::read(text.as_bytes()).map(|record| record.terms.len());
        assert_eq!(read, expected, "{terms:?}");
    }

    #[test]
    fn the_version_tells_a_record() {
        assert!(is_spf(b"v=spf1") && is_spf(b"V=SPF1 -all"));
        assert!(!is_spf(b"v=spf10") && !is_spf(b"v=spf1\t-all") && !is_spf(b" v=spf1"));
    }

    #[test]
    fn terms_are_read() {
        check("", Ok(0));
        check("  ip4:192.0.2.1/0  -aLL ", Ok(2));
        check("a mx:example.com/24//64 a:foo:bar/baz.example.com", Ok(3));
        check("a//64 a/0 ?mx", Ok(3));
        check("ip6:2001:db8::1/128 ip6:::ffff:192.0.2.1", Ok(2));
        check(
            "include:example.com exists:%{i}.example.com ptr ptr:a.b",
            Ok(4),
        );
        check("redirect=example.com exp=%{d} moo=%% a.b-c_1=", Ok(0));
        let term = directive("~A:%{d}/8").unwrap();
        let Mechanism::A(Some(_), prefixes) = term.mechanism else {
            panic!("{term:?}");
        };
        assert_eq!(term.qualifier, Qualifier::SoftFail);
        assert_eq!(prefixes, Prefixes { v4: 8, v6: 128 });
    }

    #[test]
    fn anything_wrong_spoils_the_record() {
        check("-all moo", Err(SpfError::Term));
        check("1up=foo", Err(SpfError::Term));
        check("=all", Err(SpfError::Term));
        check("-redirect=example.com", Err(SpfError::Term));
        check("\u{e9}", Err(SpfError::Octets));
        check("a\t", Err(SpfError::Octets));
        check("all.", Err(SpfError::Term));
        check("all/8", Err(SpfError::Argument));
        check("include", Err(SpfError::Argument));
        check("include:", Err(SpfError::Name));
        check("include:example.com/24", Err(SpfError::Name));
        check("a:", Err(SpfError::Name));
        check("a:example.com:8080", Err(SpfError::Name));
        check("a:com", Err(SpfError::Name));
        check("mx:example.-com", Err(SpfError::Name));
        check("mx:abc.123", Err(SpfError::Name));
        check("a/33", Err(SpfError::Argument));
        check("a//129", Err(SpfError::Argument));
        check("ip4:192.0.2.1/032", Err(SpfError::Argument));
        check("ip4:192.0.2.1/33", Err(SpfError::Argument));
        check("ip4:192.0.2", Err(SpfError::Argument));
        check("ip4", Err(SpfError::Argument));
        check("redirect=a.b redirect=a.b", Err(SpfError::Twice));
        check("exp=a.b exp=a.b", Err(SpfError::Twice));
        check("exp=", Err(SpfError::Name));
        check("redirect=-all", Err(SpfError::Name));
        check("foo=%abc", Err(SpfError::Name));
    }
}
