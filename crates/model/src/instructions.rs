//! What a sender asks for beside delivery: reports (RFC 3461), grouping, tracking.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What was asked for a whole message, in MAIL FROM's parameters and in control headers. The
/// default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions {
    /// ENVID, decoded: printable ASCII, at most 100 characters (RFC 3461 §4.4).
    pub envid: Option<String>,
    /// RET: how much of the message a report brings back.
    pub ret: Option<Ret>,
    /// The name of the stream.
    pub stream: Option<String>,
    /// Tags, in the order in which they were given.
    pub tags: Vec<String>,
    /// Names and values that events carry back.
    pub metadata: BTreeMap<String, String>,
    /// Whether opens are tracked; `None`: as the configuration set says.
    pub track_opens: Option<bool>,
    /// Whether clicks are tracked; `None`: as the configuration set says.
    pub track_clicks: Option<bool>,
    /// Whether List-Unsubscribe is added; `None`: as the configuration set says.
    pub unsubscribe: Option<bool>,
}

impl Instructions {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of a message comes back with a report of failure (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ret {
    /// All of it.
    Full,
    /// The header alone.
    Headers,
}

impl Ret {
    /// The word of RFC 3461 §4.3: `FULL`, `HDRS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }

    /// The value of this word, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Headers]
            .into_iter()
            .find(|ret| ret.name().eq_ignore_ascii_case(name))
    }
}

/// What was asked about reports for one recipient, in the parameters of RCPT TO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportRequest {
    /// NOTIFY; `None`: failures, and delays where we like (RFC 3461 §5.2.1).
    pub notify: Option<Notify>,
    /// ORCPT.
    pub orcpt: Option<OriginalRecipient>,
}

/// Which reports a recipient's sender wants (RFC 3461 §4.1). None of the three: NEVER.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Notify {
    /// When it was delivered.
    pub success: bool,
    /// When it can't be.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

impl Notify {
    /// No report at all.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };
}

impl fmt::Display for Notify {
    /// The value of the parameter: `SUCCESS,FAILURE`, `NEVER`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ];
        let asked: Vec<_> = words.iter().filter(|(on, _)| *on).map(|w| w.1).collect();
        if asked.is_empty() {
            return f.write_str("NEVER");
        }
        f.write_str(&asked.join(","))
    }
}

/// A NOTIFY parameter that RFC 3461 §4.1 does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not NEVER, nor a list of SUCCESS, FAILURE and DELAY")]
pub struct BadNotify;

impl FromStr for Notify {
    type Err = BadNotify;

    /// Reads the value of the parameter. A word that stands twice is refused.
    fn from_str(value: &str) -> Result<Self, BadNotify> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in value.split(',') {
            let asked = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut notify.success,
                "FAILURE" => &mut notify.failure,
                "DELAY" => &mut notify.delay,
                _ => return Err(BadNotify),
            };
            if std::mem::replace(asked, true) {
                return Err(BadNotify);
            }
        }
        Ok(notify)
    }
}

/// The address that a message was first sent to (RFC 3461 §4.2), decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    kind: String,
    address: String,
}

impl OriginalRecipient {
    /// RFC 3461 §4.2: the whole parameter has at most 500 characters.
    pub const LEN_MAX: usize = 500;

    /// An address of a kind: `rfc822` and `user@example.com`. `None` where either is empty,
    /// holds a control character or is too long, or the kind is no atom.
    pub fn new(kind: &str, address: &str) -> Option<Self> {
        let atom = |b: u8| b.is_ascii_graphic() && !b"()<>@,;:\\\".[]=".contains(&b);
        let fits = !kind.is_empty()
            && !address.is_empty()
            && kind.len() + address.len() < Self::LEN_MAX
            && kind.bytes().all(atom)
            && !address.chars().any(char::is_control);
        fits.then(|| Self {
            kind: kind.to_owned(),
            address: address.to_owned(),
        })
    }

    /// The kind of the address: `rfc822`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The address, decoded; without control characters.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, address) = text.split_once(';')?;
        Self::new(kind, address)
    }
}

impl fmt::Display for OriginalRecipient {
    /// `rfc822;user@example.com`, as in Original-Recipient of a report (RFC 3464 §2.3.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_is_read_as_written() {
        for text in [
            "NEVER",
            "SUCCESS",
            "FAILURE",
            "DELAY",
            "SUCCESS,FAILURE",
            "FAILURE,DELAY",
            "SUCCESS,FAILURE,DELAY",
        ] {
            assert_eq!(text.parse::<Notify>().unwrap().to_string(), text);
        }
        assert_eq!("never".parse(), Ok(Notify::NEVER));
        for bad in [
            "",
            "NEVER,DELAY",
            "DELAY,DELAY",
            "DELAY,",
            "ALWAYS",
            " DELAY",
        ] {
            assert_eq!(bad.parse::<Notify>(), Err(BadNotify), "{bad}");
        }
    }

    #[test]
    fn an_original_recipient_can_not_break_a_line() {
        let known = OriginalRecipient::new("rfc822", "a;b@example.com").unwrap();
        assert_eq!(OriginalRecipient::parse(&known.to_string()), Some(known));
        for (kind, address) in [
            ("", "a@b"),
            ("rfc822", ""),
            ("rfc 822", "a@b"),
            ("rfc;822", "a@b"),
            ("rfc822", "a@b\r\nX: y"),
            ("rfc822", "\u{0}"),
        ] {
            assert_eq!(OriginalRecipient::new(kind, address), None);
        }
        assert_eq!(OriginalRecipient::new("rfc822", &"a".repeat(500)), None);
    }

    #[test]
    fn the_words_of_ret_are_known_in_any_case() {
        assert_eq!(Ret::of_name("hdrs"), Some(Ret::Headers));
        assert_eq!(Ret::of_name("FULL"), Some(Ret::Full));
        assert_eq!(Ret::of_name("HALF"), None);
    }
}
