//! What is tracked of mail, and what is added to it: of a domain, of a configuration set, of a message.

use std::ops::Range;

use crate::{ConfigurationSet, Domain, Instructions, SendingDomain, WorkspaceId, web};

/// What a domain tracks where nobody says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DomainTracking {
    /// Whether a pixel is added to HTML.
    pub opens: bool,
    /// Whether links go by way of the tracking host.
    pub clicks: bool,
}

/// What a configuration set says of tracking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetTracking {
    /// Whether opens are tracked; `None`: as the domain says.
    pub opens: Option<bool>,
    /// Whether clicks are tracked; `None`: as the domain says.
    pub clicks: Option<bool>,
    /// Whether links in plain text are tracked as well.
    pub plain_text: bool,
    /// Names and values, not encoded, that are added to the query of each tracked link which does
    /// not have the name.
    pub additions: Vec<(String, String)>,
    /// Links that are not tracked; `*` stands for anything.
    pub untracked: Vec<String>,
    /// Whether List-Unsubscribe is added (RFC 2369 §3.2, RFC 8058).
    pub unsubscribe: bool,
}

/// What is done to one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tracking {
    /// Whether a pixel is added.
    pub opens: bool,
    /// Whether links are rewritten.
    pub clicks: bool,
    /// Whether List-Unsubscribe is added.
    pub unsubscribe: bool,
}

impl Tracking {
    /// What is done to a message: as it asks, else as its set says, else as its domain does. Without
    /// a domain of ours there is no host that answers, and nothing is done.
    pub fn of(
        asked: &Instructions,
        set: Option<&ConfigurationSet>,
        domain: Option<&SendingDomain>,
    ) -> Self {
        let Some(domain) = domain else {
            return Self::default();
        };
        let set = set.map(|set| &set.tracking);
        let opens = asked.track_opens.or(set.and_then(|set| set.opens));
        let clicks = asked.track_clicks.or(set.and_then(|set| set.clicks));
        let unsubscribe = asked.unsubscribe.or(set.map(|set| set.unsubscribe));
        Self {
            opens: opens.unwrap_or(domain.tracking.opens),
            clicks: clicks.unwrap_or(domain.tracking.clicks),
            unsubscribe: unsubscribe.unwrap_or(false),
        }
    }
}

/// How a domain looks to those who unsubscribe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brand {
    /// What it is called; `None`: by its domain.
    pub name: Option<String>,
    /// The colour of its button.
    pub colour: Option<Colour>,
}

/// A colour: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// Reads `#1a7f37`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self(part(0)?, part(2)?, part(4)?))
    }
}

/// `#1a7f37`
impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(red, green, blue) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// What an operator has blocked: links of mail that was sent lead nowhere then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkBlock {
    /// Links to exactly this address, however its host is written.
    Url(String),
    /// Links to this host and those below it, and all links in mail of this sending domain.
    Domain(Domain),
    /// All links in mail of a workspace.
    Workspace(WorkspaceId),
}

impl LinkBlock {
    /// The block in the one way in which all that block the same are written.
    #[must_use]
    pub fn normal(&self) -> Self {
        match self {
            Self::Url(url) => Self::Url(web::normal(url)),
            Self::Domain(_) | Self::Workspace(_) => self.clone(),
        }
    }
}

/// The host of an address that is http or https, as it is written; `None` where there is none. Which host a browser
/// asks is for [`crate::web::hosts`] to say.
pub(crate) fn web_host(url: &str) -> Option<&str> {
    url.get(web_host_range(url)?)
}

/// Where it stands. Browsers read a backslash as a slash.
pub fn web_host_range(url: &str) -> Option<Range<usize>> {
    let (scheme, rest) = url.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !is_web {
        return None;
    }
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    let host = &authority[user..];
    let (skipped, length) = match host.strip_prefix('[') {
        Some(literal) => (1, literal.find(']')?),
        None => (0, host.find(':').unwrap_or(host.len())),
    };
    let start = scheme.len() + 3 + user + skipped;
    (length > 0).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_written() {
        let green = Colour::parse("#1A7f37").unwrap();
        assert_eq!(green.to_string(), "#1a7f37");
        for bad in ["", "1a7f37", "#1a7f3", "#1a7f3g", "#+a7f37", "red"] {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_are_found() {
        for (url, host) in [
            ("https://a.example", "a.example"),
            ("https://u:p@a.example:1/@b", "a.example"),
            ("https://a.example\\@b.example/", "a.example"),
            ("http://[2001:db8::1]:80/", "2001:db8::1"),
            ("http://a.example?x@b", "a.example"),
        ] {
            assert_eq!(web_host(url), Some(host));
        }
    }
}
