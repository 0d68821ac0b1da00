//! Edits of a message, and the message after them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Octets that stand in the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// What goes; empty for what is only added.
    pub(super) span: Range<usize>,
    pub(super) with: Vec<u8>,
}

impl Edit {
    pub(super) fn replace(span: Range<usize>, with: impl Into<Vec<u8>>) -> Self {
        Self {
            span,
            with: with.into(),
        }
    }

    pub(super) fn insert(at: usize, with: impl Into<Vec<u8>>) -> Self {
        Self::replace(at..at, with)
    }
}

/// The message with its edits, which do not overlap.
pub(super) fn apply(raw: &Bytes, mut edits: Vec<Edit>) -> Bytes {
    if edits.is_empty() {
        return raw.clone();
    }
    edits.sort_by_key(|edit| edit.span.start);
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut fitted = BytesMut::with_capacity(raw.len() + added);
    let mut at = 0;
    for edit in edits {
        fitted.extend_from_slice(raw.get(at..edit.span.start).unwrap_or_default());
        fitted.extend_from_slice(&edit.with);
        at = edit.span.end;
    }
    fitted.extend_from_slice(raw.get(at..).unwrap_or_default());
    fitted.freeze()
}
