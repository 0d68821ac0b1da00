//! SMTP replies (RFC 5321 §4.2) and enhanced status codes (RFC 3463).

use std::fmt;

/// Class, subject and detail of RFC 3463 §2: `5.1.1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// 0–999.
    pub subject: u16,
    /// 0–999.
    pub detail: u16,
}

impl EnhancedCode {
    /// The code `class.subject.detail`.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Reads `class.subject.detail`, where class is 2, 4 or 5 and the others have one to three
    /// digits (RFC 3463 §2); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let subject = number(parts.next()?)?;
        let detail = number(parts.next()?)?;
        parts.next().is_none().then_some(Self {
            class,
            subject,
            detail,
        })
    }

    /// The code that leads a reply's text (RFC 2034 §4) and the text after it. Some servers put a
    /// tab between the two.
    pub fn split(text: &str) -> (Option<Self>, &str) {
        let (head, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        match Self::parse(head) {
            Some(code) => (Some(code), rest),
            None => (None, text),
        }
    }
}

fn number(digits: &str) -> Option<u16> {
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A reply, ours or a peer's: code, enhanced code, text.
///
/// The text has no CR, no NUL and no other control character; lines are separated by LF. The
/// enhanced code is not repeated in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// 200–599.
    pub code: u16,
    /// As the peer gave it, if it did.
    pub enhanced: Option<EnhancedCode>,
    /// What the reply says, without codes.
    pub text: String,
}

/// What the first digit of a reply says (RFC 5321 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// 2yz: done.
    Success,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: never.
    Permanent,
}

impl Reply {
    /// A reply of ours. The class of its enhanced code is that of `code`, so the two can't
    /// disagree; the text is one line.
    pub fn new(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Self {
        let class = match code / 100 {
            2 | 3 => 2,
            4 => 4,
            _ => 5,
        };
        Self {
            code,
            enhanced: Some(EnhancedCode {
                class,
                subject,
                detail,
            }),
            text: clean(text.into()),
        }
    }

    /// A reply without an enhanced code: the greeting, the reply to EHLO, 354 (RFC 2034 §3).
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            enhanced: None,
            text: clean(text.into()),
        }
    }

    /// A reply that a peer gave, its lines joined by LF, the enhanced code still in front.
    pub fn received(code: u16, text: &str) -> Self {
        let mut lines = text.lines();
        let (enhanced, first) = EnhancedCode::split(lines.next().unwrap_or(""));
        let mut kept = first.to_owned();
        for line in lines {
            // RFC 2034 §4: the enhanced code stands on each line of a reply.
            let (code_here, rest) = EnhancedCode::split(line);
            kept.push('\n');
            kept.push_str(if enhanced.is_some() && code_here == enhanced {
                rest
            } else {
                line
            });
        }
        Self {
            code,
            enhanced,
            text: clean(kept),
        }
    }

    /// What the first digit says; an unknown one counts as transient, so that nothing is given
    /// up for a peer's nonsense.
    pub const fn severity(&self) -> Severity {
        match self.code / 100 {
            2 => Severity::Success,
            3 => Severity::Intermediate,
            5 => Severity::Permanent,
            _ => Severity::Transient,
        }
    }
}

/// Control characters become spaces, but for LF between lines.
fn clean(text: String) -> String {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return text
            .chars()
            .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
            .collect();
    }
    text
}

/// One line, as SMTP shows it: `550 5.1.1 user unknown`; lines joined by a space.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.text.split('\n').filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_are_read_strictly() {
        assert_eq!(
            EnhancedCode::parse("5.1.1"),
            Some(EnhancedCode::new(5, 1, 1))
        );
        assert_eq!(
            EnhancedCode::parse("4.7.650"),
            Some(EnhancedCode::new(4, 7, 650))
        );
        for wrong in [
            "", "5", "5.1", "3.1.1", "5.1.1.1", "5.1.", "5.1111.1", "5.+1.1", "55.1.1",
        ] {
            assert_eq!(EnhancedCode::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_class_follows_the_code() {
        assert_eq!(Reply::new(452, 4, 5, "Full").to_string(), "452 4.4.5 Full");
        assert_eq!(Reply::new(250, 2, 0, "OK").to_string(), "250 2.2.0 OK");
    }

    #[test]
    fn a_received_reply_keeps_its_lines_and_loses_its_controls() {
        let reply = Reply::received(550, "5.7.1 first\u{0}\r\n5.7.1 second\nthird");
        assert_eq!(reply.enhanced, Some(EnhancedCode::new(5, 7, 1)));
        assert_eq!(reply.text, "first \nsecond\nthird");
        assert_eq!(reply.to_string(), "550 5.7.1 first  second third");
        assert_eq!(Reply::received(250, "OK").enhanced, None);
        let tab = Reply::received(250, "2.0.0\tOK");
        assert_eq!(tab.to_string(), "250 2.0.0 OK");
    }
}
