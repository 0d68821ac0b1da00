//! Reply codes and status codes in text.

use postbell_model::EnhancedCode;

/// The codes of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Codes {
    pub(crate) reply: Option<u16>,
    pub(crate) enhanced: Option<EnhancedCode>,
}

/// The codes that a text has. A status code that stands behind a reply code is surer than one
/// that stands elsewhere; the last such is what the far server said, where the reporting one put
/// its own before it.
pub(crate) fn find(text: &str) -> Codes {
    let mut first = None;
    let mut paired = None;
    for (code, rest) in replies(text) {
        first = first.or(Some(code));
        // RFC 5321 §4.2.3: 503 is about the order of commands, and follows another refusal.
        if let Some(enhanced) =
            behind(rest).filter(|enhanced| is_specific(*enhanced) && code != 503)
        {
            paired = Some((code, enhanced));
        }
    }
    if let Some((code, enhanced)) = paired {
        return Codes {
            reply: Some(code),
            enhanced: Some(enhanced),
        };
    }
    let enhanced = enhanced_codes(text)
        .find(|code| is_specific(*code))
        .or_else(|| first_enhanced(text));
    let agrees =
        |code: &u16| enhanced.is_none_or(|enhanced| u16::from(enhanced.class) == code / 100);
    let agreeing = replies(text).map(|(code, _)| code).find(agrees);
    Codes {
        reply: agreeing.or(first),
        enhanced,
    }
}

/// The first status code of a text.
pub(crate) fn first_enhanced(text: &str) -> Option<EnhancedCode> {
    enhanced_codes(text).next()
}

/// Whether it says more than its class (RFC 3463 §3.1).
pub(crate) const fn is_specific(code: EnhancedCode) -> bool {
    code.subject != 0 || code.detail != 0
}

fn enhanced_codes(text: &str) -> impl Iterator<Item = EnhancedCode> + '_ {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@');
    text.split(move |c: char| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() >= 5)
        .filter_map(EnhancedCode::parse)
        .filter(|code| code.subject <= 7)
}

/// The status code that a text begins with, behind punctuation.
fn behind(text: &str) -> Option<EnhancedCode> {
    let text = text.trim_start_matches([' ', '-', ':', '#', '(', '\'', '"', '<']);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    EnhancedCode::parse(text.get(..end)?.trim_end_matches('.'))
}

/// The refusals in a text, with what follows them.
fn replies(text: &str) -> impl Iterator<Item = (u16, &str)> {
    let mut before = ' ';
    text.char_indices().filter_map(move |(at, c)| {
        let is_begin = !before.is_ascii_alphanumeric() && !"._/+@$=".contains(before);
        before = c;
        if !is_begin || !matches!(c, '4' | '5') {
            return None;
        }
        code_at(text.get(at..)?)
    })
}

/// RFC 5321 §4.2: the second digit is 0 to 5, and a space, a hyphen or the end follows.
fn code_at(rest: &str) -> Option<(u16, &str)> {
    let (digits, after) = rest.split_at_checked(3)?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let next = after.chars().next();
    let ends = next.is_none_or(|c| c.is_whitespace() || "-:,;)]>\"'<#".contains(c))
        || after.starts_with(". ");
    let code: u16 = digits.parse().ok()?;
    (ends && code / 10 % 10 <= 5).then_some((code, after))
}
