//! The parameters of delivery reports: RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT
//! (RFC 3461 §4).
//!
//! Refused: what is not exactly xtext, control characters in disguise, and values longer than the
//! RFC has them, since all of this is written into reports one day.

use postbell_model::{Notify, OriginalRecipient, ReportRequest, Ret};

use super::CommandError;

/// RFC 3461 §4.4: at most 100 characters.
const ENVID_MAX: usize = 100;

/// Fills in a parameter of RCPT; whether it stood there before. `None`: it is none of these.
pub(super) fn of_recipient(
    report: &mut ReportRequest,
    keyword: &str,
    value: Option<&str>,
) -> Option<Result<bool, CommandError>> {
    match keyword {
        "NOTIFY" => Some(notify(value).map(|notify| report.notify.replace(notify).is_some())),
        "ORCPT" => Some(orcpt(value).map(|orcpt| report.orcpt.replace(orcpt).is_some())),
        _ => None,
    }
}

// RFC 3461 §4.3
pub(super) fn ret(value: Option<&str>) -> Result<Ret, CommandError> {
    value.and_then(Ret::of_name).ok_or(CommandError::BadRet)
}

// RFC 3461 §4.4: xtext of printable characters, which the space is one of.
pub(super) fn envid(value: Option<&str>) -> Result<String, CommandError> {
    let decoded = value.and_then(xtext).ok_or(CommandError::BadEnvid)?;
    let printable = decoded.bytes().all(|b| (0x20..0x7f).contains(&b));
    if decoded.is_empty() || decoded.len() > ENVID_MAX || !printable {
        return Err(CommandError::BadEnvid);
    }
    Ok(decoded)
}

// RFC 3461 §4.1
fn notify(value: Option<&str>) -> Result<Notify, CommandError> {
    let notify = value.and_then(|value| value.parse().ok());
    notify.ok_or(CommandError::BadNotify)
}

// RFC 3461 §4.2: the kind of the address, a semicolon, and the address.
fn orcpt(value: Option<&str>) -> Result<OriginalRecipient, CommandError> {
    let parse = |value: &str| {
        if value.len() > OriginalRecipient::LEN_MAX {
            return None;
        }
        let (kind, address) = value.split_once(';')?;
        let address = if kind.eq_ignore_ascii_case("utf-8") {
            unitext(address)?
        } else {
            xtext(address)?
        };
        OriginalRecipient::new(kind, &address)
    };
    value.and_then(parse).ok_or(CommandError::BadOrcpt)
}

/// Decodes xtext (RFC 3461 §4): all printable ASCII but `+` and `=` stands for itself, `+3D` is an
/// octet in hexadecimal.
pub(super) fn xtext(text: &str) -> Option<String> {
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => hex_digit(octets.next()?)? << 4 | hex_digit(octets.next()?)?,
            b'=' => return None,
            octet if octet.is_ascii_graphic() => octet,
            _ => return None,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Decodes an address of RFC 6533 §3: characters outside ASCII as they are or as `\x{6D4B}`, which
/// also hides what xtext may not have.
fn unitext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (c, after) = match c {
            '\\' => embedded(rest)?,
            '+' | '=' => return None,
            c if c.is_ascii_graphic() || !c.is_ascii() => (c, rest.get(c.len_utf8()..)?),
            _ => return None,
        };
        decoded.push(c);
        rest = after;
    }
    Some(decoded)
}

/// The character of the `\x{…}` that the text begins with, and what follows it.
fn embedded(text: &str) -> Option<(char, &str)> {
    let (hex, after) = text.strip_prefix("\\x{")?.split_once('}')?;
    let upper = |b: u8| hex_digit(b).is_some();
    if !(2..=6).contains(&hex.len()) || !hex.bytes().all(upper) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
    // What may stand for itself must.
    let hidden = !c.is_ascii_graphic() || "+=\\".contains(c);
    hidden.then_some((c, after))
}

/// Capitals alone, as the grammar has them.
const fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn xtext_is_read_strictly() {
        assert_eq!(xtext("QQ314159").as_deref(), Some("QQ314159"));
        assert_eq!(xtext("a+2Bb+3Dc").as_deref(), Some("a+b=c"));
        assert_eq!(xtext("a+20b").as_deref(), Some("a b"));
        for bad in ["a=b", "a+3", "a+3d", "a+", "a b", "jörg", "+C3"] {
            assert_eq!(xtext(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_envelope_id_is_printable() {
        assert_eq!(envid(Some("a+20b")).as_deref(), Ok("a b"));
        let long = "x".repeat(100);
        assert_eq!(envid(Some(&long)).as_deref(), Ok(long.as_str()));
        for bad in ["", "a+0D+0Ab", "a+00", "a+7F", &"x".repeat(101)] {
            assert_eq!(envid(Some(bad)), Err(CommandError::BadEnvid), "{bad}");
        }
        assert_eq!(envid(None), Err(CommandError::BadEnvid));
    }

    #[test]
    fn an_original_recipient_is_decoded() {
        let read = |value| orcpt(Some(value)).map(|orcpt| orcpt.to_string());
        for (value, expected) in [
            ("rfc822;Bob@example.org", "rfc822;Bob@example.org"),
            ("rfc822;a+2Bb@example.org", "rfc822;a+b@example.org"),
            ("x400;/S=x/", ""),
            ("x400;/S+3Dx/", "x400;/S=x/"),
            ("utf-8;\\x{6D4B}@example.org", "utf-8;测@example.org"),
            ("UTF-8;jörg@example.org", "UTF-8;jörg@example.org"),
            ("utf-8;a\\x{2B}b@example.org", "utf-8;a+b@example.org"),
            ("utf-8;a\\x{61}b@example.org", ""),
            ("utf-8;\\x{0A}@example.org", ""),
            ("utf-8;\\x{D800}@example.org", ""),
            ("utf-8;\\x{6d4b}@example.org", ""),
            ("utf-8;\\x{}@example.org", ""),
            ("utf-8;\\x{6D4B", ""),
            ("rfc822;", ""),
            (";a@example.org", ""),
            ("rfc822", ""),
            ("rfc(822;a@example.org", ""),
            ("rfc822;a+0D+0AX:+20y", ""),
        ] {
            let expected = match expected {
                "" => Err(CommandError::BadOrcpt),
                text => Ok(text.to_owned()),
            };
            assert_eq!(read(value), expected, "{value}");
        }
        let long = format!("rfc822;{}", "a".repeat(494));
        assert_eq!(orcpt(Some(&long)), Err(CommandError::BadOrcpt));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC{0,40}") {
            let encoded: String = text.bytes().map(|b| match b {
                b'+' | b'=' => format!("+{b:02X}"),
                b if b.is_ascii_graphic() => char::from(b).to_string(),
                b => format!("+{b:02X}"),
            }).collect();
            prop_assert_eq!(xtext(&encoded), Some(text));
        }

        #[test]
        fn nothing_that_is_taken_can_break_a_line(value in "\\PC{0,30}") {
            if let Ok(orcpt) = orcpt(Some(&value)) {
                prop_assert!(!orcpt.to_string().contains(char::is_control));
            }
            if let Ok(envid) = envid(Some(&value)) {
                prop_assert!(!envid.contains(char::is_control));
            }
        }
    }
}
