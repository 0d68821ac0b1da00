//! DNS: MX and address records, over hickory.
//!
//! Tells apart what the caller must treat apart: a name that does not exist, a name without such
//! records, and a question that got no answer. Aliases (CNAME) are followed, answers are cached
//! for their TTL. Search domains are never used: every name is taken as it stands.

mod probe;
mod records;
mod text;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{DnsMetrics, shortage};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use postbell_model::Domain;
pub use probe::{Probed, probe};
pub use records::{Record, RecordKind, Records};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

// More than any sane host has; what comes after is never dialled.
const ADDRESSES_MAX: usize = 64;
const MX_MAX: usize = 256;
const DNS_PORT: u16 = 53;
// Over TCP, questions share a connection; hickory spins while it is full.
const QUESTIONS_PER_CONNECTION: usize = 4_096;

/// Whom to ask, and how patiently.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsOptions {
    /// The name servers; none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take, once.
    pub timeout: Duration,
    /// How often a question is asked; at least once.
    pub attempts: usize,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// The system's configuration can't be read.
    #[error("the system's DNS configuration can't be used: {0}")]
    System(NetError),
    /// The resolver can't be made of its options.
    #[error("the DNS resolver can't be set up: {0}")]
    Setup(NetError),
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// NXDOMAIN: neither these records nor any others.
    #[error("the domain does not exist")]
    NoSuchDomain,
    /// The name exists and has no such records.
    #[error("the domain has no such records")]
    NoData,
    /// SERVFAIL, REFUSED, no answer in time, or one that makes no sense.
    #[error("DNS gave no answer: {0}")]
    Temporary(String),
}

/// Where a domain takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxAnswer {
    /// Preference and host, most preferred (lowest) first. Empty only where `null` is set.
    pub hosts: Vec<(u16, Domain)>,
    /// The domain says that it takes no mail at all (RFC 7505 §3).
    pub null: bool,
    /// How long the answer may be kept.
    pub valid_for: Duration,
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// IPv6 and IPv4 in turn, IPv6 first; at least one.
    pub ips: Vec<IpAddr>,
    /// How long the answer may be kept.
    pub valid_for: Duration,
}

/// Asks name servers. Cheap to clone; clones share their cache.
#[derive(Debug, Clone)]
pub struct Resolver {
    hickory: TokioResolver,
    limit: Duration,
    metrics: DnsMetrics,
}

impl Resolver {
    /// A resolver that asks the servers of `options`, or those of the system.
    ///
    /// # Errors
    /// The system's configuration can't be read.
    pub fn new(options: &DnsOptions) -> Result<Self, ResolverError> {
        let mut builder = if options.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(ResolverError::System)?
        } else {
            let servers = options.servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            let mut builder =
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        set_patience(builder.options_mut(), options);
        let hickory = builder.build().map_err(ResolverError::Setup)?;
        Ok(Self {
            hickory,
            limit: whole_limit(options),
            metrics: DnsMetrics::default(),
        })
    }

    /// Counts where others do.
    #[must_use]
    pub fn with_metrics(mut self, metrics: DnsMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The MX records of a domain.
    ///
    /// # Errors
    /// There are none, or none could be had. After [`LookupError::NoData`] the domain itself is
    /// its mail host (RFC 5321 §5.1).
    pub async fn mx(&self, domain: &Domain) -> Result<MxAnswer, LookupError> {
        let lookup = self.ask(domain, RecordType::MX).await?;
        let mut records: Vec<&MX> = Vec::new();
        for answer in lookup.answers() {
            if let RData::MX(mx) = &answer.data {
                records.push(mx);
            }
        }
        mx_answer(&records, valid_for(&lookup))
    }

    /// The addresses of a host: A and AAAA records.
    ///
    /// Where one of the two questions fails and the other brings addresses, those are the answer.
    ///
    /// # Errors
    /// There are none, or none could be had.
    pub async fn addresses(&self, host: &Domain) -> Result<Addresses, LookupError> {
        let (v6, v4) = tokio::join!(
            self.ask(host, RecordType::AAAA),
            self.ask(host, RecordType::A)
        );
        let valid_for = [&v6, &v4]
            .iter()
            .filter_map(|answer| answer.as_ref().ok().map(valid_for))
            .min()
            .unwrap_or_default();
        let ips = interleave(addresses_in(&v6), addresses_in(&v4));
        if !ips.is_empty() {
            return Ok(Addresses { ips, valid_for });
        }
        Err(worse(v6.err(), v4.err()))
    }

    async fn ask(&self, domain: &Domain, kind: RecordType) -> Result<Lookup, LookupError> {
        // An address literal is no name; as a name it exists nowhere.
        self.ask_of(Name::from_ascii(domain.as_str()).ok(), kind)
            .await
    }

    /// Asks about a name; one that can't be asked about does not exist.
    async fn ask_of(&self, name: Option<Name>, kind: RecordType) -> Result<Lookup, LookupError> {
        let begun = Instant::now();
        let asked = match name {
            Some(name) => self.ask_servers(name, kind).await,
            None => Err(LookupError::NoSuchDomain),
        };
        self.metrics.looked_up(kind, &asked, begun.elapsed());
        asked
    }

    async fn ask_servers(&self, mut name: Name, kind: RecordType) -> Result<Lookup, LookupError> {
        name.set_fqdn(true);
        match timeout(self.limit, self.look_up(&name, kind)).await {
            Ok(Ok(lookup)) => Ok(lookup),
            Ok(Err(error)) => Err(lookup_error(&error)),
            Err(_) => Err(LookupError::Temporary("it timed out".to_owned())),
        }
    }

    /// Asks again where this process had no descriptor to ask with.
    async fn look_up(&self, name: &Name, kind: RecordType) -> Result<Lookup, NetError> {
        loop {
            match self.hickory.lookup(name.clone(), kind).await {
                // What the system said to hickory is not always told.
                Err(NetError::Io(_) | NetError::NoConnections) if shortage::is_now().await => {
                    sleep(shortage::PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

/// The name servers that a resolver of these options asks.
///
/// # Errors
/// The system's configuration can't be read.
pub fn name_servers(options: &DnsOptions) -> Result<Vec<SocketAddr>, ResolverError> {
    if !options.servers.is_empty() {
        return Ok(options.servers.clone());
    }
    let (config, _) = read_system_conf().map_err(ResolverError::System)?;
    let address = |server: &NameServerConfig| {
        let port = server.connections.first().map_or(DNS_PORT, |one| one.port);
        SocketAddr::new(server.ip, port)
    };
    Ok(config.name_servers().iter().map(address).collect())
}

fn name_server(addr: &SocketAddr) -> NameServerConfig {
    let mut udp = ConnectionConfig::udp();
    udp.port = addr.port();
    let mut tcp = ConnectionConfig::tcp();
    tcp.port = addr.port();
    NameServerConfig::new(addr.ip(), true, vec![udp, tcp])
}

fn set_patience(hickory: &mut ResolverOpts, options: &DnsOptions) {
    hickory.timeout = options.timeout;
    hickory.attempts = options.attempts.saturating_sub(1);
    hickory.max_active_requests = QUESTIONS_PER_CONNECTION;
}

/// The limit of a whole lookup, however many aliases and servers it meets.
fn whole_limit(options: &DnsOptions) -> Duration {
    let attempts = u32::try_from(options.attempts.max(1)).unwrap_or(u32::MAX);
    options.timeout.saturating_mul(attempts.saturating_mul(2))
}

fn valid_for(lookup: &Lookup) -> Duration {
    let seconds = lookup.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(seconds.unwrap_or(0).into())
}

fn mx_answer(records: &[&MX], valid_for: Duration) -> Result<MxAnswer, LookupError> {
    // RFC 7505 §3: a single record with an empty host.
    if let [only] = records
        && only.exchange.is_root()
    {
        return Ok(MxAnswer {
            hosts: Vec::new(),
            null: true,
            valid_for,
        });
    }
    let mut hosts: Vec<(u16, Domain)> = records
        .iter()
        .filter_map(|mx| Some((mx.preference, host_name(&mx.exchange)?)))
        .collect();
    if hosts.is_empty() && records.is_empty() {
        return Err(LookupError::NoData);
    }
    if hosts.is_empty() {
        // RFC 5321 §5.1: MX records that can't be used are an error, not a reason to deliver to
        // the domain itself.
        return Err(LookupError::Temporary(
            "none of the MX records names a host".to_owned(),
        ));
    }
    hosts.sort_by_key(|(preference, _)| *preference);
    hosts.truncate(MX_MAX);
    Ok(MxAnswer {
        hosts,
        null: false,
        valid_for,
    })
}

fn host_name(name: &Name) -> Option<Domain> {
    let text = name.to_ascii();
    Domain::parse(text.strip_suffix('.').unwrap_or(&text)).ok()
}

fn addresses_in(answer: &Result<Lookup, LookupError>) -> Vec<IpAddr> {
    let records = answer.as_ref().map(Lookup::answers).unwrap_or_default();
    let mut ips = Vec::new();
    for record in records {
        match &record.data {
            RData::A(a) => ips.push(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => ips.push(IpAddr::V6(aaaa.0)),
            _ => {}
        }
    }
    ips
}

/// One of each in turn, so that a host whose IPv6 does not work costs one try and not all.
fn interleave(first: Vec<IpAddr>, second: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut all = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) || all.len() >= ADDRESSES_MAX {
            return all;
        }
        all.extend(pair.0);
        all.extend(pair.1);
    }
}

/// Of two reasons, the one that leaves more hope: a name server that did not answer may have
/// had addresses.
fn worse(v6: Option<LookupError>, v4: Option<LookupError>) -> LookupError {
    match (v6, v4) {
        (Some(LookupError::Temporary(why)), _) | (_, Some(LookupError::Temporary(why))) => {
            LookupError::Temporary(why)
        }
        (Some(LookupError::NoSuchDomain), _) | (_, Some(LookupError::NoSuchDomain)) => {
            LookupError::NoSuchDomain
        }
        _ => LookupError::NoData,
    }
}

fn lookup_error(error: &NetError) -> LookupError {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else {
        return LookupError::Temporary(describe(error));
    };
    match none.response_code {
        ResponseCode::NXDomain => LookupError::NoSuchDomain,
        ResponseCode::NoError => LookupError::NoData,
        code => LookupError::Temporary(code.to_string()),
    }
}

fn describe(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::ResponseCode(code)) => code.to_string(),
        NetError::Timeout => "it timed out".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
