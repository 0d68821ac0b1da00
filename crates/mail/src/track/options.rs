//! What a configuration set asks for.

/// How links are found, and what is added to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What is looked for.
    pub seek: Seek,
    /// Whether addresses in plain text are tracked.
    pub plain_text: PlainText,
    /// Names and values, not encoded, that are added to the query of each tracked address which
    /// does not have the name.
    pub additions: Vec<(String, String)>,
    /// Addresses that are not tracked.
    pub untracked: Vec<Pattern>,
}

/// What of a message is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seek {
    /// Links, the place of the pixel, and placeholders.
    #[default]
    Everything,
    /// Placeholders alone: no page is read.
    Placeholders,
}

/// Whether addresses in plain text are tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainText {
    /// A reader sees where each of them goes; that stays so.
    #[default]
    Leave,
    /// Each that begins with `http://` or `https://` is.
    Rewrite,
}

/// Addresses of a kind: `*` stands for anything, everything else for itself in any case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The addresses that look like this, from their first character to their last.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_ascii_lowercase())
    }

    /// Whether an address, which is in lower case, is one of them. Costs one look at the address for
    /// each piece between stars.
    pub(super) fn matches(&self, url: &str) -> bool {
        let Some((first, pieces)) = self.0.split_once('*') else {
            return self.0 == url;
        };
        let (between, last) = pieces.rsplit_once('*').unwrap_or(("", pieces));
        let rest = url.strip_prefix(first);
        let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last)) else {
            return false;
        };
        between.split('*').all(|piece| {
            let found = rest.split_once(piece).map(|(_, after)| after);
            rest = found.unwrap_or_default();
            found.is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let read = Pattern::new(pattern);
            for url in yes {
                assert!(read.matches(&url.to_ascii_lowercase()), "{pattern} {url}");
            }
            for url in no {
                assert!(!read.matches(&url.to_ascii_lowercase()), "{pattern} {url}");
            }
        };
        check(
            "https://a.example/",
            &["HTTPS://A.example/"],
            &["https://a.example/b", ""],
        );
        check(
            "https://a.example/*",
            &["https://a.example/", "https://a.example/b"],
            &["https://b.example/"],
        );
        check(
            "*/legal/*",
            &["https://a.example/legal/x", "/legal/"],
            &["https://a.example/legal"],
        );
        check("*a*b*c", &["abc", "xaxbxc"], &["acb", "abcd", "bac"]);
        check("ab*ba", &["abba", "abxba"], &["aba"]);
        check("*", &["", "anything"], &[]);
        check("**", &["", "anything"], &[]);
        check("", &[""], &["x"]);
    }
}
