//! The values of control fields, but for metadata.

use std::time::Duration;

use postbell_model::duration::parse_duration;

use super::Wrong;

/// The longest name of a configuration set or stream.
pub(super) const NAME_MAX: usize = 64;
/// Characters of a tag.
pub(super) const TAG_MAX: usize = 128;
/// Tags of a message.
pub(super) const TAGS_MAX: usize = 20;
/// Characters of an idempotency key.
pub(super) const KEY_MAX: usize = 255;

/// A name, as it can be given to a configuration set.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let fits = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed);
    fits.then(|| text.to_owned()).ok_or(Wrong::NotAName)
}

/// Tags in the order in which they stand there, each once.
pub(super) fn tags(text: &str) -> Result<Vec<String>, Wrong> {
    let mut tags: Vec<String> = Vec::new();
    let given = text.split(',').count();
    if given > TAGS_MAX {
        return Err(Wrong::ManyTags(given));
    }
    for tag in text.split(',').map(str::trim) {
        let long = tag.chars().count() > TAG_MAX;
        if tag.is_empty() || long || tag.chars().any(char::is_control) {
            return Err(Wrong::NotATag);
        }
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    Ok(tags)
}

/// `yes`, `true`, `on`, `1`, and their opposites, in any case.
pub(super) fn yes_or_no(text: &str) -> Result<bool, Wrong> {
    let among = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (
        among(["yes", "true", "on", "1"]),
        among(["no", "false", "off", "0"]),
    ) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Wrong::NotYesOrNo),
    }
}

/// `2h`, `1h30m`, or a number of seconds; not zero.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let duration = seconds.or_else(|| parse_duration(text));
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or(Wrong::NotADuration)
}

/// An idempotency key.
pub(super) fn key(text: &str) -> Result<String, Wrong> {
    let printable = |b: u8| b == b' ' || b.is_ascii_graphic();
    let fits = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(printable);
    fits.then(|| text.to_owned())
        .ok_or(Wrong::NotAnIdempotencyKey)
}
