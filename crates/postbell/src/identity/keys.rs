//! The life of a domain's keys: made, in use once seen in the DNS, retired, forgotten.

use std::time::Duration;

use anyhow::Context;
use postbell_mail::dkim::key::NewKey;
use postbell_mail::dkim::record::{Published, published};
use postbell_model::{Domain, DomainKey, KeyAlgorithm, KeyState, Secret, Timestamp};
use postbell_net::{LookupError, Resolver};
use postbell_store::{DomainKeys, SealingKey};

/// Makes a key of each kind, to be used once their records are seen.
pub(crate) async fn make_keys(
    store: &dyn DomainKeys,
    sealing: &SealingKey,
    domain: &Domain,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut keys = Vec::new();
    for algorithm in KeyAlgorithm::ALL {
        keys.push(make_key(sealing, domain, algorithm, now)?);
    }
    store.add_domain_keys(keys).await?;
    Ok(())
}

fn make_key(
    sealing: &SealingKey,
    domain: &Domain,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> anyhow::Result<DomainKey> {
    let new = NewKey::generate(algorithm).context("a key can't be made")?;
    let mut key = DomainKey {
        domain: domain.clone(),
        selector: new.selector(&month(now)),
        algorithm,
        sealed: Vec::new(),
        public: new.public,
        state: KeyState::Pending,
        created_at: now,
        activated_at: None,
        retired_at: None,
    };
    key.sealed = seal(sealing, &key, &new.secret)?;
    Ok(key)
}

fn seal(sealing: &SealingKey, key: &DomainKey, secret: &Secret) -> anyhow::Result<Vec<u8>> {
    let sealed = sealing.seal(&key.record_name(), secret);
    sealed.context("a key can't be sealed")
}

/// `202611`, from `2026-11-22T…`.
fn month(now: Timestamp) -> String {
    now.to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(6)
        .collect()
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Its record is there: it signs from now on.
    InUse,
    /// Its record is gone, long after its last signature.
    Forgotten,
}

/// Takes keys into use whose records are there, and forgets those that retired `retire_after`
/// ago and whose records are gone. Says which.
pub(crate) async fn settle_keys(
    store: &dyn DomainKeys,
    resolver: &Resolver,
    keys: &[DomainKey],
    retire_after: Duration,
    now: Timestamp,
) -> anyhow::Result<Vec<(String, Settled)>> {
    let mut settled = Vec::new();
    for key in keys {
        match key.state {
            KeyState::Pending if is_published(resolver, key).await => {
                store
                    .activate_domain_key(&key.domain, &key.selector, now)
                    .await?;
                settled.push((key.selector.clone(), Settled::InUse));
            }
            KeyState::Retiring
                if is_over(key, retire_after, now) && is_gone(resolver, key).await =>
            {
                store.remove_domain_key(&key.domain, &key.selector).await?;
                settled.push((key.selector.clone(), Settled::Forgotten));
            }
            KeyState::Pending | KeyState::Active | KeyState::Retiring => {}
        }
    }
    Ok(settled)
}

/// Whether nothing is under way any more that this key has signed.
pub(super) fn is_over(key: &DomainKey, retire_after: Duration, now: Timestamp) -> bool {
    key.retired_at
        .is_some_and(|at| now.since(at) >= retire_after)
}

async fn is_published(resolver: &Resolver, key: &DomainKey) -> bool {
    let texts = record(resolver, key).await.unwrap_or_default();
    let mut read = texts
        .iter()
        .map(|text| published(text, key.algorithm, &key.public));
    read.any(|published| published == Published::Same)
}

async fn is_gone(resolver: &Resolver, key: &DomainKey) -> bool {
    let answer = record(resolver, key).await;
    matches!(answer, Err(LookupError::NoSuchDomain | LookupError::NoData))
}

async fn record(resolver: &Resolver, key: &DomainKey) -> Result<Vec<String>, LookupError> {
    let name = Domain::parse(&key.record_name()).map_err(|_| LookupError::NoSuchDomain)?;
    resolver.txt(&name).await
}
