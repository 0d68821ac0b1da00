//! SMTP as a language: grammar, and the server and client state machines without I/O.
//!
//! Nothing here opens a socket, reads a clock or waits. A machine is fed octets and moments and
//! says what to do next; the crate that owns the socket does it. Read in this order:
//! [`command`] (what a client may say), [`mod@reply`] (what a server answers), [`data`] (how a
//! message travels between the two), [`server`], [`client`].
//!
//! Implemented: RFC 5321 with SIZE (RFC 1870), PIPELINING (RFC 2920), 8BITMIME (RFC 6152),
//! ENHANCEDSTATUSCODES (RFC 2034), SMTPUTF8 (RFC 6531), STARTTLS (RFC 3207), and for servers AUTH
//! (RFC 4954) and DSN (RFC 3461).
//!
//! Refused: line ends other than CRLF, source routes, relaying by `%` and `!`, CHUNKING.

#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod client;
pub mod command;
pub mod data;
pub mod reply;
pub mod server;

pub use client::{
    Client, ClientLogin, ClientOptions, ClientStep, ClientTimeouts, DsnRequest, Extensions,
    Security, StartTls, Transaction, TransactionEnd,
};
pub use server::{
    Answer, Ask, BareLineEnds, Envelope, Incoming, Login, Recipient, Reports, ScramChallenge,
    Server, ServerOptions, ServerTimeouts, Step, Terms, Tls,
};
