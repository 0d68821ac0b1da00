//! How outgoing mail is signed, how domains are looked after, and where the key is that its keys are sealed with.

use std::path::PathBuf;
use std::time::Duration;

use postbell_deliver::SigningOptions;
use postbell_model::Domain;
use serde::Deserialize;

/// The `[dkim]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimSection {
    /// The domain that signs all mail beside the sender's.
    pub operator_domain: Option<String>,
    /// Threads that sign.
    pub threads: Option<usize>,
    /// How often the DNS is asked for the records of keys that are not in use yet.
    pub check_every: Duration,
    /// How long the record of a key stays after the last signature.
    pub retire_after: Duration,
}

impl DkimSection {
    pub(crate) fn signing_options(&self) -> SigningOptions {
        let operator = self.operator_domain.as_deref();
        SigningOptions {
            operator_domain: operator.and_then(|name| Domain::parse(name).ok()),
            threads: self.threads,
        }
    }
}

/// The `[domains]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainsSection {
    /// How often the records of each domain are looked up.
    pub check_every: Duration,
    /// How often there is a look at which domains are due.
    pub round_every: Duration,
}

/// The `[secrets]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSection {
    /// `file:PATH` or `env:NAME`.
    pub key: Option<String>,
}

/// Where the sealing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// In a file that somebody made.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
    /// In a file of the data folder, made where there is none.
    DataFolder,
}

impl SecretsSection {
    /// `None`: it is written in another way.
    pub(crate) fn place(&self) -> Option<KeyPlace> {
        let Some(key) = &self.key else {
            return Some(KeyPlace::DataFolder);
        };
        match key.split_once(':')? {
            ("file", path) if !path.is_empty() => Some(KeyPlace::File(path.into())),
            ("env", name) if !name.is_empty() => Some(KeyPlace::Variable(name.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_a_file_or_in_the_environment() {
        let place = |key: &str| {
            let key = Some(key.to_owned());
            SecretsSection { key }.place()
        };
        assert_eq!(place("file:/k"), Some(KeyPlace::File("/k".into())));
        assert_eq!(place("env:K"), Some(KeyPlace::Variable("K".to_owned())));
        assert_eq!(
            SecretsSection { key: None }.place(),
            Some(KeyPlace::DataFolder)
        );
        for key in ["", "file:", "env:", "/etc/key", "vault:x"] {
            assert_eq!(place(key), None, "{key}");
        }
    }
}
