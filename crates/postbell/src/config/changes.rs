//! What of a configuration that was read again a running server follows.

use super::resolve::{self, leaf, leaf_keys, path, replace};
use super::sections::SHARED;
use super::{Config, Loaded};

/// Keys, and sections that end with a dot, that a server follows only when it starts.
const FIXED: &[&str] = &[
    "server.",
    "submission.listen",
    "submission.listen_tls",
    "submission.login.",
    "submission.limits.max_connections",
    "inbound.listen",
    "inbound.limits.max_connections",
    "inbound.limits.max_networks",
    "inbound.limits.max_checks",
    "store.",
    "retention.",
    "suppression.",
    "dns.",
    "deliver.smtp_port",
    "deliver.max_body_octets",
    "dkim.",
    "secrets.",
    "http_client.",
    "http.",
    "tracking.listen",
    "tracking.listen_tls",
    "tracking.max_unrecorded",
    "tracking.limits.max_connections",
    "domains.",
    "overload.",
    "log.format",
    "log.addresses",
];

/// The files of the certificate may be others; whether there is one decides what a door offers.
const CERTIFICATE: [&str; 2] = ["tls.certificate", "tls.key"];

/// Keys that have another value than before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Those that are followed.
    pub(crate) followed: Vec<String>,
    /// Those that need a restart.
    pub(crate) fixed: Vec<String>,
}

impl Loaded {
    /// What is in force once a server that runs by `self` has followed `new`, and what that
    /// changes.
    pub(crate) fn followed_by(&self, new: Self) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut tree = new.tree.clone();
        for key in leaf_keys(&new.tree) {
            let old = leaf(&self.tree, &path(&key));
            if old == leaf(&new.tree, &path(&key)) {
                continue;
            }
            match old {
                Some(old) if is_fixed(&key) || self.differs_in_certificate(&new, &key) => {
                    replace(&mut tree, &path(&key), old.clone());
                    changes.fixed.push(key);
                }
                _ => changes.followed.push(key),
            }
        }
        let config = resolve::read::<Config>(&tree, SHARED);
        let config = config.expect("invariant: every value was read before, in one of two trees");
        let in_force = Self {
            config,
            tree,
            origins: new.origins,
        };
        (in_force, changes)
    }

    fn differs_in_certificate(&self, new: &Self, key: &str) -> bool {
        let has_one = |loaded: &Self| loaded.config.tls.files().is_some();
        CERTIFICATE.contains(&key) && has_one(self) != has_one(new)
    }
}

fn is_fixed(key: &str) -> bool {
    FIXED.iter().any(|fixed| match fixed.strip_suffix('.') {
        Some(_) => key.starts_with(fixed),
        None => key == *fixed,
    })
}

/// Entries of [`FIXED`] that mean no key.
#[cfg(test)]
fn unknown(defaults: &toml::Table) -> Vec<&'static str> {
    let keys = leaf_keys(defaults);
    let means = |fixed: &str| {
        keys.iter()
            .any(|key| key == fixed || fixed.ends_with('.') && key.starts_with(fixed))
    };
    FIXED
        .iter()
        .copied()
        .filter(|fixed| !means(fixed))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::{Sources, defaults, load};
    use super::*;

    fn loaded(text: &str) -> Loaded {
        let file = (PathBuf::from("postbell.toml"), text.to_owned());
        load(&Sources::of(Some(file), Vec::new())).unwrap()
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_was_and_is_told_each_time() {
        let old = loaded("[server]\nhostname = \"old.example\"\n");
        let text = "[server]\nhostname = \"new.example\"\n[deliver.retry]\nfirst = \"7m\"\n\
            [deliver]\nrate_per_site = \"1/s\"\n";
        let (in_force, changes) = old.followed_by(loaded(text));
        assert_eq!(changes.fixed, ["server.hostname"]);
        assert_eq!(
            changes.followed,
            ["deliver.rate_per_site", "deliver.retry.first"]
        );
        assert_eq!(in_force.config.server.hostname, "old.example");
        assert_eq!(in_force.config.deliver.hostname, "old.example");
        assert_eq!(
            in_force.config.deliver.retry.first,
            Duration::from_secs(420)
        );

        let (_, changes) = in_force.followed_by(loaded(text));
        assert_eq!(changes.fixed, ["server.hostname"]);
        assert!(changes.followed.is_empty());
    }

    #[test]
    fn a_certificate_is_followed_where_there_was_one() {
        let none = loaded("");
        let one = "[tls]\ncertificate = \"a.pem\"\nkey = \"a-key.pem\"\n";
        let (in_force, changes) = none.followed_by(loaded(one));
        assert_eq!(changes.fixed, CERTIFICATE);
        assert!(in_force.config.tls.files().is_none());
        let other = "[tls]\ncertificate = \"b.pem\"\nkey = \"b-key.pem\"\n";
        let (in_force, changes) = loaded(one).followed_by(loaded(other));
        assert_eq!(changes.followed, CERTIFICATE);
        assert!(in_force.config.tls.files().is_some());
    }

    #[test]
    fn every_entry_means_a_key() {
        assert_eq!(unknown(&defaults()), [""; 0]);
    }
}
