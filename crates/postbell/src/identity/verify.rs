//! The server's look at whole domains: whether the DNS has, and still has, what their mail needs.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream;
use postbell_model::{Clock, Domain, SendingDomain, Timestamp, WorkspaceId};
use postbell_net::{DnsMetrics, DnsOptions, Resolver};
use postbell_store::{Directory, DomainCheck, DomainFound, DomainTurn, Store, Verification};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::check::{check, verdict};
use super::records::{Identity, records};
use crate::config::{Config, DomainsSection};

/// Domains looked at in one round, those that have waited longest first.
const ROUND: usize = 200;
/// Domains looked at at a time: who does not answer holds up few others.
const AT_A_TIME: usize = 16;
/// What the records of one domain may take to look up.
const DOMAIN_LIMIT: Duration = Duration::from_secs(30);
/// A domain that is not verified is looked at again after this part of its age: often while its
/// owner is at it, seldom once nobody cares.
const AGE_PART: u32 = 8;

/// Looks now and then.
#[derive(Debug)]
pub(crate) struct Verifier {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    dns: (DnsOptions, DnsMetrics),
    host: String,
    retire_after: Duration,
    options: DomainsSection,
}

impl Verifier {
    pub(crate) fn new(
        config: &Config,
        store: Arc<dyn Store>,
        metrics: DnsMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            clock,
            dns: (config.dns.clone(), metrics),
            host: config.server.hostname.clone(),
            retire_after: config.dkim.retire_after,
            options: config.domains.clone(),
        }
    }

    /// Looks until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let looking = stop.run_until_cancelled(self.look()).await;
            if let Some(Err(error)) = looking {
                warn!(
                    error = &*error as &dyn std::error::Error,
                    "the records of domains can't be looked after now"
                );
            }
            tokio::select! {
                () = self.clock.sleep(self.options.round_every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One round.
    async fn look(&self) -> anyhow::Result<()> {
        let known = self.store.verifications().await?;
        let directory = self.store.directory();
        let due = self.due(&directory, &known);
        if due.is_empty() {
            return Ok(());
        }
        // A new one remembers no answer of the last round.
        let (options, metrics) = &self.dns;
        let resolver = Resolver::new(options).context("there is no DNS resolver")?;
        let resolver = resolver.with_metrics(metrics.clone());
        let checks = due.into_iter();
        let checks: Vec<_> = checks
            .map(|domain| self.check(&resolver, &directory, domain))
            .collect();
        let mut checks = stream::iter(checks).buffer_unordered(AT_A_TIME);
        while let Some(check) = checks.next().await {
            let turns = self.store.record_domain_checks(vec![check]).await?;
            turns.iter().for_each(tell);
        }
        Ok(())
    }

    async fn check(
        &self,
        resolver: &Resolver,
        directory: &Directory,
        domain: &SendingDomain,
    ) -> DomainCheck {
        let found = self.look_up(resolver, directory, domain);
        // Who does not answer in time holds up the other domains no longer.
        let found = tokio::time::timeout(DOMAIN_LIMIT, found).await;
        DomainCheck {
            domain: domain.name.clone(),
            at: self.clock.now(),
            found: found.unwrap_or(DomainFound::Unanswered),
        }
    }

    async fn look_up(
        &self,
        resolver: &Resolver,
        directory: &Directory,
        domain: &SendingDomain,
    ) -> DomainFound {
        let records = records(&Identity {
            domain,
            keys: directory.domain_keys(&domain.name),
            set: directory.configuration_set(domain.configuration_set),
            host: &self.host,
            retire_after: self.retire_after,
            now: self.clock.now(),
        });
        verdict(&check(resolver, &records, &self.host).await)
    }

    /// The domains whose time has come: one of each workspace in turn, those first that have waited
    /// longest.
    fn due<'d>(
        &self,
        directory: &'d Directory,
        known: &HashMap<Domain, Verification>,
    ) -> Vec<&'d SendingDomain> {
        let now = self.clock.now();
        let workspaces = directory.workspaces();
        let domains = workspaces
            .iter()
            .flat_map(|workspace| directory.domains_of(workspace.id));
        let mut due: Vec<_> = domains
            .map(|domain| (self.options.due_at(domain, known.get(&domain.name)), domain))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_by_key(|(at, _)| *at);
        let mut due = due.into_iter().map(|(_, domain)| domain).collect();
        take_turns(&mut due);
        due.truncate(ROUND);
        due
    }
}

impl DomainsSection {
    /// When a domain is to be looked at: at once where it never was.
    fn due_at(&self, domain: &SendingDomain, known: Option<&Verification>) -> Timestamp {
        let Some(known) = known else {
            return domain.created_at;
        };
        let interval = match known.verified_at {
            Some(_) => self.check_every,
            None => {
                let age = known.checked_at.since(domain.created_at);
                (age / AGE_PART).clamp(self.round_every.min(self.check_every), self.check_every)
            }
        };
        known.checked_at.after(spread(interval, domain, known))
    }
}

/// Those of a workspace that has many do not come before the first of any other.
fn take_turns(domains: &mut Vec<&SendingDomain>) {
    let mut seen: HashMap<WorkspaceId, usize> = HashMap::new();
    domains.sort_by_cached_key(|domain| {
        let turn = seen.entry(domain.workspace).or_default();
        *turn += 1;
        *turn
    });
}

/// Up to a quarter less, by chance that is the same whenever it is asked, so that domains which
/// were added together are not looked at together for ever.
fn spread(interval: Duration, domain: &SendingDomain, known: &Verification) -> Duration {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let chance = hasher.hash_one((domain.name.as_str(), known.checked_at.as_micros()));
    let quarters = u32::try_from(chance % 256).unwrap_or_default();
    interval - interval / 4 * quarters / 256
}

/// A line in the log for what has turned.
fn tell(turn: &DomainTurn) {
    if turn.verified {
        info!(domain = %turn.domain, "the DNS has all records that the domain's mail needs");
        return;
    }
    warn!(
        domain = %turn.domain,
        missing = turn.missing.join(", "),
        "records that the domain's mail needs are gone from the DNS; `postbell domain check` says \
         what to change"
    );
}

#[cfg(test)]
mod tests {
    use postbell_model::{ConfigurationSetId, WorkspaceId};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const ROUND_EVERY: Duration = Duration::from_mins(1);

    fn waits(verified: bool, age: Duration) -> Duration {
        let created = Timestamp::from_micros(0);
        let name = Domain::parse("acme.example").unwrap();
        let domain = SendingDomain::new(name, WorkspaceId(1), ConfigurationSetId(1), created);
        let options = DomainsSection {
            check_every: HOUR,
            round_every: ROUND_EVERY,
        };
        let checked_at = created.after(age);
        let known = Verification {
            checked_at,
            verified_at: verified.then_some(created),
            missing: Vec::new(),
        };
        assert_eq!(options.due_at(&domain, None), created);
        options.due_at(&domain, Some(&known)).since(checked_at)
    }

    #[test]
    fn a_verified_domain_is_looked_at_about_every_hour() {
        let mut all: Vec<_> = (0..50).map(|age| waits(true, HOUR * age)).collect();
        all.sort_unstable();
        assert!(all[0] > HOUR / 4 * 3 && all[49] <= HOUR, "{all:?}");
        assert!(all[0] < all[49], "no chance in it: {all:?}");
    }

    #[test]
    fn workspaces_take_turns() {
        let of = |workspace: u32, name: &str| {
            let name = Domain::parse(name).unwrap();
            let (workspace, set) = (WorkspaceId(workspace), ConfigurationSetId(1));
            SendingDomain::new(name, workspace, set, Timestamp::from_micros(0))
        };
        let all = [of(1, "a.example"), of(1, "b.example"), of(1, "c.example")];
        let other = of(2, "z.example");
        let mut due: Vec<_> = all.iter().chain([&other]).collect();
        take_turns(&mut due);
        let names: Vec<_> = due.iter().map(|domain| domain.name.as_str()).collect();
        assert_eq!(names, ["a.example", "z.example", "b.example", "c.example"]);
    }

    #[test]
    fn the_owner_of_a_new_domain_does_not_wait_long() {
        assert!(waits(false, Duration::ZERO) <= ROUND_EVERY);
        assert!(waits(false, HOUR) <= HOUR / 8);
        assert!(waits(false, HOUR * 1_000) > HOUR / 2);
    }
}
