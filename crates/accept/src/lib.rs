//! The one gate through which mail enters, and what we send on our own account.
//!
//! Every door (SMTP submission, HTTP, our own reports) makes an [`Offer`] and hands it to
//! [`Gate::submit`], which reads it, checks policy, decides, commits and only then answers. What
//! the gate refuses it refuses in the peer's presence, with a [`Refusal`] that says what to
//! change; nothing that was refused is stored, and nothing that was accepted is changed: the
//! body is kept as it was submitted, and deliver renders it.
//!
//! Mail that comes in from outside, for our own addresses, has a gate of its own: [`InboundGate`].
//!
//! What we send ourselves comes in by [`Gate::submit_own`]. The [`Reporter`] is what writes most
//! of it: it tells senders what became of their mail. What came in and goes on is submitted by the
//! [`Forwarder`].

#![warn(missing_docs)]

mod admission;
mod apart;
mod decide;
pub mod forwarder;
mod gate;
pub mod inbound;
mod instructions;
mod message;
mod metrics;
mod own;
mod refusal;
pub mod reporter;
mod sending;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Obstacle};
pub use forwarder::{ForwardMetrics, Forwarder};
pub use gate::{AcceptOptions, Accepted, Door, Gate, Offer, Recipient};
pub use inbound::{
    Arrival, InboundGate, InboundMetrics, InboundOptions, InboundRecipient, InboundRefusal,
};
pub use instructions::{ControlFault, ControlName, Shown, Wrong};
pub use metrics::GateMetrics;
pub use own::OwnMail;
pub use refusal::{Originator, Refusal};
pub use reporter::{ReportOptions, ReportTerms, Reporter};
pub use sending::Whose;
