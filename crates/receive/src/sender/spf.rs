//! SPF: whether the client may send for the domain of the envelope (RFC 7208).
//!
//! Looked at is the reverse-path, and HELO where that is empty.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;

use postbell_mail::authentication::spf::{
    DomainSpec, Expansion, Mechanism, Qualifier, Record, is_spf,
};
use postbell_model::Domain;
use postbell_model::authentication::{SpfIdentity, SpfResult, Verdict};

use super::Origin;
use super::questions::{NoAnswer, Questions};

// RFC 7208 §4.6.4: terms that ask the DNS, of all records together.
const TERMS_MAX: u32 = 10;
// RFC 7208 §4.6.4: terms to which the DNS has nothing to say.
const VOIDS_MAX: u32 = 2;
// RFC 7208 §4.6.4: mail hosts of a term, and names of the client.
const HOSTS_MAX: usize = 10;
// RFC 1035 §2.3.4
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;
const POSTMASTER: &str = "postmaster";

pub(super) async fn verify(questions: &Questions<'_>, from: &Origin) -> SpfResult {
    sender(from).verify(questions).await
}

/// What is said where there was no time to look.
pub(super) fn undecided(from: &Origin) -> SpfResult {
    sender(from).undecided()
}

fn sender(from: &Origin) -> Sender<'_> {
    let mail_from = from
        .mail_from
        .mailbox()
        .map_or("", |mailbox| mailbox.as_str());
    Sender::of(from.ip, &from.helo, mail_from)
}

/// Who says to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    ip: IpAddr,
    helo: &'a str,
    identity: SpfIdentity,
    local_part: &'a str,
    domain: &'a str,
}

impl<'a> Sender<'a> {
    pub(super) fn of(ip: IpAddr, helo: &'a str, mail_from: &'a str) -> Self {
        // RFC 7208 §2.4: an empty reverse-path stands for postmaster of the client.
        let (identity, (local_part, domain)) = match mail_from {
            "" => (SpfIdentity::Helo, ("", helo)),
            some => (
                SpfIdentity::MailFrom,
                some.rsplit_once('@').unwrap_or(("", some)),
            ),
        };
        Self {
            // RFC 7208 §5: an IPv4 address in the clothes of IPv6 is one of IPv4.
            ip: ip.to_canonical(),
            helo,
            identity,
            // RFC 7208 §4.3: without a local part it is that of the postmaster.
            local_part: match local_part {
                "" => POSTMASTER,
                some => some,
            },
            domain,
        }
    }

    pub(super) async fn verify(&self, questions: &Questions<'_>) -> SpfResult {
        let mut check = Check {
            questions,
            sender: self,
            terms: 0,
            voids: 0,
            client_names: None,
        };
        let verdict = check.host(self.domain).await;
        self.result(verdict)
    }

    pub(super) fn undecided(&self) -> SpfResult {
        self.result(Verdict::TempError)
    }

    fn result(&self, verdict: Verdict) -> SpfResult {
        SpfResult {
            verdict,
            identity: self.identity,
            domain: Domain::parse(self.domain).ok(),
        }
    }
}

/// One evaluation, over all records that it leads to.
struct Check<'a> {
    questions: &'a Questions<'a>,
    sender: &'a Sender<'a>,
    terms: u32,
    voids: u32,
    /// The names of the client that lead back to it, once somebody wanted to know.
    client_names: Option<Vec<String>>,
}

impl Check<'_> {
    /// RFC 7208 §4: `check_host()`. An error is where the whole evaluation ends.
    fn host<'b>(
        &'b mut self,
        domain: &'b str,
    ) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'b>> {
        Box::pin(async move {
            match self.records(domain).await {
                Ok(verdict) | Err(verdict) => verdict,
            }
        })
    }

    /// The record of a domain, and those to which it redirects.
    async fn records(&mut self, domain: &str) -> Result<Verdict, Verdict> {
        let mut domain = domain.to_owned();
        let mut record = self.record(&domain).await?;
        loop {
            for term in &record.terms {
                if self.matches(&term.mechanism, &domain).await? {
                    return Ok(verdict(term.qualifier));
                }
            }
            // RFC 7208 §4.7: what nothing is said of is neutral.
            let Some(redirect) = &record.redirect else {
                return Ok(Verdict::Neutral);
            };
            self.count_term()?;
            domain = self.expand(redirect, &domain).await;
            record = match self.record(&domain).await {
                // RFC 7208 §6.1: it was said that there is a record.
                Err(Verdict::None) => return Err(Verdict::PermError),
                other => other?,
            };
        }
    }

    // RFC 7208 §4.3 to §4.6
    async fn record(&self, domain: &str) -> Result<Record, Verdict> {
        if !can_be_asked(domain) {
            return Err(Verdict::None);
        }
        let texts = match self.questions.texts(domain).await {
            Ok(texts) => texts,
            Err(NoAnswer::Nothing) => return Err(Verdict::None),
            Err(NoAnswer::Unknown) => return Err(Verdict::TempError),
        };
        let mut records = texts.iter().filter(|text| is_spf(text));
        let record = records.next().ok_or(Verdict::None)?;
        // RFC 7208 §4.5: more than one is an error.
        if records.next().is_some() {
            return Err(Verdict::PermError);
        }
        Record::read(record).map_err(|_| Verdict::PermError)
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Verdict> {
        let ip = self.sender.ip;
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(is_within(ip, IpAddr::V4(*network), *bits, 0)),
            Mechanism::Ip6(network, bits) => Ok(is_within(ip, IpAddr::V6(*network), 0, *bits)),
            Mechanism::Include(spec) => self.includes(spec, domain).await,
            Mechanism::A(spec, prefixes) => {
                let name = self.target(spec.as_ref(), domain).await?;
                let addresses = self.addresses(&name, ip).await;
                let addresses = self.found(addresses)?;
                let mut addresses = addresses.into_iter();
                Ok(addresses.any(|one| is_within(ip, one, prefixes.v4, prefixes.v6)))
            }
            Mechanism::Mx(spec, prefixes) => {
                let name = self.target(spec.as_ref(), domain).await?;
                for host in self.mail_hosts(&name).await? {
                    let addresses = self.addresses(&host, ip).await;
                    let addresses = or_none(addresses)?;
                    let mut addresses = addresses.into_iter();
                    if addresses.any(|one| is_within(ip, one, prefixes.v4, prefixes.v6)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Exists(spec) => {
                let name = self.target(Some(spec), domain).await?;
                // RFC 7208 §5.7: always A, however the client came.
                let addresses = self.addresses(&name, Ipv4Addr::UNSPECIFIED.into()).await;
                self.found(addresses).map(|addresses| !addresses.is_empty())
            }
            Mechanism::Ptr(spec) => {
                let name = self.target(spec.as_ref(), domain).await?;
                let mut names = self.client_names().await.iter();
                Ok(names.any(|client| is_or_below(client, &name)))
            }
        }
    }

    // RFC 7208 §5.2
    async fn includes(&mut self, spec: &DomainSpec, domain: &str) -> Result<bool, Verdict> {
        let name = self.target(Some(spec), domain).await?;
        match self.host(&name).await {
            Verdict::Pass => Ok(true),
            Verdict::Fail | Verdict::SoftFail | Verdict::Neutral => Ok(false),
            Verdict::TempError => Err(Verdict::TempError),
            Verdict::None | Verdict::PermError | Verdict::Policy => Err(Verdict::PermError),
        }
    }

    /// The name that a mechanism is about; counts the mechanism.
    async fn target(&mut self, spec: Option<&DomainSpec>, domain: &str) -> Result<String, Verdict> {
        self.count_term()?;
        match spec {
            None => Ok(domain.to_owned()),
            Some(spec) => Ok(self.expand(spec, domain).await),
        }
    }

    async fn expand(&mut self, spec: &DomainSpec, domain: &str) -> String {
        let mut client_name = "unknown".to_owned();
        if spec.needs_client_name() {
            let names = self.client_names().await;
            // RFC 7208 §7.3: that of the domain rather than one below it, and that rather than
            // any other.
            let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
            let below = || names.iter().find(|name| is_or_below(name, domain));
            if let Some(name) = same.or_else(below).or(names.first()) {
                client_name.clone_from(name);
            }
        }
        spec.expand(&Expansion {
            ip: self.sender.ip,
            local_part: self.sender.local_part,
            sender_domain: self.sender.domain,
            domain,
            helo: self.sender.helo,
            client_name: &client_name,
        })
    }

    // RFC 7208 §5.5: what can't be looked up is passed over.
    async fn client_names(&mut self) -> &[String] {
        if self.client_names.is_none() {
            let ip = self.sender.ip;
            let names = self.questions.names(ip).await.unwrap_or_default();
            let mut confirmed = Vec::new();
            for name in names.into_iter().take(HOSTS_MAX) {
                let addresses = self.addresses(&name, ip).await;
                if addresses.is_ok_and(|addresses| addresses.contains(&ip)) {
                    confirmed.push(name);
                }
            }
            self.client_names = Some(confirmed);
        }
        self.client_names.as_deref().unwrap_or_default()
    }

    async fn mail_hosts(&mut self, name: &str) -> Result<Vec<String>, Verdict> {
        let hosts = if can_be_named(name) {
            self.questions.hosts(name).await
        } else {
            Err(NoAnswer::Nothing)
        };
        let hosts = self.found(hosts)?;
        if hosts.len() > HOSTS_MAX {
            return Err(Verdict::PermError);
        }
        Ok(hosts)
    }

    async fn addresses(&self, name: &str, like: IpAddr) -> Result<Vec<IpAddr>, NoAnswer> {
        // RFC 7208 §4.8: a name that can't be asked about is one that does not exist.
        if !can_be_named(name) {
            return Err(NoAnswer::Nothing);
        }
        self.questions.addresses(name, like).await
    }

    /// What the DNS said to a term; counts those to which it had nothing to say.
    fn found<T>(&mut self, answer: Result<Vec<T>, NoAnswer>) -> Result<Vec<T>, Verdict> {
        if matches!(answer, Err(NoAnswer::Nothing)) {
            self.voids += 1;
            if self.voids > VOIDS_MAX {
                return Err(Verdict::PermError);
            }
        }
        or_none(answer)
    }

    fn count_term(&mut self) -> Result<(), Verdict> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(Verdict::PermError);
        }
        Ok(())
    }
}

fn or_none<T>(answer: Result<Vec<T>, NoAnswer>) -> Result<Vec<T>, Verdict> {
    match answer {
        Ok(found) => Ok(found),
        Err(NoAnswer::Nothing) => Ok(Vec::new()),
        Err(NoAnswer::Unknown) => Err(Verdict::TempError),
    }
}

const fn verdict(qualifier: Qualifier) -> Verdict {
    match qualifier {
        Qualifier::Pass => Verdict::Pass,
        Qualifier::Fail => Verdict::Fail,
        Qualifier::SoftFail => Verdict::SoftFail,
        Qualifier::Neutral => Verdict::Neutral,
    }
}

// RFC 7208 §4.3: a name of more than one label, none of which is empty or too long.
fn can_be_asked(domain: &str) -> bool {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    name.contains('.') && can_be_named(name) && !name.starts_with('[')
}

fn can_be_named(name: &str) -> bool {
    let fits = |label: &str| !label.is_empty() && label.len() <= LABEL_MAX;
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= NAME_MAX && name.split('.').all(fits)
}

fn is_or_below(name: &str, parent: &str) -> bool {
    let parent = parent.strip_suffix('.').unwrap_or(parent);
    name.len()
        .checked_sub(parent.len())
        .and_then(|at| name.split_at_checked(at))
        .is_some_and(|(head, tail)| {
            tail.eq_ignore_ascii_case(parent) && (head.is_empty() || head.ends_with('.'))
        })
}

/// Whether the first bits of both are the same.
fn is_within(ip: IpAddr, network: IpAddr, v4_bits: u8, v6_bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => v4_is_within(ip, network, v4_bits),
        (IpAddr::V6(ip), IpAddr::V6(network)) => v6_is_within(ip, network, v6_bits),
        _ => false,
    }
}

fn v4_is_within(ip: Ipv4Addr, network: Ipv4Addr, bits: u8) -> bool {
    let differ = u32::from(ip) ^ u32::from(network);
    differ.leading_zeros() >= u32::from(bits)
}

fn v6_is_within(ip: Ipv6Addr, network: Ipv6Addr, bits: u8) -> bool {
    let differ = u128::from(ip) ^ u128::from(network);
    differ.leading_zeros() >= u32::from(bits)
}
