//! Lines that say who wrote what follows: `On …, … wrote:`, in many languages.

use super::lines::beginning;
use crate::inbound::phrases::Phrases;

/// Longer ones are text.
const LENGTH_MAX: usize = 600;
/// Lines that one goes on for.
const LINES_MAX: usize = 4;

/// How an attribution begins.
static BEGINS: Phrases = Phrases::new(
    "\
     on |am |le |el |em |il |op |den |dne |dnia |w dniu |pe |vào |pada |a(z) |στις |в |у |----|\
     在|于",
);

/// What it says that somebody did.
static VERBS: Phrases = Phrases::new(
    "\
     wrote|writes|schrieb|schreibt|schrieb folgendes|geschrieben|écrit|escribió|\
     escribio|escreveu|scritto|schreef|geschreven|\
     skrev|kirjoitti|napisał|napisał(a)|napisała|napisal|napsal|\
     napsal(a)|napísal|написал|написал(а)|написала|пишет|писал|писал(а)|пише|написав|\
     написав(ла)|писав|írta|a scris|yazdı|έγραψε|写道|寫道|写入|のメール|書きました|\
     さんは書きました|작성|đã viết|menulis|kirjutas|rakstīja|rašė|napisao",
);

/// The same, where the rest of a line goes on behind it.
static VERBS_WITHIN: Phrases = Phrases::new(" schrieb | wrote | a écrit| skrev | schreef ");

/// How many lines from the first on are one attribution; none where they are not.
pub(super) fn attribution_len(lines: &[&str]) -> usize {
    let mut joined = String::new();
    for (index, line) in lines.iter().take(LINES_MAX).enumerate() {
        let bare = line.trim().trim_start_matches(['>', ' ']);
        if bare.is_empty() && index > 0 {
            return 0;
        }
        joined.push_str(bare);
        joined.push(' ');
        if joined.len() > LENGTH_MAX {
            return 0;
        }
        if is_attribution(joined.trim()) {
            return index + 1;
        }
        // What begins as something else does not go on as an attribution.
        if index == 0 && !may_begin(bare) {
            return 0;
        }
    }
    0
}

/// An attribution has a date or an address in its first line, or begins as they do.
fn may_begin(line: &str) -> bool {
    BEGINS.begin(&beginning(line))
        || (has_at(line) && VERBS_WITHIN.are_in(&line.to_lowercase()))
        || (has_time(line) && line.contains(['@', '<', '"']))
        || has_date(line)
}

fn is_attribution(line: &str) -> bool {
    if begins_with_date(line) && has_time(line) && is_zoned(line) {
        return true;
    }
    let is_framed = line.starts_with("----") && line.ends_with("----");
    let end = line.trim_end_matches([' ', '*', '_', '\u{a0}']);
    if !is_framed && !end.ends_with([':', '：']) {
        return false;
    }
    let lower = line.to_lowercase();
    let bare = lower.trim_end_matches(['-', ' ', ':', '：', '*', '_', '\u{a0}']);
    let ends = VERBS
        .iter()
        .chain(["said", "sent"])
        .any(|verb| bare.ends_with(verb));
    let is_dated = has_time(line) || has_date(line) || line.contains('@');
    if ends && (is_dated || lower.starts_with("on ") || lower.starts_with("am ")) {
        return true;
    }
    let within = VERBS.iter().any(|verb| stands_in(&lower, verb));
    if within && is_dated && (is_framed || has_time(line)) {
        return true;
    }
    // Without a verb that is known: an address and a time, and little but them.
    has_time(line) && has_date(line) && line.contains('@') && line.contains('<')
}

/// Whether a word stands in a text as one.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let behind = text.get(at + word.len()..).unwrap_or_default();
        before.ends_with(' ') && behind.starts_with([' ', ':'])
    })
}

fn is_zoned(line: &str) -> bool {
    let lower = line.to_lowercase();
    lower.contains(" gmt") || lower.contains(" utc") || line.contains('@')
}

/// `2016-03-03 …`
fn begins_with_date(line: &str) -> bool {
    let date = line.as_bytes().first_chunk::<10>();
    date.is_some_and(|date| {
        date.iter().enumerate().all(|(at, octet)| match at {
            4 | 7 => matches!(octet, b'-' | b'/' | b'.'),
            _ => octet.is_ascii_digit(),
        })
    })
}

/// Whether a line has an address, a date or a time of day.
pub(super) fn names_address_or_time(line: &str) -> bool {
    has_at(line) || has_time(line) || has_date(line)
}

/// Most lines have none, and are looked at only once.
fn has_digit(line: &str) -> bool {
    line.bytes().any(|octet| octet.is_ascii_digit())
}

/// An address has one. This is asked of every line.
fn has_at(line: &str) -> bool {
    memchr::memchr(b'@', line.as_bytes()).is_some()
}

/// `12:34`
fn has_time(line: &str) -> bool {
    if !has_digit(line) {
        return false;
    }
    let octets = line.as_bytes();
    octets.windows(4).any(|window| match window {
        [a, b':' | b'.' | b'h', c, d] => {
            a.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()
        }
        _ => false,
    })
}

/// A year, or a date in digits.
fn has_date(line: &str) -> bool {
    if !has_digit(line) {
        return false;
    }
    let words = line.split(|c: char| !c.is_ascii_digit());
    let mut numbers = 0;
    for word in words.filter(|word| !word.is_empty()) {
        if word.len() == 4 && (word.starts_with("19") || word.starts_with("20")) {
            return true;
        }
        numbers += usize::from(word.len() <= 2);
    }
    numbers >= 4
}

#[test]
fn every_phrase_counts() {
    for phrase in BEGINS.iter() {
        assert!(beginning(phrase) == phrase, "{phrase}");
    }
    BEGINS.check_beginnings();
    VERBS_WITHIN.check_within();
    VERBS.check(|one, other| one == other || one.ends_with(&format!(" {other}")));
}
