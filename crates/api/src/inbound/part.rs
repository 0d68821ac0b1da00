//! A part of a message.

use axum::http::HeaderValue;
use bytes::Bytes;
use postbell_mail::inbound::mime::{Kind, Mail, Part};

/// The octets of a part, its transfer encoding taken off, and what they are; `None` where there is none, or
/// it is made of others.
pub(super) fn of(message: &Bytes, place: usize) -> Option<(Bytes, HeaderValue)> {
    let mail = Mail::read(message);
    let part = mail.parts().get(place)?;
    if part.kind == Kind::Multipart {
        return None;
    }
    let octets = Bytes::from(mail.octets(place).into_owned());
    Some((octets, media(part)))
}

/// The type that a part names; octets where it is none that a header could have.
fn media(part: &Part) -> HeaderValue {
    let name = format!("{}/{}", part.media.main, part.media.sub);
    let charset = part.charset.as_deref().filter(|name| is_token(name));
    let value = match charset {
        Some(charset) => format!("{name}; charset={charset}"),
        None => name,
    };
    let is_named = is_token(&part.media.main) && is_token(&part.media.sub);
    let value = HeaderValue::try_from(value).ok().filter(|_| is_named);
    value.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// RFC 9110 §5.6.2
fn is_token(text: &str) -> bool {
    let in_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !text.is_empty() && text.bytes().all(in_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_as_what_they_say_they_are() {
        let message = Bytes::from_static(
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHi\r\n--x\r\n\
            Content-Type: TEXT/CSV; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            YSxi\r\n--x\r\nContent-Type: text/a\xff; charset=\"a b\"\r\n\r\nx\r\n--x--\r\n",
        );
        let of = |place| {
            let (octets, media) = of(&message, place)?;
            Some((octets, media.to_str().unwrap().to_owned()))
        };
        let (octets, media) = of(2).unwrap();
        assert_eq!(
            (&octets[..], &media[..]),
            (&b"a,b"[..], "text/csv; charset=utf-8")
        );
        assert_eq!(of(1).unwrap().0, "Hi");
        let (_, media) = of(3).unwrap();
        assert!(
            ["application/octet-stream", "text/plain"].contains(&&*media),
            "{media}"
        );
        assert_eq!(of(0), None, "it is made of others");
        assert_eq!(of(4), None);
    }
}
