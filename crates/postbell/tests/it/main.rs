//! The `postbell` command as a person or a script meets it: arguments in, text and exit code out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
mod dev;
mod explain;
mod help;
mod kit;
mod operator;
mod serve;
mod tenants;
