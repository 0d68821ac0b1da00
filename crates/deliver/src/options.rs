//! What can be set about delivery. The defaults stand in `config/default.toml`.

use std::net::IpAddr;
use std::time::Duration;

use postbell_model::RetryPolicy;
use postbell_smtp::ClientTimeouts;
use serde::Deserialize;

use crate::TlsPolicy;
use crate::plan::simulated::SimulatorRoute;
use crate::relay::RelayOptions;
use crate::rules::{Rate, SiteOptions};

/// How much of recipients' addresses is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggedAddresses {
    /// The domain.
    Domain,
    /// All of them.
    Full,
}

/// How mail goes out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverOptions {
    /// Our name: at EHLO, in the Received field, and the MX name by which we know ourselves.
    pub hostname: String,
    /// Whether mail can come in: without, no message gets a Reply-To of ours, and mail to ourselves is a
    /// loop. Set by the program.
    #[serde(skip, default = "yes")]
    pub inbound_open: bool,
    /// How links, pixels and pages of unsubscribing are reached. Set by the program.
    #[serde(skip)]
    pub tracking: TrackedAddresses,
    /// Where mail to simulated addresses goes; absent: there are none. Set by the program.
    #[serde(skip)]
    pub simulator: Option<SimulatorRoute>,
    /// The port that MX hosts are dialled at: 25 but for tests.
    pub smtp_port: u16,
    /// The address that is dialled from; absent: the system chooses.
    pub source_address: Option<IpAddr>,
    /// Whether connections are secured.
    pub tls: TlsPolicy,
    /// Hosts that take mail in the place of MX hosts.
    pub relay: Vec<RelayOptions>,
    /// What holds for some sites alone.
    pub site: Vec<SiteOptions>,
    /// How fast each site gets mail; absent: as fast as it takes it.
    pub rate_per_site: Option<Rate>,
    /// Open connections, to all sites together.
    pub max_connections: usize,
    /// Open connections to one site.
    pub max_connections_per_site: usize,
    /// Messages on one connection, before it is closed.
    pub max_messages_per_connection: u32,
    /// How long a connection without work is kept.
    pub keep_alive: Duration,
    /// Addresses dialled in one attempt.
    pub max_addresses: usize,
    /// Connections in one attempt on which the host answered with a greeting.
    pub max_sessions: usize,
    /// Domains looked up at the same time.
    pub max_lookups: usize,
    /// Domains whose MX hosts are remembered.
    pub max_plans: usize,
    /// How long a domain's MX hosts are remembered, where their DNS records allow.
    pub plan_lifetime: Duration,
    /// The longest that finding a domain's MX hosts may take.
    pub plan_timeout: Duration,
    /// Deliveries that wait in memory, all lanes together, beside those freshly accepted.
    pub max_waiting: usize,
    /// Deliveries of one lane claimed at a time.
    pub claim_batch: usize,
    /// Octets of bodies read back from the disk, and written anew for a recipient, that are in memory at the
    /// same time.
    pub max_body_octets: u64,
    /// How long a site is left alone after none of its hosts could be reached; doubles.
    pub site_pause: Duration,
    /// No pause is longer.
    pub longest_site_pause: Duration,
    /// What transactions under way are given to end when the program stops.
    pub grace: Duration,
    /// When a delivery is tried again and when it is given up.
    pub retry: RetryOptions,
    /// How long MX hosts are waited for.
    pub timeouts: TimeoutOptions,
}

const fn yes() -> bool {
    true
}

impl DeliverOptions {
    /// Without the zeros that would let nothing through at all.
    pub(crate) fn at_least_one_of_each(mut self) -> Self {
        for count in [
            &mut self.max_connections,
            &mut self.max_connections_per_site,
            &mut self.max_addresses,
            &mut self.max_sessions,
            &mut self.max_lookups,
            &mut self.max_plans,
            &mut self.max_waiting,
            &mut self.claim_batch,
        ] {
            *count = (*count).max(1);
        }
        self
    }
}

/// How what is tracked comes back to us. The default: not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackedAddresses {
    /// Whether there is a door that answers: without, nothing is tracked, and nobody can unsubscribe on the web.
    pub open: bool,
    /// What addresses begin with, `http://127.0.0.1:8080`, in place of `https://` and the tracking host of the
    /// domain.
    pub base_url: Option<String>,
}

/// The retry policy where a configuration set has none of its own.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOptions {
    /// From the first attempt to the second; doubles.
    pub first: Duration,
    /// No interval is longer.
    pub longest: Duration,
    /// Attempts after the first; absent: as many as fit before expiry.
    pub max_retries: Option<u32>,
    /// From acceptance until the delivery is given up.
    pub expire_after: Duration,
}

impl From<RetryOptions> for RetryPolicy {
    fn from(options: RetryOptions) -> Self {
        Self {
            first: options.first,
            longest: options.longest,
            max_retries: options.max_retries,
            expire_after: options.expire_after,
        }
    }
}

/// Deadlines on MX hosts (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutOptions {
    /// For the connection to be made.
    pub connect: Duration,
    /// For the 220.
    pub greeting: Duration,
    /// For the reply to EHLO.
    pub ehlo: Duration,
    /// For the reply to STARTTLS, and once more for the handshake.
    pub tls: Duration,
    /// For each reply to AUTH.
    pub auth: Duration,
    /// For the reply to MAIL.
    pub mail: Duration,
    /// For the reply to RCPT.
    pub rcpt: Duration,
    /// For the 354.
    pub data: Duration,
    /// For a block of the message to be taken.
    pub block: Duration,
    /// For the reply to the final dot.
    pub dot: Duration,
    /// For a whole transaction, so that a host that drips can't hold a connection for ever.
    pub transaction: Duration,
    /// For the reply to QUIT.
    pub quit: Duration,
}

impl From<TimeoutOptions> for ClientTimeouts {
    fn from(options: TimeoutOptions) -> Self {
        Self {
            greeting: options.greeting,
            ehlo: options.ehlo,
            tls: options.tls,
            auth: options.auth,
            mail: options.mail,
            rcpt: options.rcpt,
            data: options.data,
            block: options.block,
            dot: options.dot,
            transaction: options.transaction,
            quit: options.quit,
        }
    }
}
