//! Internet messages: read, compose, rewrite, sign, DSN, ARF, bounce classes. No I/O.
//!
//! What is read here was written by strangers: nothing panics on it, everything has a limit, and
//! where a message can be understood in two ways the reading says so, so that the gate can
//! refuse it. Read in this order: [`header`], [`mailbox`], [`summary`], [`control`],
//! [`transfer`], [`mod@render`], [`dkim`], [`authentication`], [`arc`], [`mod@classify`], [`report`],
//! [`inbound`], [`track`].

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing)]

pub mod arc;
pub mod authentication;
mod base64;
pub mod classify;
pub mod control;
pub mod dkim;
pub mod forward;
pub mod header;
pub mod inbound;
pub mod mailbox;
pub mod render;
pub mod report;
pub mod summary;
pub mod track;
pub mod transfer;

mod words;

#[cfg(test)]
mod corpus;

pub use classify::Classifier;
pub use control::controls;
pub use render::{Rendered, Rendering, render};
pub use report::Report;
pub use summary::{Summary, summarise};
