//! Names of domains or hosts as an operator writes them: one by one, or all below one.

use std::fmt;

use postbell_model::Domain;
use serde::{Deserialize, Deserializer, de};

/// `example.org`, or `*.example.org` for all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainPattern {
    domain: Domain,
    below: bool,
}

impl DomainPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is no name; says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let domain = Domain::parse(name).map_err(|error| format!("\"{text}\": {error}"))?;
        Ok(Self { domain, below })
    }

    /// Whether it means this name.
    pub fn matches(&self, name: &Domain) -> bool {
        if !self.below {
            return *name == self.domain;
        }
        let above = name.as_str().strip_suffix(self.domain.as_str());
        above.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.domain)
    }
}

impl<'de> Deserialize<'de> for DomainPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_means_all_below() {
        let matches = |pattern: &str, name: &str| {
            let pattern = DomainPattern::parse(pattern).unwrap();
            pattern.matches(&Domain::parse(name).unwrap())
        };
        assert!(matches("example.org", "Example.org"));
        assert!(!matches("example.org", "mx.example.org"));
        assert!(matches("*.example.org", "a.mx.example.org"));
        assert!(!matches("*.example.org", "example.org"));
        assert!(!matches("*.example.org", "badexample.org"));
        assert!(DomainPattern::parse("*.").is_err());
        assert!(DomainPattern::parse("mx*.example.org").is_err());
    }
}
