//! Header fields that a destination's owner chose: what may be sent, and what is ours to say.

use http::{HeaderName, HeaderValue};
use postbell_model::{CustomHeader, Secret};

/// How many a destination may have.
pub const HEADERS_MAX: usize = 16;
const VALUE_MAX: usize = 4_096;

/// Fields that say how the request is made, which is not for its owner to choose.
// RFC 9110 §7.6.1: most of these belong to the connection and not to who asks for it.
const OURS: [&str; 13] = [
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "accept-encoding",
    "date",
    "via",
    "forwarded",
];
const OUR_GROUPS: [&str; 4] = ["webhook-", "content-", "proxy-", "x-postbell-"];

/// A header field that can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// There is no colon.
    #[error("a header is written as \"Name: value\"")]
    NoColon,
    /// The name is none.
    #[error("\"{0}\" can't be the name of a header")]
    Name(String),
    /// The name is one of those that we set.
    #[error("the header \"{0}\" is set by Postbell")]
    Ours(String),
    /// The value has control characters or is too long. It is not repeated, since it may be a
    /// secret.
    #[error("the value of the header \"{0}\" has control characters or more than 4096 octets")]
    Value(String),
    /// There are too many.
    #[error("a destination has at most {HEADERS_MAX} headers")]
    TooMany,
}

/// Reads `Name: value`.
///
/// # Errors
/// Says why the field can't be sent.
pub fn parse_header(text: &str) -> Result<CustomHeader, BadHeader> {
    let (name, value) = text.split_once(':').ok_or(BadHeader::NoColon)?;
    let header = CustomHeader {
        name: name.trim().to_ascii_lowercase(),
        value: Secret::new(value.trim()),
    };
    field(&header)?;
    Ok(header)
}

/// The field as it is sent, never shown in a log.
pub(crate) fn field(header: &CustomHeader) -> Result<(HeaderName, HeaderValue), BadHeader> {
    let shown = || header.name.escape_debug().to_string();
    let name = HeaderName::try_from(header.name.as_str()).map_err(|_| BadHeader::Name(shown()))?;
    let is_ours = OURS.contains(&name.as_str())
        || OUR_GROUPS
            .iter()
            .any(|group| name.as_str().starts_with(group));
    if is_ours {
        return Err(BadHeader::Ours(shown()));
    }
    let value = header.value.expose();
    let mut value = match HeaderValue::from_bytes(value) {
        Ok(parsed) if value.len() <= VALUE_MAX => parsed,
        _ => return Err(BadHeader::Value(shown())),
    };
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let header = parse_header("Authorization:  Bearer a:b ").unwrap();
        assert_eq!(header.name, "authorization");
        assert_eq!(header.value.expose(), b"Bearer a:b");
        let (_, value) = field(&header).unwrap();
        assert!(value.is_sensitive());
        assert!(!format!("{header:?} {value:?}").contains("Bearer"));
    }

    #[test]
    fn what_is_not_for_the_owner_to_say_is_refused() {
        for (text, error) in [
            ("Authorization", BadHeader::NoColon),
            ("a b: c", BadHeader::Name("a b".to_owned())),
            (": c", BadHeader::Name(String::new())),
            ("X-Key: a\r\nhost: b", BadHeader::Value("x-key".to_owned())),
            ("X-Key: a\nb", BadHeader::Value("x-key".to_owned())),
            ("X-Key: a\0b", BadHeader::Value("x-key".to_owned())),
        ] {
            assert_eq!(parse_header(text), Err(error), "{text:?}");
        }
        let long = format!("X-Key: {}", "x".repeat(VALUE_MAX + 1));
        assert!(parse_header(&long).is_err());
        for name in [
            "Host",
            "webhook-id",
            "Webhook-Signature",
            "content-type",
            "Content-Length",
            "transfer-encoding",
            "connection",
            "proxy-authorization",
            "x-postbell-event",
            "user-agent",
        ] {
            let refused = parse_header(&format!("{name}: x"));
            assert!(matches!(refused, Err(BadHeader::Ours(_))), "{name}");
        }
    }
}
