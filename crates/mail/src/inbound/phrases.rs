//! Lists of phrases, written as one text.
//!
//! What is looked for in a text is looked for at once: one look at its octets, however long the
//! list is.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, Anchored, Input, StartKind};

/// Phrases in lower case with `|` between them.
#[derive(Debug)]
pub(crate) struct Phrases {
    text: &'static str,
    within: OnceLock<AhoCorasick>,
    beginnings: OnceLock<AhoCorasick>,
    sorted: OnceLock<Vec<&'static str>>,
}

impl Phrases {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            within: OnceLock::new(),
            beginnings: OnceLock::new(),
            sorted: OnceLock::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.text.split('|')
    }

    /// Whether one of them is in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.within().is_match(text)
    }

    /// How many of them are in one of two texts or in both.
    pub(crate) fn count_in(&self, texts: [&str; 2]) -> usize {
        let mut found = vec![false; self.within().patterns_len()];
        for text in texts {
            for one in self.within().find_overlapping_iter(text) {
                if let Some(found) = found.get_mut(one.pattern().as_usize()) {
                    *found = true;
                }
            }
        }
        found.iter().filter(|found| **found).count()
    }

    /// Whether a text begins with one of them.
    pub(crate) fn begin(&self, text: &str) -> bool {
        let build = || automaton(self.iter(), StartKind::Anchored);
        let beginnings = self.beginnings.get_or_init(build);
        beginnings.is_match(Input::new(text).anchored(Anchored::Yes))
    }

    /// Whether a text is one of them.
    pub(crate) fn has(&self, text: &str) -> bool {
        let sorted = self.sorted.get_or_init(|| {
            let mut sorted: Vec<_> = self.iter().collect();
            sorted.sort_unstable();
            sorted
        });
        sorted.binary_search(&text).is_ok()
    }

    fn within(&self) -> &AhoCorasick {
        let build = || automaton(self.iter(), StartKind::Unanchored);
        self.within.get_or_init(build)
    }
}

fn automaton(phrases: impl Iterator<Item = &'static str>, from: StartKind) -> AhoCorasick {
    let mut builder = AhoCorasick::builder();
    let automaton = builder.start_kind(from).build(phrases);
    automaton.expect("invariant: the lists are ours and short")
}

#[cfg(test)]
impl Phrases {
    /// Fails for a phrase that another one makes needless, by what finding that one says of it.
    pub(crate) fn check(&self, is_covered: fn(&str, &str) -> bool) {
        let phrases: Vec<_> = self.iter().collect();
        for (at, one) in phrases.iter().enumerate() {
            for (other_at, other) in phrases.iter().enumerate() {
                let is_needless = at != other_at && is_covered(one, other);
                assert!(!is_needless, "{one:?} is needless beside {other:?}");
            }
        }
    }

    /// For a list whose phrases are looked for anywhere.
    pub(crate) fn check_within(&self) {
        self.check(|one, other| one.contains(other));
    }

    /// For a list whose phrases begin a text.
    pub(crate) fn check_beginnings(&self) {
        self.check(|one, other| one.starts_with(other));
    }

    /// For a list whose phrases are looked for in a way of its own, or are whole texts.
    pub(crate) fn check_apart(&self) {
        self.check(|one, other| one == other);
    }
}

#[test]
fn phrases_are_found_where_they_are_looked_for() {
    static PHRASES: Phrases = Phrases::new("on |w dniu |写道|on call|a|all");
    assert!(PHRASES.are_in("he wrote on monday") && PHRASES.are_in("李写道："));
    assert!(!PHRASES.are_in("nothing") && !PHRASES.are_in(""));
    assert!(PHRASES.begin("w dniu 3.") && !PHRASES.begin("on"));
    assert!(PHRASES.begin("on monday") && !PHRASES.begin("it is on monday"));
    assert!(PHRASES.has("on call") && !PHRASES.has("on cal") && !PHRASES.has("on calls"));
    // Those that lie within each other or overlap count each, and once.
    assert_eq!(PHRASES.count_in(["on call", "on call"]), 4);
    assert_eq!(PHRASES.count_in(["on", "写道"]), 1);
}
