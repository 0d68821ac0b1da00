//! What a rule asks of a reply.

use postbell_model::{BounceClass, EnhancedCode, Phase};

use super::plain;

/// A class, and when it is a reply's: when every condition holds that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What the reply is then.
    pub class: BounceClass,
    /// How far the try came: to one of these, or anywhere where there are none.
    pub phases: Vec<Phase>,
    /// The reply code is one of these.
    pub codes: Vec<CodePattern>,
    /// The enhanced status code is one of these.
    pub enhanced: Vec<EnhancedPattern>,
    /// One of these is said.
    pub any: Vec<Phrase>,
    /// And one of these.
    pub and: Vec<Phrase>,
    /// And none of these.
    pub unless: Vec<Phrase>,
}

impl Rule {
    /// A rule that holds for every reply.
    pub const fn always(class: BounceClass) -> Self {
        Self {
            class,
            phases: Vec::new(),
            codes: Vec::new(),
            enhanced: Vec::new(),
            any: Vec::new(),
            and: Vec::new(),
            unless: Vec::new(),
        }
    }

    pub(super) fn codes_hold(
        &self,
        phase: Phase,
        code: u16,
        enhanced: Option<EnhancedCode>,
    ) -> bool {
        (self.phases.is_empty() || self.phases.contains(&phase))
            && (self.codes.is_empty() || self.codes.iter().any(|pattern| pattern.holds(code)))
            && (self.enhanced.is_empty()
                || enhanced.is_some_and(|code| self.enhanced.iter().any(|p| p.holds(code))))
    }
}

/// Reply codes: `550`, `55*`, `5**`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePattern([Option<u8>; 3]);

impl CodePattern {
    /// Three digits, or `*` for any; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |octet: u8| match octet {
            b'*' => Some(None),
            b'0'..=b'9' => Some(Some(octet - b'0')),
            _ => None,
        };
        match text.as_bytes() {
            [a, b, c] => Some(Self([digit(*a)?, digit(*b)?, digit(*c)?])),
            _ => None,
        }
    }

    fn holds(self, code: u16) -> bool {
        let [a, b, c] = self.0;
        let holds = |asked: Option<u8>, told: u16| asked.is_none_or(|d| u16::from(d) == told);
        holds(a, code / 100) && holds(b, code / 10 % 10) && holds(c, code % 10)
    }
}

/// Enhanced status codes: `5.1.1`, `*.2.2`, `5.7.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnhancedPattern([Option<u16>; 3]);

impl EnhancedPattern {
    /// Class, subject and detail (RFC 3463 §2), or `*` for any; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| match part {
            "*" => Some(None),
            digits if digits.contains('*') => None,
            digits => digits.parse().ok().map(Some),
        };
        // The grammar is that of the codes, once each `*` is a number that may stand there.
        EnhancedCode::parse(&text.replacen("*.", "5.", 1).replace('*', "0"))?;
        let mut parts = text.split('.').map(number);
        Some(Self([parts.next()??, parts.next()??, parts.next()??]))
    }

    fn holds(self, code: EnhancedCode) -> bool {
        let told = [u16::from(code.class), code.subject, code.detail];
        let mut pairs = self.0.into_iter().zip(told);
        pairs.all(|(asked, told)| asked.is_none_or(|asked| asked == told))
    }
}

/// Words that stand one after the other: `mailbox full`. Compared without case, punctuation and
/// addresses; `*` at an end lets a word go on there: `throttl*`, `*dnsbl*`; `{ip}` is any IP
/// address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase(String);

impl Phrase {
    /// `None` where no word is left.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, goes_on) = match text.strip_suffix('*') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, begins_before) = match text.strip_prefix('*') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let plain = plain::phrase(text);
        let words = plain.trim();
        if words.is_empty() {
            return None;
        }
        let before = if begins_before { "" } else { " " };
        let after = if goes_on { "" } else { " " };
        Some(Self(format!("{before}{words}{after}")))
    }

    /// What is searched for in a plain text.
    pub(super) fn pattern(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_patterns_hold_for_what_they_name() {
        let holds = |pattern, code| CodePattern::parse(pattern).unwrap().holds(code);
        assert!(holds("550", 550) && holds("55*", 552) && holds("***", 421));
        assert!(!holds("550", 551) && !holds("5**", 450));
        for wrong in ["", "55", "5500", "5x0", "5.0"] {
            assert_eq!(CodePattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn enhanced_patterns_hold_for_what_they_name() {
        let holds = |pattern, code| {
            let code = EnhancedCode::parse(code).unwrap();
            EnhancedPattern::parse(pattern).unwrap().holds(code)
        };
        assert!(holds("5.1.1", "5.1.1") && holds("*.2.2", "4.2.2") && holds("5.7.*", "5.7.26"));
        assert!(!holds("5.1.1", "5.1.10") && !holds("5.*.*", "4.1.1"));
        for wrong in [
            "", "5.1", "5.1.1.1", "6.1.1", "5.1.x", "5.1.1*", "*", "5.1.1000",
        ] {
            assert_eq!(EnhancedPattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn phrases_are_whole_words_unless_they_say_otherwise() {
        let pattern = |text| Phrase::parse(text).map(|phrase| phrase.0);
        assert_eq!(pattern("Mailbox-Full!"), Some(" mailbox full ".to_owned()));
        assert_eq!(pattern("throttl*"), Some(" throttl".to_owned()));
        assert_eq!(pattern("*dnsbl*"), Some("dnsbl".to_owned()));
        assert_eq!(pattern("{ip} listed"), Some(" {ip} listed ".to_owned()));
        for nothing in ["", "*", "**", " !", "<a@example.com>"] {
            assert_eq!(pattern(nothing), None, "{nothing}");
        }
    }
}
