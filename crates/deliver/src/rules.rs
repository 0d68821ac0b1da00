//! What holds for some sites alone: how many connections, how many messages on each, how fast.

use std::fmt;
use std::time::Duration;

use postbell_model::Domain;
use serde::{Deserialize, Deserializer, de};

use crate::pattern::DomainPattern;

/// An entry of `[[deliver.site]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteOptions {
    /// The mail hosts that it is about: a site is meant where one of its hosts is.
    #[serde(rename = "match")]
    pub hosts: Vec<DomainPattern>,
    /// Open connections; absent: as for all sites.
    #[serde(default)]
    pub max_connections: Option<usize>,
    /// Messages on one connection; absent: as for all sites.
    #[serde(default)]
    pub max_messages_per_connection: Option<u32>,
    /// How fast it gets mail; absent: as for all sites.
    #[serde(default)]
    pub rate: Option<Rate>,
}

/// Messages in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many messages,
    pub messages: u32,
    /// in this time: a second, a minute or an hour.
    pub per: Duration,
}

const UNITS: [(&str, Duration); 3] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3_600)),
];

impl Rate {
    /// Reads `10/s`, `600/m` or `1000/h`.
    pub fn parse(text: &str) -> Option<Self> {
        let (messages, unit) = text.split_once('/')?;
        let messages = messages.trim().parse().ok().filter(|count| *count > 0)?;
        let (_, per) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        Some(Self {
            messages,
            per: *per,
        })
    }

    /// From one message to the next.
    pub(crate) fn interval(self) -> Duration {
        self.per / self.messages
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, per)| *per == self.per);
        write!(
            f,
            "{}/{}",
            self.messages,
            unit.map_or("?", |(name, _)| name)
        )
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || de::Error::custom("must be a rate such as \"10/s\", \"600/m\" or \"1000/h\"");
        Self::parse(&text).ok_or_else(wrong)
    }
}

/// What a site is given at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteLimits {
    /// Open connections.
    pub connections: usize,
    /// Messages on one connection.
    pub messages_per_connection: u32,
    /// How fast; `None`: as fast as it takes them.
    pub rate: Option<Rate>,
}

/// Which limits hold for which site.
#[derive(Debug, Clone)]
pub(crate) struct SiteRules {
    usual: SiteLimits,
    special: Vec<SiteOptions>,
}

impl SiteRules {
    pub(crate) const fn new(usual: SiteLimits, special: Vec<SiteOptions>) -> Self {
        Self { usual, special }
    }

    /// The limits of a site of these hosts: the first entry that means one of them decides.
    pub(crate) fn of<'a>(&self, hosts: impl IntoIterator<Item = &'a Domain>) -> SiteLimits {
        let hosts: Vec<_> = hosts.into_iter().collect();
        let means = |entry: &&SiteOptions| {
            let named = |host: &&Domain| entry.hosts.iter().any(|p| p.matches(host));
            hosts.iter().any(named)
        };
        let Some(entry) = self.special.iter().find(means) else {
            return self.usual;
        };
        let (connections, messages) = (entry.max_connections, entry.max_messages_per_connection);
        SiteLimits {
            connections: connections.unwrap_or(self.usual.connections).max(1),
            messages_per_connection: messages.unwrap_or(self.usual.messages_per_connection),
            rate: entry.rate.or(self.usual.rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let rate = Rate::parse("600/m").unwrap();
        assert_eq!(rate.interval(), Duration::from_millis(100));
        assert_eq!(rate.to_string(), "600/m");
        for wrong in ["", "10", "0/s", "10/d", "-1/s", "a/s"] {
            assert_eq!(Rate::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_entry_that_means_a_host_decides() {
        let usual = SiteLimits {
            connections: 20,
            messages_per_connection: 100,
            rate: Rate::parse("9/s"),
        };
        let entry = |pattern: &str, connections, rate: &str| SiteOptions {
            hosts: vec![DomainPattern::parse(pattern).unwrap()],
            max_connections: connections,
            max_messages_per_connection: None,
            rate: Rate::parse(rate),
        };
        let rules = SiteRules::new(
            usual,
            vec![
                entry("*.google.com", Some(5), ""),
                entry("alt.google.com", Some(1), "1/m"),
                entry("mx.slow.example", None, "1/m"),
            ],
        );
        let of = |hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(|h| Domain::parse(h).unwrap()).collect();
            rules.of(&hosts)
        };
        assert_eq!(of(&["mx.other.example"]), usual);
        let google = of(&["mx.other.example", "alt.google.com"]);
        assert_eq!((google.connections, google.rate), (5, usual.rate));
        let slow = of(&["mx.slow.example"]);
        assert_eq!((slow.connections, slow.rate), (20, Rate::parse("1/m")));
    }
}
