//! What of a reply is left, from the kinds of its lines.

use std::borrow::Cow;

use super::attribution::{attribution_len, names_address_or_time};
use super::lines::Line;

/// Lines that are looked at; what follows is left out.
const LINES_MAX: usize = 20_000;
/// Lines of text behind a quoted thread that are taken for a signature below it.
const TAIL_MAX: usize = 6;
/// Fields, one after the other, that are a header.
const FIELDS_MIN: usize = 3;

/// The text without the thread that it quotes and without a signature. All of it, where nothing
/// else is left.
pub fn strip(text: &str) -> String {
    let text = with_plain_ends(text);
    let lines: Vec<_> = text.lines().take(LINES_MAX).collect();
    let mut kinds = kinds(&lines);
    let forwarded = behind_forward(&kinds);
    let lines = lines.get(forwarded..).unwrap_or_default();
    kinds.drain(..forwarded);
    let mut end = kinds.len();
    end = end.min(before_rule(&kinds));
    end = end.min(before_header(lines, &kinds, end));
    end = end.min(before_thread(&kinds, end));
    end = before_last_quote(&kinds, end);
    kinds.truncate(end);
    settle_devices(&mut kinds);
    let begin = behind_first_quote(&kinds);
    let kept = lines
        .iter()
        .zip(&kinds)
        .skip(begin)
        .filter(|(_, kind)| !matches!(kind, Line::Attribution | Line::Device));
    let kept: Vec<_> = kept.map(|(line, _)| line.trim_end()).collect();
    trimmed(&kept)
}

/// With LF for each line end.
fn with_plain_ends(text: &str) -> Cow<'_, str> {
    let mut ends = memchr::memchr_iter(b'\r', text.as_bytes()).peekable();
    if ends.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut begin = 0;
    for end in ends {
        // It ends with CR alone, too.
        plain.push_str(text.get(begin..end).unwrap_or_default());
        begin = end + 1;
        if text.as_bytes().get(begin) != Some(&b'\n') {
            plain.push('\n');
        }
    }
    plain.push_str(text.get(begin..).unwrap_or_default());
    Cow::Owned(plain)
}

fn kinds(lines: &[&str]) -> Vec<Line> {
    let mut is_code = false;
    let mut kinds = Vec::with_capacity(lines.len());
    for line in lines {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        kinds.push(match is_fence || is_code {
            true => Line::Text,
            false => Line::of(line),
        });
    }
    // A fence that is never closed is none.
    if is_code {
        kinds = lines.iter().map(|line| Line::of(line)).collect();
    }
    let mut at = 0;
    while at < lines.len() {
        let here = lines.get(at..).unwrap_or_default();
        let len = match kinds.get(at) {
            Some(Line::Text | Line::Field | Line::Quote | Line::Rule) => attribution_len(here),
            _ => 0,
        };
        for kind in kinds.iter_mut().skip(at).take(len) {
            *kind = Line::Attribution;
        }
        at += len.max(1);
    }
    kinds
}

/// A telephone's line ends what was written. Where more follows, it is a sentence of somebody's.
fn settle_devices(kinds: &mut [Line]) {
    let mut goes_on = false;
    for kind in kinds.iter_mut().rev() {
        match kind {
            Line::Text | Line::Field => goes_on = true,
            Line::Rule | Line::Attribution | Line::Quote => goes_on = false,
            Line::Device if goes_on => *kind = Line::Text,
            Line::Device | Line::Empty => {}
        }
    }
}

/// A line of dashes ends what was written, but not at its beginning.
fn before_rule(kinds: &[Line]) -> usize {
    let rule = kinds.iter().position(|kind| *kind == Line::Rule);
    let Some(rule) = rule else {
        return kinds.len();
    };
    let has_text = kinds.iter().take(rule).any(|kind| kind.is_text());
    if has_text { rule } else { kinds.len() }
}

/// A quoted header ends it as well. It tells an address or a date; lines that only look like
/// fields are somebody's own.
fn before_header(lines: &[&str], kinds: &[Line], end: usize) -> usize {
    let (mut run, mut begin, mut is_proved) = (0, 0, false);
    for (at, (line, kind)) in lines.iter().zip(kinds).enumerate().take(end) {
        match kind {
            Line::Field if run == 0 => (run, begin, is_proved) = (1, at, false),
            Line::Field => run += 1,
            Line::Empty if run > 0 => continue,
            _ => {
                run = 0;
                continue;
            }
        }
        is_proved |= names_address_or_time(line);
        if run >= FIELDS_MIN && is_proved {
            return begin;
        }
    }
    end
}

/// From an attribution on, where no text follows, or so little that it is a signature.
fn before_thread(kinds: &[Line], end: usize) -> usize {
    let head = kinds.get(..end).unwrap_or_default();
    let last_quote = head.iter().rposition(|kind| *kind == Line::Quote);
    let is_thread = |kind: &Line| matches!(kind, Line::Quote | Line::Attribution);
    let Some(thread_end) = head.iter().rposition(is_thread) else {
        return end;
    };
    let (thread, tail) = head.split_at(thread_end);
    let texts = |kinds: &[Line]| kinds.iter().filter(|kind| kind.is_text()).count();
    let (in_thread, in_tail) = (texts(thread), texts(tail));
    let mut before = 0;
    for (at, kind) in head.iter().enumerate() {
        before += usize::from(kind.is_text());
        if *kind != Line::Attribution || before == 0 {
            continue;
        }
        let has_quote = last_quote.is_some_and(|quote| quote > at);
        let is_signed = before == in_thread && in_tail <= TAIL_MAX;
        if !has_quote || is_signed {
            return at;
        }
    }
    end
}

/// Quotes at the end, where there is text before them.
fn before_last_quote(kinds: &[Line], end: usize) -> usize {
    let head = kinds.get(..end).unwrap_or_default();
    let last = head.iter().rposition(|kind| kind.is_text());
    last.map_or(end, |last| last + 1)
}

/// Behind the header of a message that is forwarded without a word.
fn behind_forward(kinds: &[Line]) -> usize {
    let begin = kinds
        .iter()
        .position(|kind| *kind != Line::Empty)
        .unwrap_or(0);
    let head = kinds.get(begin..).unwrap_or_default();
    if !matches!(head.first(), Some(Line::Rule)) {
        return 0;
    }
    let len = head
        .iter()
        .skip(1)
        .skip_while(|kind| **kind == Line::Empty)
        .take_while(|kind| **kind != Line::Empty)
        .count();
    let blank = head
        .iter()
        .skip(1)
        .take_while(|kind| **kind == Line::Empty)
        .count();
    let header = head.get(1 + blank..1 + blank + len).unwrap_or_default();
    let fields = header.iter().filter(|kind| **kind == Line::Field).count();
    let has_more = head
        .iter()
        .skip(1 + blank + len)
        .any(|kind| *kind == Line::Text);
    if fields >= FIELDS_MIN && has_more {
        begin + 1 + blank + len
    } else {
        0
    }
}

/// Behind a quote that stands before the only text: it was answered below. Where text and quotes
/// take turns, each belongs to what it answers.
fn behind_first_quote(kinds: &[Line]) -> usize {
    let Some(text) = kinds.iter().position(|kind| kind.is_text()) else {
        return 0;
    };
    let is_answered = kinds
        .iter()
        .take(text)
        .any(|kind| *kind == Line::Attribution);
    let goes_on = kinds.iter().skip(text).any(|kind| *kind == Line::Quote);
    if is_answered && !goes_on { text } else { 0 }
}

/// Without empty lines around it; nothing, where there are no words.
fn trimmed(lines: &[&str]) -> String {
    let is_word = |line: &&str| line.chars().any(char::is_alphanumeric);
    if !lines.iter().any(is_word) {
        return String::new();
    }
    let begin = lines.iter().position(|line| !line.trim().is_empty());
    let end = lines.iter().rposition(|line| !line.trim().is_empty());
    match (begin, end) {
        (Some(begin), Some(end)) => lines.get(begin..=end).unwrap_or_default().join("\n"),
        _ => String::new(),
    }
}
