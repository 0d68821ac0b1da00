//! The tracking host over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;
mod forgery;
mod limits;
mod pages;
mod tls;
mod visits;
mod world;
