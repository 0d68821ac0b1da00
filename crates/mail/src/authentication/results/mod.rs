//! The Authentication-Results field (RFC 8601).
//!
//! Its values are strangers' words: domains, selectors, what was said at HELO. Each is written as
//! a token, or between quotes without anything that could end them or the line.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use postbell_model::Domain;
use postbell_model::authentication::{
    ArcResult, Authentication, DkimResult, DmarcResult, SpfIdentity, SpfResult, Verdict,
};

use crate::header::{Field, Header, HeaderError};

/// The name of the field.
pub const NAME: &str = "Authentication-Results";

/// A value is cut to this length; no domain is longer.
const VALUE_MAX: usize = 255;
/// A line that has nothing behind its property is folded before it.
const LINE: usize = 76;
/// Comments nested deeper are not read.
const NESTING_MAX: usize = 32;

/// The field, with its line end, to be put in front of a message.
pub fn field(authserv_id: &Domain, client: Option<IpAddr>, found: &Authentication) -> String {
    format!("{NAME}: {}\r\n", value(authserv_id, client, found))
}

/// What stands in the field behind its name, folded, without a line end.
pub(crate) fn value(
    authserv_id: &Domain,
    client: Option<IpAddr>,
    found: &Authentication,
) -> String {
    let mut field = Folded::new(&word(authserv_id.as_str()));
    field.spf(&found.spf);
    for signature in &found.dkim {
        field.dkim(signature);
    }
    if found.dkim.is_empty() {
        field.result("dkim", Verdict::None);
    }
    field.dmarc(&found.dmarc);
    field.arc(&found.arc, client);
    field.text
}

/// The message without the fields of this name that say that they are ours, and with all others.
/// The same octets where there is none.
///
/// # Errors
/// Its header is too long to be read.
// RFC 8601 §5: what claims to come from us and does not is removed.
pub fn without(message: &Bytes, authserv_id: &Domain) -> Result<Bytes, HeaderError> {
    let header = Header::find(message)?;
    let claims = |field: &Field<'_>| field.is(NAME) && is_by(field.value(), authserv_id);
    let mut forged = header.fields().filter(claims).peekable();
    if forged.peek().is_none() {
        return Ok(message.clone());
    }
    let mut cleaned = BytesMut::with_capacity(message.len());
    let mut at = 0;
    for field in forged {
        let span = field.span();
        cleaned.extend_from_slice(message.get(at..span.start).unwrap_or_default());
        at = span.end;
    }
    cleaned.extend_from_slice(message.get(at..).unwrap_or_default());
    Ok(cleaned.freeze())
}

/// Whether a field's value names this server, however it is dressed up.
fn is_by(value: &[u8], authserv_id: &Domain) -> bool {
    let Some(id) = first_word(value) else {
        // Nobody can say whose it is, so it may be read as ours.
        return true;
    };
    // Some readers take what stands behind a slash for a version.
    let id = id.split('/').next().unwrap_or_default();
    let id = id.trim_end_matches('.');
    id.eq_ignore_ascii_case(authserv_id.as_str())
        || Domain::parse(id).is_ok_and(|id| id == *authserv_id)
}

/// The authserv-id: what comes first, past comments, with or without quotes.
fn first_word(value: &[u8]) -> Option<String> {
    let rest = past_comments(value)?;
    let mut word = Vec::new();
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut octets = quoted.iter();
        loop {
            match octets.next()? {
                b'"' => break,
                b'\\' => word.push(*octets.next()?),
                b'\r' | b'\n' => {}
                octet => word.push(*octet),
            }
        }
    } else {
        let of_the_word = |octet: &&u8| !octet.is_ascii_whitespace() && !b";(".contains(octet);
        word.extend(rest.iter().take_while(of_the_word));
    }
    Some(String::from_utf8_lossy(word.trim_ascii()).into_owned())
}

fn past_comments(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value.trim_ascii_start();
    while rest.first() == Some(&b'(') {
        let mut depth = 0_usize;
        let mut octets = rest.iter().enumerate();
        let end = loop {
            match octets.next()? {
                (_, b'\\') => {
                    octets.next()?;
                }
                (_, b'(') if depth == NESTING_MAX => return None,
                (_, b'(') => depth += 1,
                (at, b')') => {
                    depth -= 1;
                    if depth == 0 {
                        break at + 1;
                    }
                }
                _ => {}
            }
        };
        rest = rest.get(end..)?.trim_ascii_start();
    }
    Some(rest)
}

/// The field as it grows.
struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn new(authserv_id: &str) -> Self {
        Self {
            text: authserv_id.to_owned(),
            column: 0,
        }
    }

    // RFC 8601 §2.2: `method=result`, each on a line of its own.
    fn result(&mut self, method: &str, verdict: Verdict) {
        self.text.push_str(";\r\n\t");
        self.column = 8;
        self.push(&format!("{method}={verdict}"));
    }

    /// A few words of ours.
    fn comment(&mut self, words: &str) {
        self.item(&format!("({words})"));
    }

    fn property(&mut self, name: &str, value: &str) {
        self.item(&format!("{name}={}", word(value)));
    }

    fn item(&mut self, item: &str) {
        if self.column + item.len() >= LINE {
            self.text.push_str("\r\n\t");
            self.column = 8;
        } else {
            self.push(" ");
        }
        self.push(item);
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }

    fn spf(&mut self, found: &SpfResult) {
        self.result("spf", found.verdict);
        if let Some(domain) = &found.domain {
            // RFC 8601 §2.7.2
            let name = match found.identity {
                SpfIdentity::MailFrom => "smtp.mailfrom",
                SpfIdentity::Helo => "smtp.helo",
            };
            self.property(name, domain.as_str());
        }
    }

    fn dkim(&mut self, found: &DkimResult) {
        self.result("dkim", found.verdict);
        if let Some(reason) = &found.reason {
            self.item(&format!("reason={}", quoted(reason)));
        }
        // RFC 8601 §2.7.1
        if let Some(domain) = &found.domain {
            self.property("header.d", domain.as_str());
        }
        if let Some(selector) = &found.selector {
            self.property("header.s", selector);
        }
        if let Some(algorithm) = found.algorithm {
            self.property("header.a", algorithm.name());
        }
    }

    fn dmarc(&mut self, found: &DmarcResult) {
        self.result("dmarc", found.verdict);
        if let Some(request) = found.request {
            let mut words = format!("p={}", request.policy);
            if request.percent < 100 {
                let _ = write!(words, " pct={}", request.percent);
            }
            self.comment(&words);
        }
        if let Some(from) = &found.from {
            self.property("header.from", from.as_str());
        }
    }

    // RFC 8617 §10.1, §10.2
    fn arc(&mut self, found: &ArcResult, client: Option<IpAddr>) {
        self.result("arc", found.verdict);
        if let Some(sealer) = &found.sealer {
            self.comment(&format!("i={} d={sealer}", found.sets));
        }
        if let Some(client) = client {
            self.property("smtp.remote-ip", &client.to_string());
        }
    }
}

/// A value: a token (RFC 2045 §5.1) where it is one, else between quotes.
fn word(value: &str) -> String {
    let of_a_token = |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet);
    if !value.is_empty() && value.len() <= VALUE_MAX && value.bytes().all(of_a_token) {
        return value.to_owned();
    }
    quoted(value)
}

/// Between quotes; what is not printable ASCII becomes a question mark.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars().take(VALUE_MAX) {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            ' '..='~' => text.push(c),
            _ => text.push('?'),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests;
