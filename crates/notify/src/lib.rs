//! Event log to formats to signed webhook calls.
//!
//! Each destination has a task of its own that reads the event log from the destination's
//! cursor, tells each event in the destination's [vocabulary](mod@format), signs it
//! ([`signature`]) and posts it. What succeeds leaves no trace but the cursor, moved once for
//! many events. What fails alone goes to the retry table, so that it does not hold up what comes
//! after. When nothing succeeds any more, the destination counts as down: its cursor stands, and
//! one call now and then asks whether it is back. No destination waits for another.
//!
//! Delivery is at least once, with an id that is the same over every retry.

#![warn(missing_docs)]

pub mod format;
pub mod headers;
pub mod matching;
pub mod signature;

mod breaker;
mod destination;
mod metrics;
mod options;
mod post;
mod profile;
mod sample;
mod schedule;
mod stage;
mod supervisor;
mod trial;

pub use format::{Document, Format, preview, render};
pub use headers::{BadHeader, HEADERS_MAX, parse_header};
pub use matching::{Matching, UnknownName};
pub use metrics::NotifyMetrics;
pub use options::NotifyOptions;
pub use profile::{BadDestination, check, hears};
pub use sample::sample;
pub use supervisor::{Notifier, NotifyTerms};
pub use trial::{Trial, try_destination};
