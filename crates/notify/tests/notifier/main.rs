//! The notifier from outside: events go into a log, calls come out at an endpoint.

#![expect(clippy::unwrap_used, reason = "a test fails where its kit does")]

mod clock;
mod destinations;
mod endpoint;
mod failures;
mod happy;
mod hostile;
mod outages;
mod rotation;
mod settings;
mod store;
mod world;
