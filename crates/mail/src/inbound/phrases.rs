//! Lists of phrases, written as one text.

/// Phrases in lower case with `|` between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phrases(pub(crate) &'static str);

impl Phrases {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static str> {
        self.0.split('|')
    }

    /// Whether one of them is in a text.
    pub(crate) fn are_in(self, text: &str) -> bool {
        self.iter().any(|phrase| text.contains(phrase))
    }

    /// Whether a text begins with one of them.
    pub(crate) fn begin(self, text: &str) -> bool {
        self.iter().any(|phrase| text.starts_with(phrase))
    }

    /// Whether a text is one of them.
    pub(crate) fn has(self, text: &str) -> bool {
        self.iter().any(|phrase| text == phrase)
    }
}
