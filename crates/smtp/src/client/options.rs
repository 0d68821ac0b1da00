//! How a client introduces itself and how long it waits.

use std::time::Duration;

/// What a session with a host is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Our name at EHLO: a host name or an address literal.
    pub ehlo_name: String,
    /// How long to wait for what.
    pub timeouts: ClientTimeouts,
    /// Octets of one reply, all its lines together; a longer one ends the session.
    pub max_reply: usize,
}

/// Whether a session asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Where the host offers it; refused, the session goes on in plaintext.
    WhenOffered,
    /// In any case: a host that does not offer it, or refuses, gets no mail.
    Required,
    /// It is active already, from the first octet (RFC 8314 §3.3).
    Active,
    /// Never.
    Never,
}

/// How long to wait for what (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For the 220.
    pub greeting: Duration,
    /// For the reply to EHLO or HELO.
    pub ehlo: Duration,
    /// For the reply to STARTTLS; whoever owns the socket applies it to the handshake, too.
    pub tls: Duration,
    /// For each reply to AUTH.
    pub auth: Duration,
    /// For the reply to MAIL or RSET.
    pub mail: Duration,
    /// For the reply to RCPT.
    pub rcpt: Duration,
    /// For the 354.
    pub data: Duration,
    /// For one write to make progress. Whoever owns the socket applies it.
    pub block: Duration,
    /// For the reply to the final dot, from the last progress of writing the message.
    pub dot: Duration,
    /// For a whole transaction, however lively the peer is.
    pub transaction: Duration,
    /// For the reply to QUIT.
    pub quit: Duration,
}

impl Default for ClientTimeouts {
    /// The least that RFC 5321 §4.5.3.2 asks for; an hour for a transaction, which gives a host
    /// that reads 16 KiB a second the time for 50 MB.
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            greeting: minutes(5),
            ehlo: minutes(5),
            tls: minutes(2),
            auth: minutes(2),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            dot: minutes(10),
            transaction: minutes(60),
            quit: Duration::from_secs(5),
        }
    }
}

impl Default for ClientOptions {
    /// `localhost`, replies of at most 64 KiB.
    fn default() -> Self {
        Self {
            ehlo_name: "localhost".to_owned(),
            timeouts: ClientTimeouts::default(),
            max_reply: 64 * 1024,
        }
    }
}
