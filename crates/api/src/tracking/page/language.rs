//! The language of a page: of those that there are, the one that the browser asks for most.

use super::words::{self, Words};

/// A language that the pages are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tracking) enum Language {
    #[default]
    English,
    German,
    French,
    Spanish,
    Italian,
    Portuguese,
    Dutch,
    Polish,
    Japanese,
}

impl Language {
    /// All of them.
    pub(in crate::tracking) const ALL: &[Self] = &[
        Self::English,
        Self::German,
        Self::French,
        Self::Spanish,
        Self::Italian,
        Self::Portuguese,
        Self::Dutch,
        Self::Polish,
        Self::Japanese,
    ];

    /// What Accept-Language asks for; English where it asks for nothing that there is.
    pub(in crate::tracking) fn asked(accept: &str) -> Self {
        let ranges = accept.split(',').take(RANGES_MAX).filter_map(range);
        // Of those that are asked for alike the first counts.
        let mut best = None;
        for (tag, weight) in ranges {
            let found = Self::ALL
                .iter()
                .find(|language| tag.eq_ignore_ascii_case(language.words().tag));
            match (found, best) {
                (Some(language), None) => best = Some((*language, weight)),
                (Some(language), Some((_, before))) if weight > before => {
                    best = Some((*language, weight));
                }
                _ => {}
            }
        }
        best.map(|(language, _)| language).unwrap_or_default()
    }

    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::English => &words::ENGLISH,
            Self::German => &words::GERMAN,
            Self::French => &words::FRENCH,
            Self::Spanish => &words::SPANISH,
            Self::Italian => &words::ITALIAN,
            Self::Portuguese => &words::PORTUGUESE,
            Self::Dutch => &words::DUTCH,
            Self::Polish => &words::POLISH,
            Self::Japanese => &words::JAPANESE,
        }
    }
}

/// Nobody reads more languages.
const RANGES_MAX: usize = 32;

/// `de-AT;q=0.8`: the language without its region, and its weight in thousandths (RFC 9110
/// §12.5.4). What is not wanted at all is left out.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next()?.split('-').next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0_f32));
    let wanted = weight > 0.0 && weight <= 1.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within 1"
    )]
    wanted.then_some((tag, (weight * 1_000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_asked_for_most_is_taken() {
        for (accept, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en;q=0.5, ja", Language::Japanese),
            ("sv, pt-BR;q=0.7, en;q=0.3", Language::Portuguese),
            ("de;q=0, fr;q=0.1", Language::French),
            ("xx, *;q=0.5", Language::English),
            ("de;q=x", Language::English),
            ("PL", Language::Polish),
            ("nl, es", Language::Dutch),
        ] {
            assert_eq!(Language::asked(accept), language, "{accept}");
        }
    }
}
