//! What an operator sees of the running server: its metrics, and whether it takes new mail.
//!
//! Stages count for themselves and own their counters; here they are named in one registry, which
//! the HTTP door writes out, with what only the program knows: the process, the disk, its
//! certificate, panics. Nothing here is asked on the way of a message, but whether it is taken.

mod panics;
mod pressure;
mod process;
mod standing;

pub use panics::Panics;
pub use pressure::OverloadOptions;
pub(crate) use pressure::{Gauges, Pressure};
pub(crate) use process::resident_memory;
pub(crate) use standing::register;
