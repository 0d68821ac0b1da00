//! What is set up: what the DNS said last of each domain, and how far each destination is.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Destination, DestinationState, Domain, Timestamp};
use postbell_store::{
    Backlog, Certificates, Directory, Domains, HostCertificate, SqliteTenants, StoreError, Tenants,
    Verification, Webhooks,
};

use super::check::Check;
use crate::console::age;

const DATABASE: &str = "postbell.db";
/// Lines about domains, or destinations, that are not as they should be; more are counted.
const LINES_MAX: usize = 20;
/// A look at the DNS that is older than this says little.
const STALE: Duration = Duration::from_hours(24);
/// Events that a destination is behind before it is told.
const FAR_BEHIND: u64 = 10_000;

/// The tenants, where the database can be read.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) directory: Option<Arc<Directory>>,
    /// Why it can't.
    pub(super) trouble: Option<String>,
    verifications: HashMap<Domain, Verification>,
    backlogs: Vec<(Destination, Backlog)>,
    pub(super) certificates: Vec<HostCertificate>,
}

impl Setup {
    /// Nothing is known, and why.
    pub(super) fn unread(why: impl Into<String>) -> Self {
        Self {
            trouble: Some(why.into()),
            ..Self::default()
        }
    }

    /// Reads what is there; a database that is not there is not made.
    pub(super) async fn read(folder: &Path) -> Self {
        if !folder.join(DATABASE).exists() {
            return Self::default();
        }
        let tenants = match SqliteTenants::open(folder).await {
            Ok(tenants) => tenants,
            Err(error) => {
                return Self::unread(error.to_string());
            }
        };
        let setup = Self::of(&tenants).await;
        tenants.close().await;
        setup.unwrap_or_else(|error| Self::unread(error.to_string()))
    }

    async fn of(tenants: &SqliteTenants) -> Result<Self, StoreError> {
        let directory = tenants.directory();
        let mut backlogs = Vec::new();
        for destination in directory.destinations() {
            let backlog = tenants.backlog(destination.id).await?;
            backlogs.push((destination.clone(), backlog));
        }
        Ok(Self {
            verifications: tenants.verifications().await?,
            directory: Some(directory),
            trouble: None,
            backlogs,
            certificates: tenants.certificates().await?,
        })
    }

    /// One line for those that are well, and one for each that is not.
    pub(super) fn domains(&self, now: Timestamp) -> Vec<Check> {
        let Some(directory) = &self.directory else {
            return Vec::new();
        };
        let mut domains: Vec<_> = directory
            .workspaces()
            .iter()
            .flat_map(|workspace| directory.domains_of(workspace.id))
            .map(|domain| &domain.name)
            .collect();
        domains.sort();
        let known = domains
            .iter()
            .filter_map(|name| domain_check(name, self.verifications.get(*name), now));
        told("domains", known.collect(), domains.len(), "verified")
    }

    /// The same for destinations.
    pub(super) fn destinations(&self) -> Vec<Check> {
        let troubled = self.backlogs.iter();
        let troubled =
            troubled.filter_map(|(destination, backlog)| destination_check(destination, backlog));
        told(
            "destinations",
            troubled.collect(),
            self.backlogs.len(),
            "well",
        )
    }
}

/// What is wrong with a domain.
fn domain_check(name: &Domain, known: Option<&Verification>, now: Timestamp) -> Option<Check> {
    let advice = format!("`postbell domain check {name}` says what to change");
    let Some(known) = known else {
        let found = format!("the records of {name} were never looked up");
        return Some(Check::warning("domains", found, advice));
    };
    if known.verified_at.is_none() && known.missing.is_empty() {
        let found = format!("the DNS gave no answer about {name} yet");
        return Some(Check::warning("domains", found, advice));
    }
    if known.verified_at.is_none() {
        let missing = known.missing.join(", ");
        let found = format!("{name} lacks records: {missing}");
        return Some(Check::fault("domains", found, advice));
    }
    if now.since(known.checked_at) > STALE {
        let found = format!(
            "the records of {name} were looked up {} ago",
            age(known.checked_at, now)
        );
        return Some(Check::warning("domains", found, advice));
    }
    None
}

/// What is wrong with a destination.
fn destination_check(destination: &Destination, backlog: &Backlog) -> Option<Check> {
    let name = &destination.name;
    if destination.state == DestinationState::Disabled {
        let found = format!("{name} is disabled");
        let advice = format!("`postbell destination update {name} --state active` once it answers");
        return Some(Check::warning("destinations", found, advice));
    }
    let behind = backlog.newest.0.saturating_sub(backlog.cursor.0);
    let advice = format!("`postbell destination log {name} --failed` says why");
    if behind > FAR_BEHIND {
        let found = format!("{name} is {behind} events behind");
        return Some(Check::warning("destinations", found, advice));
    }
    if backlog.dead > 0 {
        let found = format!("{} events for {name} were given up", backlog.dead);
        return Some(Check::warning("destinations", found, advice));
    }
    None
}

pub(super) fn told(
    name: &'static str,
    mut troubled: Vec<Check>,
    all: usize,
    well: &str,
) -> Vec<Check> {
    let count = troubled.len();
    troubled.truncate(LINES_MAX);
    if count > LINES_MAX {
        let found = format!("{} more are not as they should be", count - LINES_MAX);
        troubled.push(Check::warning(name, found, "look at those above first"));
    }
    let mut checks = vec![Check::ok(
        name,
        format!("{} of {all} are {well}", all - count),
    )];
    checks.append(&mut troubled);
    checks
}

#[cfg(test)]
mod tests {
    use super::super::check::Mark;
    use super::*;

    fn marked(known: Option<&Verification>) -> Option<Mark> {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let name = Domain::parse("acme.example").unwrap();
        domain_check(&name, known, now).map(|check| check.mark)
    }

    #[test]
    fn a_domain_is_well_while_its_records_were_seen_lately() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let seen = Verification {
            checked_at: now,
            verified_at: Some(now),
            missing: Vec::new(),
        };
        assert_eq!(marked(Some(&seen)), None);
        assert_eq!(marked(None), Some(Mark::Warning));
        let stale = Verification {
            checked_at: now.before(STALE * 2),
            ..seen.clone()
        };
        assert_eq!(marked(Some(&stale)), Some(Mark::Warning));
        let lost = Verification {
            verified_at: None,
            missing: vec!["MX bounce.acme.example".to_owned()],
            ..seen
        };
        assert_eq!(marked(Some(&lost)), Some(Mark::Fault));
    }

    #[test]
    fn many_troubles_are_counted() {
        let trouble = Check::warning("domains", "x", "y");
        let lines = told("domains", vec![trouble; 30], 100, "verified");
        assert_eq!(lines.len(), LINES_MAX + 2);
        assert_eq!(lines[0].found, "70 of 100 are verified");
        assert!(lines[LINES_MAX + 1].found.starts_with("10 more"));
    }
}
