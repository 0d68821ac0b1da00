//! What can be set about submission. The defaults stand in `config/default.toml`.

use std::sync::Arc;

use ipnet::IpNet;
use postbell_model::WorkspaceId;
use postbell_smtp::ServerOptions;
use serde::Deserialize;

use super::login::LoginOptions;
use crate::door::{ClientTimeouts, Rules};

/// How applications hand in mail.
#[derive(Debug, Clone)]
pub struct SubmissionOptions {
    /// Our name in the greeting and in the reply to EHLO.
    pub hostname: String,
    /// Networks whose clients may submit without a password, and the workspace whose mail it is.
    /// Where several hold an address, the narrowest counts.
    pub trusted: Vec<(IpNet, WorkspaceId)>,
    /// Networks of proxies: their connections begin with a PROXY header of version 2, all others
    /// with none.
    pub proxy_from: Vec<IpNet>,
    /// How passwords are checked.
    pub login: LoginOptions,
    /// What is too much.
    pub limits: SubmissionLimits,
    /// What becomes of a bare CR or LF in a message.
    pub bare_line_ends: BareLineEnds,
    /// How long clients are waited for.
    pub timeouts: ClientTimeouts,
}

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionLimits {
    /// Octets of a message; announced by SIZE.
    pub max_message_size: u64,
    /// Recipients of a message.
    pub max_recipients: usize,
    /// Open sessions, over all listeners of a door; more of them wait to be accepted.
    pub max_connections: usize,
    /// Open sessions of one client address; more of them get 421.
    pub max_connections_per_ip: usize,
    /// Commands refused within one session until a message is accepted.
    pub max_errors: u32,
    /// Commands in one session until a message is accepted, recipients aside.
    pub max_commands: u32,
    /// Octets a second that a message must come in with, on average; 0: any pace will do.
    pub min_data_rate: u64,
}

/// What becomes of a CR or LF that does not belong to a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareLineEnds {
    /// The message is refused.
    Refuse,
    /// The message is taken with proper line ends.
    Normalise,
}

impl SubmissionOptions {
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
            bare_line_ends: match self.bare_line_ends {
                BareLineEnds::Refuse => postbell_smtp::BareLineEnds::Refuse,
                BareLineEnds::Normalise => postbell_smtp::BareLineEnds::Normalise,
            },
            timeouts: self.timeouts.of_server(),
        }
    }
}
