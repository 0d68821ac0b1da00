//! The SMTP doors: submission, and inbound, where strangers bring mail.
//!
//! A door accepts connections, bounded in number, and gives each a task that moves octets between
//! the socket and `postbell_smtp`'s machine and takes the machine's questions to a gate of
//! `postbell_accept`. What is said and in which order is the machine's affair, what mail may be
//! is the gate's; here are sockets, deadlines and who may come in. `door` is what both doors are
//! made of.
//!
//! At submission, who is in no trusted network logs in first; passwords are checked here, against
//! the credentials of the store, and so are the limits that a workspace or a credential may have.
//! At the inbound door nobody logs in: there are limits of networks, and `sender` finds out who
//! mail is from. Behind a load balancer the client is who its PROXY header names.
//!
//! Refused: passwords in the clear but on loopback, addresses that have guessed too often, more
//! connections than configured, and to hold anything of a message before it has ended.

#![warn(missing_docs)]

mod door;
mod inbound;
mod sender;
mod submission;

#[cfg(test)]
mod tests;

pub use door::{Activity, ClientTimeouts, DoorMetrics, Encryption};
pub use inbound::{InboundDoor, InboundDoorOptions, InboundLimits, InboundReach};
pub use sender::{Origin, SenderOptions, SenderVerifier};
pub use submission::{
    BareLineEnds, LoginOptions, SubmissionDoor, SubmissionLimits, SubmissionOptions,
};
