//! Names with macros: `%{i}._spf.%{d}` (RFC 7208 §7).

use std::fmt::Write;
use std::net::IpAddr;

/// The longest name that is asked for, without its last dot.
const NAME_MAX: usize = 253;
/// Octets that a URL may have as they are (RFC 3986 §2.3).
const UNRESERVED: &[u8] = b"-._~";
/// The octets of an expansion before it is cut to the length of a name.
const EXPANSION_MAX: usize = 8 * 1024;

/// A name with macros in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Macro(Macro),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: u8,
    /// Whether it was a capital: the value is escaped as in a URL.
    escaped: bool,
    /// How many of the parts count, from the right; 0 for all.
    parts: usize,
    reversed: bool,
    delimiters: String,
}

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub struct Expansion<'a> {
    /// `%{i}`, `%{v}`: the client.
    pub ip: IpAddr,
    /// `%{l}`: the local part of the sender.
    pub local_part: &'a str,
    /// `%{o}`: the domain of the sender.
    pub sender_domain: &'a str,
    /// `%{d}`: the domain whose record it is.
    pub domain: &'a str,
    /// `%{h}`: what the client said at HELO.
    pub helo: &'a str,
    /// `%{p}`: the client's name, which it is not worth asking for unless
    /// [`DomainSpec::needs_client_name`].
    pub client_name: &'a str,
}

impl DomainSpec {
    /// Reads a `domain-spec`.
    pub fn read(text: &str) -> Option<Self> {
        let parts = parts(text)?;
        let ends_well = match parts.last()? {
            Part::Macro(_) => true,
            Part::Text(_) => ends_in_a_label(text),
        };
        ends_well.then_some(Self(parts))
    }

    /// Whether a text is a `macro-string`.
    pub fn is_macro_string(text: &str) -> bool {
        parts(text).is_some()
    }

    /// Whether it has `%{p}` in it, for which the DNS has to be asked.
    pub fn needs_client_name(&self) -> bool {
        let is_p = |part: &Part| matches!(part, Part::Macro(one) if one.letter == b'p');
        self.0.iter().any(is_p)
    }

    /// The name that it stands for, cut to a length that can be asked for.
    pub fn expand(&self, with: &Expansion<'_>) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Macro(one) => one.expand(with, &mut name),
            }
            if name.len() > EXPANSION_MAX {
                break;
            }
        }
        cut(&name).to_owned()
    }
}

// RFC 7208 §7.3: labels are taken away on the left until the name is short enough.
fn cut(name: &str) -> &str {
    let mut name = name.strip_suffix('.').unwrap_or(name);
    while name.len() > NAME_MAX {
        name = name.split_once('.').map_or("", |(_, rest)| rest);
    }
    name
}

// RFC 7208 §7.1: a name ends in a dot and a label that is no number, or in a macro.
fn ends_in_a_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.ends_with("%%") || text.ends_with("%_") || text.ends_with("%-") {
        return true;
    }
    let Some((_, label)) = text.rsplit_once('.') else {
        return false;
    };
    let of_a_label = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    let is_letter = |octet: u8| octet.is_ascii_alphabetic() || octet == b'-';
    label.bytes().all(of_a_label)
        && label.bytes().any(is_letter)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('%') {
        push_text(&mut parts, literal);
        rest = match after.split_at_checked(1)? {
            ("%", rest) => {
                push_text(&mut parts, "%");
                rest
            }
            ("_", rest) => {
                push_text(&mut parts, " ");
                rest
            }
            ("-", rest) => {
                push_text(&mut parts, "%20");
                rest
            }
            ("{", rest) => {
                let (inside, rest) = rest.split_once('}')?;
                parts.push(Part::Macro(Macro::read(inside)?));
                rest
            }
            _ => return None,
        };
    }
    push_text(&mut parts, rest);
    Some(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

impl Macro {
    /// What stands between the braces.
    fn read(inside: &str) -> Option<Self> {
        let (letter, rest) = inside.split_at_checked(1)?;
        let letter = *letter.as_bytes().first()?;
        let name = letter.to_ascii_lowercase();
        // RFC 7208 §7.2: c, r and t stand in explanations alone.
        if !b"slodiphv".contains(&name) {
            return None;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = rest.split_at_checked(digits)?;
        let parts = match digits {
            "" => 0,
            // More than a name has parts is as good as all of them.
            digits => match digits.parse().unwrap_or(usize::from(u8::MAX)) {
                // RFC 7208 §7.3: zero is an error.
                0 => return None,
                parts => parts,
            },
        };
        let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let delimits = |octet: u8| b".-+,/_=".contains(&octet);
        delimiters.bytes().all(delimits).then(|| Self {
            letter: name,
            escaped: letter.is_ascii_uppercase(),
            parts,
            reversed,
            delimiters: match delimiters {
                "" => ".".to_owned(),
                some => some.to_owned(),
            },
        })
    }

    fn expand(&self, with: &Expansion<'_>, out: &mut String) {
        let sender;
        let address;
        let value = match self.letter {
            b's' => {
                sender = format!("{}@{}", with.local_part, with.sender_domain);
                &sender
            }
            b'l' => with.local_part,
            b'o' => with.sender_domain,
            b'd' => with.domain,
            b'i' => {
                address = dotted(with.ip);
                &address
            }
            b'p' => with.client_name,
            b'h' => with.helo,
            _ if with.ip.is_ipv4() => "in-addr",
            _ => "ip6",
        };
        let mut words: Vec<_> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            words.reverse();
        }
        let skipped = match self.parts {
            0 => 0,
            parts => words.len().saturating_sub(parts),
        };
        for (index, word) in words.into_iter().skip(skipped).enumerate() {
            if index > 0 {
                out.push('.');
            }
            if self.escaped {
                push_escaped(word, out);
            } else {
                out.push_str(word);
            }
        }
    }
}

/// `192.0.2.1`; of IPv6 each digit by itself, with dots between them.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", u128::from(ip));
            let mut text = String::with_capacity(64);
            for digit in digits.chars() {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push(digit);
            }
            text
        }
    }
}

fn push_escaped(word: &str, out: &mut String) {
    for octet in word.bytes() {
        if octet.is_ascii_alphanumeric() || UNRESERVED.contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7208 §7.4
    #[test]
    fn the_examples_of_the_rfc() {
        let with = |ip: &str| Expansion {
            ip: ip.parse().unwrap(),
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            helo: "mx.example.org",
            client_name: "mx.example.org",
        };
        let check = |text: &str, expected: &str| {
            let spec = DomainSpec::read(text).unwrap();
            assert_eq!(spec.expand(&with("192.0.2.3")), expected, "{text}");
        };
        check("%{s}", "strong-bad@email.example.com");
        check("%{o}", "email.example.com");
        check("%{d4}", "email.example.com");
        check("%{d2}", "example.com");
        check("%{d1}", "com");
        check("%{dr}", "com.example.email");
        check("%{d2r}", "example.email");
        check("%{l}", "strong-bad");
        check("%{l-}", "strong.bad");
        check("%{lr}", "strong-bad");
        check("%{lr-}", "bad.strong");
        check("%{l1r-}", "strong");
        check(
            "%{ir}.%{v}._spf.%{d2}",
            "3.2.0.192.in-addr._spf.example.com",
        );
        check("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com");
        check(
            "%{d2}.trusted-domains.example.net",
            "example.com.trusted-domains.example.net",
        );
        check("%{S}", "strong-bad%40email.example.com");
        let spec = DomainSpec::read("%{ir}.%{v}._spf.%{d2}").unwrap();
        assert_eq!(
            spec.expand(&with("2001:db8::cb01")),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_no_domain_spec() {
        for wrong in [
            "",
            "com",
            "a.1",
            "a.-b",
            "a.b-",
            "a..",
            "%",
            "%a",
            "%{",
            "%{}",
            "%{x}",
            "%{d0}",
            "%{c}",
            "%{dx}",
            "%{d2rr}",
            "a.b%",
            "a.b\u{7f}%{d",
            ".",
            "a.b:25",
        ] {
            assert_eq!(DomainSpec::read(wrong), None, "{wrong:?}");
        }
        for fine in [
            "a.b",
            "a.b.",
            "%{d}",
            "a.b.%{D2r+-}",
            "a/b:c.d-e",
            "x%%.y",
            "%%",
        ] {
            assert!(DomainSpec::read(fine).is_some(), "{fine:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_on_its_left() {
        let spec = DomainSpec::read("%{l}.example.com").unwrap();
        let local_part = format!("{}.{}", "a".repeat(200), "b".repeat(50));
        let with = Expansion {
            ip: [192, 0, 2, 1].into(),
            local_part: &local_part,
            sender_domain: "",
            domain: "",
            helo: "",
            client_name: "",
        };
        let expected = format!("{}.example.com", "b".repeat(50));
        assert_eq!(spec.expand(&with), expected);
    }
}
