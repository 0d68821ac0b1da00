//! The world that the scenarios play in: the real binary, and around it an MX, a name server
//! and a webhook receiver that do what a scenario asks of them.

pub mod installation;
mod world;

pub use world::{LIMIT, Told, World, deferring, mail};
