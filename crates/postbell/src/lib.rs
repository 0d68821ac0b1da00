//! The program: configuration, wiring, lifecycle, command line.
//!
//! Everything else is in the crates that this one joins. A stage is handed what it needs through
//! its constructor; there is no global state, and this crate alone asks the machine for the time,
//! spawns the first tasks and speaks to the terminal.
//!
//! Read [`server`] first: it is the whole program in one page.

mod admin;
mod alone;
mod certificates;
pub mod cli;
pub mod config;
mod console;
mod csv;
mod dev;
mod doctor;
mod explain;
mod identity;
pub mod lifecycle;
mod logging;
mod manual;
pub mod observe;
mod operator;
pub mod program;
mod progress;
mod reloading;
mod safekeeping;
mod serve;
pub mod server;
mod simulator;
mod table;
mod trace;
