//! Reply codes and status codes in text.

use postbell_model::EnhancedCode;

/// The codes of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Codes {
    pub(crate) reply: Option<u16>,
    pub(crate) enhanced: Option<EnhancedCode>,
}

/// The codes that a text has: the first status code, and the first number that stands where a
/// reply code would and agrees with it.
pub(crate) fn find(text: &str) -> Codes {
    let enhanced = specific_enhanced(text);
    let class = enhanced.map(|code| code.class);
    Codes {
        reply: reply_code(text, class).or_else(|| reply_code(text, None)),
        enhanced,
    }
}

/// The first status code that says more than its class; else the first.
fn specific_enhanced(text: &str) -> Option<EnhancedCode> {
    let mut codes = enhanced_codes(text);
    let first = codes.next()?;
    if first.subject != 0 || first.detail != 0 {
        return Some(first);
    }
    let same = |code: &EnhancedCode| code.class == first.class && (code.subject, code.detail) != (0, 0);
    codes.find(same).or(Some(first))
}

/// The first status code of a text.
pub(crate) fn first_enhanced(text: &str) -> Option<EnhancedCode> {
    enhanced_codes(text).next()
}

fn enhanced_codes(text: &str) -> impl Iterator<Item = EnhancedCode> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_' || c == '@'))
        .flat_map(|word| word.rsplit('-').take(2).collect::<Vec<_>>().into_iter().rev())
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() >= 5)
        .filter_map(EnhancedCode::parse)
        .filter(|code| code.subject <= 7)
}

fn reply_code(text: &str, class: Option<u8>) -> Option<u16> {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let starts = !before.is_ascii_alphanumeric() && !matches!(before, '.' | '-' | '_' | '/' | '+' | '@' | '$' | '=');
        before = c;
        if !starts || !matches!(c, '2' | '4' | '5') {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if let Some(code) = code_at(rest)
            && class.is_none_or(|class| u16::from(class) == code / 100)
        {
            return Some(code);
        }
    }
    None
}

/// RFC 5321 §4.2: the second digit is 0 to 5, and a space, a hyphen or the end follows.
fn code_at(rest: &str) -> Option<u16> {
    let digits = rest.get(..3)?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let follows = rest.get(3..)?.chars().next();
    let ends = follows.is_none_or(|c| c.is_whitespace() || "-:,;)]>\"'<#".contains(c))
        || rest.get(3..)?.starts_with(". ");
    let code: u16 = digits.parse().ok()?;
    (ends && code / 10 % 10 <= 5).then_some(code)
}
