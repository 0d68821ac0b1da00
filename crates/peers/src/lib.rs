//! The far side of the program, for the simulator, `postbell dev`, the tests and the load program: a scripted
//! MX, recipients that answer, a DNS server, a webhook receiver, a certificate authority and an SMTP client,
//! all on loopback.
//!
//! Nothing here uses the code that it stands against: the MX, the client and the check of
//! signatures are written a second time, so that a mistake is not made twice in the same way.
//!
//! Servers are started with a task tracker and a cancellation token and end with the token.
//! Whatever they keep is bounded, and whatever they wait for has a deadline.

#![warn(missing_docs)]

mod accept;
pub mod answer;
pub mod authority;
pub mod client;
pub mod clock;
pub mod dns;
mod kept;
pub mod mx;
pub mod sample;
pub mod timeline;
mod tls;
pub mod webhook;

pub use kept::{Keep, NotReached};
pub use tls::{ServerTls, ServerTlsError};
