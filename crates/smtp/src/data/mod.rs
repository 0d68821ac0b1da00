//! How a message travels after DATA (RFC 5321 §4.5.2): dots at the beginning of lines are
//! doubled, a lone dot ends it.
//!
//! The end is CRLF.CRLF and nothing else. No bare CR and no bare LF leaves the program, and none
//! is taken for a line end on the way in without having become CRLF.

mod reader;
mod stuffing;

pub use reader::{BareLineEnds, DataError, DotReader, Progress};
pub use stuffing::{BareLineEnd, stuff};

#[cfg(test)]
mod tests;
