//! Asks for certificates: which hosts are due, and what becomes of each.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use postbell_model::retry::Jitter;
use postbell_model::{Clock, Domain, EventId, Secret, Timestamp};
use postbell_net::acme::{AcmeError, Asked, Authority, ChallengeKind, IssuedCertificate};
use postbell_net::{HostCertificates, LookupError};
use postbell_store::{
    HostCertificate, KeptCertificate, OrderClaim, OrderFailure, OrderFault, Store, StoreError,
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::fault::{NoCertificate, pause};
use super::metrics::CertificateMetrics;
use super::prover::OrderProver;
use super::shower::Shower;
use super::standing::Standing;
use super::terms::{AcmeTerms, Terms};

/// How often hosts are looked at when nothing rings.
const ROUND_EVERY: Duration = Duration::from_secs(30);
/// How soon where more hosts are due than a round has room for.
const NEXT_ROUND: Duration = Duration::from_secs(1);
/// Hosts of one round, which are asked for at the same time.
const ROUND: usize = 2;
/// Longer than an order may take, so that nobody takes over while one is under way.
const CLAIM_SLACK: Duration = Duration::from_mins(1);
/// An account is made within this time.
const REGISTER_LIMIT: Duration = Duration::from_mins(1);

/// Asks for the certificates of hosts.
#[derive(Debug)]
pub(crate) struct Asker {
    store: Arc<dyn Store>,
    shower: Shower,
    /// Which hosts have theirs in a file.
    own: Arc<HostCertificates>,
    /// The ways in which a host can be proved to be ours: there is a listener for each.
    usable: Vec<ChallengeKind>,
    terms: AcmeTerms,
    metrics: CertificateMetrics,
    clock: Arc<dyn Clock>,
    /// This process, among those on the same store.
    holder: String,
    /// Held while an account is looked for, so that two orders don't make one each.
    registering: Mutex<()>,
}

/// Until when all hosts wait.
pub(super) type Rest = Option<Timestamp>;

impl Asker {
    pub(crate) fn new(
        (store, shower, own): (&Arc<dyn Store>, Shower, Arc<HostCertificates>),
        usable: Vec<ChallengeKind>,
        terms: AcmeTerms,
        metrics: CertificateMetrics,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            shower,
            own,
            usable,
            terms,
            metrics,
            clock: Arc::clone(clock),
            holder: EventId::new(clock.now()).to_string(),
            registering: Mutex::default(),
        }
    }

    /// Asks for what is due until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut bells = (
            self.store.directory_changed(),
            self.terms.subscribe(),
            self.shower.changed(),
        );
        let mut rest = None;
        loop {
            mark_seen(&mut bells);
            let terms = Arc::clone(&self.terms.borrow());
            let pause = match self.round(&terms, &mut rest, &stop).await {
                Ok(pause) => pause,
                Err(StoreError::Stopped(_)) => return stop.cancelled().await,
                Err(error) => {
                    warn!(
                        error = &error as &dyn Error,
                        "certificates can't be looked after now"
                    );
                    ROUND_EVERY
                }
            };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                Ok(()) = bells.0.changed() => {}
                // Another configuration: what was wrong may be right now.
                Ok(()) = bells.1.changed() => rest = None,
                Ok(()) = bells.2.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks at all hosts, and asks for some of those that are due: when to look again.
    pub(super) async fn round(
        &self,
        terms: &Terms,
        rest: &mut Rest,
        stop: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let known = self.store.certificates().await?;
        let directory = self.store.directory();
        let noted = terms
            .hosts
            .note_retired(&*self.store, (&directory, &known), now);
        noted.await?;
        let mut hosts = terms.hosts.list(&directory, &known, now);
        hosts.retain(|host| !self.own.has_own(host.as_str()));
        let mut known: HashMap<_, _> = known.into_iter().map(|k| (k.host.clone(), k)).collect();
        self.forget(&hosts, &mut known, now).await?;
        let Some(authority) = &terms.authority else {
            self.metrics.stand(&[], &known, (&terms.options, now));
            return Ok(ROUND_EVERY);
        };
        self.metrics.stand(&hosts, &known, (&terms.options, now));
        if rest.is_some_and(|until| until > now) {
            return Ok(ROUND_EVERY);
        }
        let mut due = self.due(hosts, &known, (terms, now)).await;
        let pause = if due.len() > ROUND {
            NEXT_ROUND
        } else {
            ROUND_EVERY
        };
        due.truncate(ROUND);
        let orders = stream::iter(due).map(|host| {
            let known = known.get(&host);
            async move { self.ask(&host, known, (terms, authority), stop).await }
        });
        let rests: Vec<Rest> = orders.buffer_unordered(ROUND).collect().await;
        *rest = rests.into_iter().flatten().max();
        Ok(pause)
    }

    /// Those without a certificate first, of them those that have failed least.
    async fn due(
        &self,
        hosts: Vec<Domain>,
        known: &HashMap<Domain, HostCertificate>,
        (terms, now): (&Terms, Timestamp),
    ) -> Vec<Domain> {
        let mut due = Vec::new();
        for host in hosts {
            let known = known.get(&host);
            let waits = known.is_some_and(|known| known.retry_at.is_some_and(|at| at > now));
            let is_due = Standing::is_due(known, &terms.options, now)
                || (!waits && self.shower.is_unreadable(&host).await);
            if is_due {
                let failures = known.map_or(0, |known| known.failures);
                let ends = known.and_then(|known| known.certificate.as_ref());
                let ends = ends.map(|kept| kept.expires_at).filter(|at| *at > now);
                due.push((ends.is_some(), failures, ends, host));
            }
        }
        due.sort();
        due.into_iter().map(|(_, _, _, host)| host).collect()
    }

    /// Forgets hosts that are nobody's any more, once their certificate has ended.
    async fn forget(
        &self,
        hosts: &[Domain],
        known: &mut HashMap<Domain, HostCertificate>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_over = |known: &HostCertificate| {
            let kept = known.certificate.as_ref();
            kept.is_none_or(|kept| kept.expires_at <= now)
        };
        let gone = known.values().filter(|known| is_over(known));
        let gone = gone.map(|known| known.host.clone());
        let gone: Vec<_> = gone.filter(|host| !hosts.contains(host)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        known.retain(|host, _| !gone.contains(host));
        self.store.forget_certificates(&gone).await
    }

    /// Asks for the certificate of a host, unless somebody else does. Until when all hosts are to be left
    /// alone, where it was a fault of none.
    async fn ask(
        &self,
        host: &Domain,
        known: Option<&HostCertificate>,
        (terms, authority): (&Terms, &Authority),
        stop: &CancellationToken,
    ) -> Rest {
        let now = self.clock.now();
        let claim = OrderClaim {
            host: host.clone(),
            holder: self.holder.clone(),
            instead_of: known.and_then(|k| Some(k.certificate.as_ref()?.issued_at)),
            now,
            until: now.after(terms.options.order_timeout + REGISTER_LIMIT + CLAIM_SLACK),
        };
        match self.store.claim_order(claim.clone()).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                warn!(%host, error = &error as &dyn Error, "a certificate can't be asked for now");
                return None;
            }
        }
        let failures = known.map_or(0, |known| known.failures);
        let ordered = self.order(&claim, failures, (terms, authority));
        let Some(ordered) = stop.run_until_cancelled(ordered).await else {
            self.release(host).await;
            return None;
        };
        match ordered {
            Ok(Ordered::Issued) => None,
            Ok(Ordered::TooMany(at)) => {
                self.release(host).await;
                Some(at)
            }
            Err(why) => self.failed(host, failures, (&why, terms)).await,
        }
    }

    /// One order, with what has to be there before it.
    async fn order(
        &self,
        claim: &OrderClaim,
        failures: u32,
        (terms, authority): (&Terms, &Authority),
    ) -> Result<Ordered, NoCertificate> {
        let (host, options) = (&claim.host, &terms.options);
        let challenge = options.challenge_after(failures, &self.usable);
        let challenge = challenge.ok_or(NoCertificate::NoWay)?;
        self.find_address(host, terms).await?;
        let (kept, account) = self.account(authority, terms).await?;
        let hourly = options.max_orders_per_hour;
        let counted = self.store.count_order(host, hourly, self.clock.now());
        if let Some(at) = counted.await? {
            return Ok(Ordered::TooMany(at));
        }
        let around = (&self.store, &self.shower, &self.clock);
        let prover = OrderProver::new(around, host, claim.until);
        let asked = Asked {
            host,
            challenge,
            limit: options.order_timeout,
        };
        let issued = authority.order(&account, asked, &prover).await;
        prover.end().await;
        if issued.as_ref().is_err_and(AcmeError::lost_account) {
            self.forget_account(authority, &kept).await;
        }
        let issued = issued.map_err(NoCertificate::Acme)?;
        self.keep(claim, authority, &issued).await?;
        Ok(Ordered::Issued)
    }

    /// An authority that finds no address would count it as a failure of ours.
    async fn find_address(&self, host: &Domain, terms: &Terms) -> Result<(), NoCertificate> {
        match terms.resolver.addresses(host).await {
            Err(error @ (LookupError::NoSuchDomain | LookupError::NoData)) => {
                Err(NoCertificate::NoAddress(error))
            }
            Ok(_) | Err(LookupError::Temporary(_)) => Ok(()),
        }
    }

    /// The account at the authority, made when it is first asked for: sealed, and open.
    async fn account(
        &self,
        authority: &Authority,
        terms: &Terms,
    ) -> Result<(Vec<u8>, Secret), NoCertificate> {
        let directory = authority.directory();
        let _one = self.registering.lock().await;
        let kept = match self.store.certificate_account(directory).await? {
            Some(kept) => kept,
            None => self.register(authority, terms).await?,
        };
        let place = KeptCertificate::account_place(directory);
        match self.shower.sealing().open(&place, &kept) {
            Ok(account) => Ok((kept, account)),
            Err(error) => {
                self.forget_account(authority, &kept).await;
                let bad = AcmeError::BadAccount(error.to_string());
                Err(NoCertificate::Account(bad))
            }
        }
    }

    async fn register(
        &self,
        authority: &Authority,
        terms: &Terms,
    ) -> Result<Vec<u8>, NoCertificate> {
        let directory = authority.directory();
        let made = authority.register(&terms.options.contact, REGISTER_LIMIT);
        let made = made.await.map_err(NoCertificate::Account)?;
        let place = KeptCertificate::account_place(directory);
        let sealed = self.shower.sealing().seal(&place, &made)?;
        let now = self.clock.now();
        // Another process may have made one meanwhile; that one stays.
        let kept = self.store.keep_certificate_account(directory, sealed, now);
        let kept = kept.await?;
        info!(
            authority = directory,
            "there is an account at the certificate authority"
        );
        Ok(kept)
    }

    async fn keep(
        &self,
        claim: &OrderClaim,
        authority: &Authority,
        issued: &IssuedCertificate,
    ) -> Result<(), NoCertificate> {
        let (host, now) = (&claim.host, self.clock.now());
        // Later than the one before, also where the clock was set back since then.
        let before = claim
            .instead_of
            .map(|at| at.after(Duration::from_micros(1)));
        let place = KeptCertificate::place(host);
        let kept = KeptCertificate {
            authority: authority.directory().to_owned(),
            chain: issued.chain().to_owned(),
            sealed: self.shower.sealing().seal(&place, issued.key())?,
            issued_at: before.map_or(now, |before| before.max(now)),
            expires_at: issued.expires_at(),
        };
        self.store.keep_certificate(host, kept).await?;
        self.metrics.ordered("issued");
        if let Err(error) = self.shower.look().await {
            warn!(%host, error = &*error as &dyn Error, "a new certificate is shown with the next look");
        }
        Ok(())
    }

    /// Writes down why there is none, and when to ask again.
    async fn failed(
        &self,
        host: &Domain,
        failures: u32,
        (why, terms): (&NoCertificate, &Terms),
    ) -> Rest {
        self.metrics.ordered(why.reason());
        let now = self.clock.now();
        let failures = failures + u32::from(why.is_of_the_host());
        let pause = pause(why, failures, terms, jitter(now));
        let retry_at = now.after(pause);
        warn!(
            %host,
            reason = why.reason(),
            duration_ms = pause.as_millis(),
            error = why as &dyn Error,
            "there is no new certificate for a host; it is asked for again by itself"
        );
        let failure = OrderFailure {
            host: host.clone(),
            holder: self.holder.clone(),
            fault: OrderFault {
                text: why.to_string(),
                at: now,
            },
            failures,
            retry_at,
        };
        if let Err(error) = self.store.fail_order(failure).await {
            warn!(%host, error = &error as &dyn Error, "why there is none can't be written down");
        }
        why.is_of_all_hosts().then(|| now.after(pause))
    }

    /// Not one that somebody else has made meanwhile, in its place.
    async fn forget_account(&self, authority: &Authority, kept: &[u8]) {
        let directory = authority.directory();
        let forgotten = self.store.forget_certificate_account(directory, kept);
        if let Err(error) = forgotten.await {
            warn!(
                authority = directory,
                error = &error as &dyn Error,
                "an account that is of no use can't be forgotten"
            );
        }
    }

    async fn release(&self, host: &Domain) {
        if let Err(error) = self.store.release_order(host, &self.holder).await {
            warn!(%host, error = &error as &dyn Error, "nobody asks for a certificate for some minutes");
        }
    }
}

/// What an order came to that has not failed.
enum Ordered {
    Issued,
    /// So many were asked for within the hour; at that time there may be another one.
    TooMany(Timestamp),
}

/// The last 32 bits of a `UUIDv7` are random (RFC 9562 §5.7).
fn jitter(now: Timestamp) -> Jitter {
    let [.., a, b, c, d] = *EventId::new(now).as_bytes();
    Jitter::from_bits(u32::from_be_bytes([a, b, c, d]))
}

type Bells = (
    watch::Receiver<u64>,
    watch::Receiver<Arc<Terms>>,
    watch::Receiver<()>,
);

/// What has rung before a round is seen by it.
fn mark_seen((directory, terms, certificates): &mut Bells) {
    directory.mark_unchanged();
    terms.mark_unchanged();
    certificates.mark_unchanged();
}
