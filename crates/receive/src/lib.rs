//! The SMTP doors: submission now, inbound later.
//!
//! A door accepts connections, bounded in number, and gives each a task that moves octets between
//! the socket and `postbell_smtp`'s machine and takes the machine's questions to the gate of
//! `postbell_accept`. What is said and in which order is the machine's affair, what mail may be
//! is the gate's; here are sockets, deadlines and who may come in.
//!
//! Who is in no trusted network logs in first; passwords are checked here, against the
//! credentials of the store, and so are the limits that a workspace or a credential may have.
//! Behind a load balancer the client is who its PROXY header names.
//!
//! Refused: passwords in the clear but on loopback, addresses that have guessed too often, more
//! connections than configured, and to hold anything of a message before it has ended.

#![warn(missing_docs)]

mod door;
mod submission;

#[cfg(test)]
mod tests;

pub use door::{DoorMetrics, Encryption};
pub use submission::{
    BareLineEnds, LoginOptions, SubmissionDoor, SubmissionLimits, SubmissionOptions,
    SubmissionTimeouts,
};
