//! What a client has said and the server has not yet understood: lines that end with CRLF.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memchr2};

use crate::command::{self, Command, CommandError};

/// Octets of a command line, CRLF included.
///
/// RFC 5321 §4.5.3.1.4 asks for 512, and for more with extensions: SIZE 26 (RFC 1870 §3), BODY
/// 17 (RFC 6152 §2), SMTPUTF8 10 (RFC 6531 §3.1), AUTH 500 (RFC 4954 §3), and for a recipient
/// ORCPT and NOTIFY some 540 (RFC 3461 §4).
pub const LINE_MAX: usize = 2048;

// A longer buffer is given back once it is empty.
const KEPT_CAPACITY: usize = 4096;

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Input {
    octets: BytesMut,
    /// The rest of a line that was refused before its end came.
    skipping: Option<Skipping>,
}

/// The last octet that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    Cr,
    Other,
}

impl Input {
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether nothing is there, not even the rest of a refused line.
    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.skipping.is_none()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.octets.advance(count.min(self.octets.len()));
        if self.octets.is_empty() && self.octets.capacity() > KEPT_CAPACITY {
            self.octets = BytesMut::new();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next command, once its line is whole; an error as soon as the line can't be one.
    pub(super) fn next_command(&mut self) -> Option<Result<Command, CommandError>> {
        self.next_line(LINE_MAX, command::parse)
    }

    /// What `read` makes of the next line without its CRLF, which is of at most `max` octets
    /// with it.
    pub(super) fn next_line<T>(
        &mut self,
        max: usize,
        read: impl FnOnce(&[u8]) -> Result<T, CommandError>,
    ) -> Option<Result<T, CommandError>> {
        self.skip()?;
        let window = self.octets.get(..max).unwrap_or(&self.octets);
        let Some(lf) = memchr(b'\n', window) else {
            if self.octets.len() < max {
                return None;
            }
            return Some(Err(self.skip_from(max, CommandError::TooLong)));
        };
        let line = window.get(..lf).unwrap_or_default();
        let Some(line) = line.strip_suffix(b"\r") else {
            return Some(Err(self.skip_from(lf + 1, CommandError::BareLineEnd)));
        };
        let line = match memchr2(b'\r', 0, line).and_then(|at| line.get(at)) {
            Some(b'\r') => Err(CommandError::BareLineEnd),
            Some(_) => Err(CommandError::Nul),
            None => read(line),
        };
        self.consume(lf + 1);
        Some(line)
    }

    /// Drops the beginning of a line, and what is left of it as it comes.
    fn skip_from(&mut self, count: usize, error: CommandError) -> CommandError {
        let last = self.octets.get(count - 1);
        self.skipping = Some(if last == Some(&b'\r') {
            Skipping::Cr
        } else {
            Skipping::Other
        });
        self.consume(count);
        error
    }

    /// Drops what is left of a refused line; `None` while its CRLF has not come. A command that
    /// stands after a bare LF is not one.
    fn skip(&mut self) -> Option<()> {
        let Some(mut last) = self.skipping else {
            return Some(());
        };
        let mut used = 0;
        for octet in &self.octets {
            used += 1;
            if last == Skipping::Cr && *octet == b'\n' {
                self.skipping = None;
                self.consume(used);
                return Some(());
            }
            last = if *octet == b'\r' {
                Skipping::Cr
            } else {
                Skipping::Other
            };
        }
        self.skipping = Some(last);
        self.consume(used);
        None
    }
}
