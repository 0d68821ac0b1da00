//! How long clients are waited for.

use std::time::Duration;

use postbell_smtp::ServerTimeouts;
use serde::Deserialize;

/// How long clients are waited for (RFC 5321 §4.5.3.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTimeouts {
    /// For a proxy's header.
    pub proxy: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the next command.
    pub command: Duration,
    /// For the next octets of a message.
    pub data_block: Duration,
    /// For a whole message.
    pub data_total: Duration,
    /// From DATA on, before the pace of a message counts.
    pub data_grace: Duration,
    /// For a session.
    pub session: Duration,
}

impl ClientTimeouts {
    /// What the machine looks after.
    pub(crate) const fn of_server(&self) -> ServerTimeouts {
        ServerTimeouts {
            command: self.command,
            data_block: self.data_block,
            data_total: self.data_total,
            data_grace: self.data_grace,
            session: self.session,
        }
    }
}
