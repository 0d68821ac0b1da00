//! Internet messages: read, compose, rewrite, sign, DSN, ARF, bounce classes. No I/O.
//!
//! What is read here was written by strangers: nothing panics on it, everything has a limit, and
//! where a message can be understood in two ways the reading says so, so that the gate can
//! refuse it. Read in this order: [`header`], [`mailbox`], [`summary`], [`mod@render`],
//! [`dkim`], [`mod@classify`].

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing)]

pub mod classify;
pub mod dkim;
pub mod header;
pub mod mailbox;
pub mod render;
pub mod summary;

#[cfg(test)]
mod corpus;

pub use classify::Classifier;
pub use render::{Rendered, Rendering, render};
pub use summary::{Summary, summarise};
