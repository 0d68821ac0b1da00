//! What can be set about mail that comes in. The defaults stand in `config/default.toml`.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use ipnet::IpNet;
use postbell_model::Domain;
use postbell_smtp::{BareLineEnds, ServerOptions};
use serde::Deserialize;

use crate::door::{ClientTimeouts, Rules};

/// How strangers bring mail.
#[derive(Debug, Clone)]
pub struct InboundDoorOptions {
    /// Our name in the greeting and in the reply to EHLO.
    pub hostname: String,
    /// Networks of proxies: their connections begin with a PROXY header of version 2, all others
    /// with none.
    pub proxy_from: Vec<IpNet>,
    /// Lists of addresses that mail is not taken from (RFC 5782).
    pub dnsbl: Vec<Domain>,
    /// Whether it is found out who mail is from.
    pub verify: bool,
    /// What is too much.
    pub limits: InboundLimits,
    /// How long clients are waited for.
    pub timeouts: ClientTimeouts,
}

/// What is too much. A host is an IPv4 address or an IPv6 /64, a network an IPv4 /24 or an
/// IPv6 /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundLimits {
    /// Octets of a message; announced by SIZE.
    pub max_message_size: u64,
    /// Recipients of a message.
    pub max_recipients: usize,
    /// Open sessions, over all listeners of a door; more of them get 421.
    pub max_connections: usize,
    /// Open sessions of one host; more of them get 421.
    pub max_connections_per_host: usize,
    /// Open sessions of one network; more of them get 421.
    pub max_connections_per_network: usize,
    /// Messages a minute from one network; more of them get 450.
    pub max_messages_per_minute: u32,
    /// Recipients a minute from one network; more of them get 450.
    pub max_recipients_per_minute: u32,
    /// Networks whose messages and recipients are counted.
    pub max_networks: usize,
    /// Recipients within one session that nobody here has; then it ends with 421.
    pub max_unknown_recipients: u32,
    /// Octets of all messages that are being received; beyond them mail gets 452, or 421 where a
    /// message had begun.
    pub max_receiving: u64,
    /// Messages that may occupy a processor at the same time while they are looked into; `None`:
    /// as many as half of the processors, and as all of them while nobody submits.
    pub max_checks: Option<usize>,
    /// Commands refused within one session until a message is accepted.
    pub max_errors: u32,
    /// Commands in one session until a message is accepted, recipients aside.
    pub max_commands: u32,
    /// Octets a second that a message must come in with, on average; 0: any pace will do.
    pub min_data_rate: u64,
}

impl InboundDoorOptions {
    /// What holds within a session.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            proxy_from: self.proxy_from.clone(),
            proxy_limit: self.timeouts.proxy,
            server: Arc::new(self.server()),
            handshake_limit: self.timeouts.handshake,
        }
    }

    fn server(&self) -> ServerOptions {
        ServerOptions {
            hostname: self.hostname.clone(),
            max_message_size: self.limits.max_message_size,
            max_recipients: self.limits.max_recipients,
            max_errors: self.limits.max_errors,
            max_commands: self.limits.max_commands,
            min_data_rate: self.limits.min_data_rate,
            // What a stranger means by them nobody knows, and what the next server takes them for
            // may be another end of the message than ours.
            bare_line_ends: BareLineEnds::Refuse,
            timeouts: self.timeouts.of_server(),
        }
    }
}

impl InboundLimits {
    /// How many messages may occupy a processor at the same time, and how many more while nobody
    /// submits.
    pub(super) fn checks(&self) -> (usize, usize) {
        if let Some(checks) = self.max_checks {
            return (checks.max(1), 0);
        }
        let all = thread::available_parallelism().map_or(1, NonZero::get);
        let half = (all / 2).max(1);
        (half, all - half)
    }
}
