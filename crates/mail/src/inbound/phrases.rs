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

#[cfg(test)]
impl Phrases {
    /// Fails for a phrase that another one makes needless, by what finding that one says of it.
    pub(crate) fn check(self, is_covered: fn(&str, &str) -> bool) {
        let phrases: Vec<_> = self.iter().collect();
        for (at, one) in phrases.iter().enumerate() {
            for (other_at, other) in phrases.iter().enumerate() {
                let is_needless = at != other_at && is_covered(one, other);
                assert!(!is_needless, "{one:?} is needless beside {other:?}");
            }
        }
    }

    /// For a list whose phrases are looked for anywhere.
    pub(crate) fn check_within(self) {
        self.check(|one, other| one.contains(other));
    }

    /// For a list whose phrases begin a text.
    pub(crate) fn check_beginnings(self) {
        self.check(|one, other| one.starts_with(other));
    }

    /// For a list whose phrases are looked for in a way of its own, or are whole texts.
    pub(crate) fn check_apart(self) {
        self.check(|one, other| one == other);
    }
}
