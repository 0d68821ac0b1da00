//! What a server announces and what it puts up with.

use std::time::Duration;

pub use crate::data::BareLineEnds;

/// The limits of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The name in the greeting and in the reply to EHLO.
    pub hostname: String,
    /// Octets of a message; announced by SIZE.
    pub max_message_size: u64,
    /// Recipients of a message; more get 452 4.5.3.
    pub max_recipients: usize,
    /// Commands refused until a message is accepted; then 421 4.7.0.
    pub max_errors: u32,
    /// Commands, other than accepted recipients, until a message is accepted; then 421 4.7.0.
    pub max_commands: u32,
    /// Octets a second that a message must come in with, on average, once
    /// [`ServerTimeouts::data_grace`] is over; 0: any pace will do.
    pub min_data_rate: u64,
    /// What becomes of a bare CR or LF in a message. In commands they are always refused.
    pub bare_line_ends: BareLineEnds,
    /// How long to wait for what.
    pub timeouts: ServerTimeouts,
}

/// What is offered on one connection, and asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether the connection is encrypted, or can be.
    pub tls: Tls,
    /// Whether clients log in.
    pub login: Login,
    /// Whether they may do so without TLS: only where nobody can listen.
    pub cleartext_login: bool,
    /// Whether clients may say which reports they want.
    pub reports: Reports,
}

/// Whether the DSN extension is offered (RFC 3461).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// No: its parameters are unknown ones.
    None,
    /// Yes.
    Offered,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// No, and STARTTLS is not offered.
    None,
    /// No; STARTTLS is offered.
    Offered,
    /// Yes.
    Active,
}

/// Whether clients log in with AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// AUTH is not offered.
    None,
    /// They may.
    Optional,
    /// MAIL gets 530 until they have.
    Required,
}

/// How long to wait for what (RFC 5321 §4.5.3.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// For the next command.
    pub command: Duration,
    /// For the next octets of a message.
    pub data_block: Duration,
    /// For a whole message.
    pub data_total: Duration,
    /// From DATA on, before its pace counts.
    pub data_grace: Duration,
    /// For the session, however lively the client is.
    pub session: Duration,
}

impl Default for ServerTimeouts {
    /// Five minutes a command (RFC 5321 §4.5.3.2.7), three a block, half an hour a message of
    /// which one is grace, two hours a session.
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            command: minutes(5),
            data_block: minutes(3),
            data_total: minutes(30),
            data_grace: minutes(1),
            session: minutes(120),
        }
    }
}
