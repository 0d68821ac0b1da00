//! The `[tracking]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use postbell_net::acme::AcmeOptions;
use serde::Deserialize;

use super::visitor::{AgentKept, IpKept};

/// The `[tracking]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingOptions {
    /// Scheme, host and port of all addresses, where it is not `https://` and the domain's tracking host.
    pub base_url: Option<String>,
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Where to listen with TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// Certificates of tracking hosts.
    pub certificate: Vec<HostCertificate>,
    /// How those are asked for that are in no file.
    pub acme: AcmeOptions,
    /// Networks of proxies that say who the client is.
    pub proxy_from: Vec<IpNet>,
    /// What is kept of a client's address.
    pub ip: IpKept,
    /// What is kept of User-Agent.
    pub user_agent: AgentKept,
    /// How long a hit is held before it is told.
    pub hold: Duration,
    /// For how long after a delivery every request is a machine's.
    pub early: Duration,
    /// Networks of machines.
    pub scanner_networks: Vec<IpNet>,
    /// Hits that are told in a second at most.
    pub max_told_per_second: u32,
    /// Hits that wait in memory for the next commit.
    pub max_unrecorded: usize,
    /// What is too much.
    pub limits: TrackingLimits,
    /// How long clients are waited for.
    pub timeouts: TrackingTimeouts,
}

impl TrackingOptions {
    /// Whether anybody can come here, so that mail may be tracked.
    pub fn is_open(&self) -> bool {
        self.base_url.is_some() || !self.listen.is_empty() || !self.listen_tls.is_empty()
    }
}

/// An entry of `[[tracking.certificate]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostCertificate {
    /// The hosts that it is shown for; `*.` stands for one label.
    pub hosts: Vec<String>,
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The `[tracking.limits]` section.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingLimits {
    /// More connections than this wait to be accepted.
    pub max_connections: usize,
    /// Those of one address, or of one IPv6 /64; more of them are closed.
    pub max_connections_per_ip: usize,
    /// Requests of one connection.
    pub max_requests: u32,
    /// Octets of the head of a request.
    pub max_head: usize,
}

/// The `[tracking.timeouts]` section.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingTimeouts {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of the next request, idle time included.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For a whole connection.
    pub connection: Duration,
}
