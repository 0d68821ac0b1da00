//! What is done with mail that the domain in its From forbids (RFC 7489 §6.6).
//!
//! Deviation: nobody's ARC chain (RFC 8617) makes good for a failure. It is told in the results.

use postbell_model::authentication::{DmarcPolicy, DmarcResult, Verdict};
use postbell_model::{DmarcMode, InboundId};

use super::{Arrival, InboundRecipient, InboundRefusal};

/// Holds a message to what the domain asks for, and says what that is:
/// [`DmarcPolicy::None`] where it did not fail.
pub(super) fn hold(arrival: &Arrival, id: InboundId) -> Result<DmarcPolicy, InboundRefusal> {
    let found = &arrival.authentication.dmarc;
    let asked = match found.request {
        Some(request) if found.verdict == Verdict::Fail => request.drawn(number(id)),
        // RFC 7489 §6.6.1: where From names nobody there is nobody to ask, and no such mail need
        // be taken.
        _ if names_nobody(found) => DmarcPolicy::Reject,
        _ => DmarcPolicy::None,
    };
    let is_enforced = |to: &InboundRecipient| to.dmarc() == DmarcMode::Enforce;
    if asked != DmarcPolicy::Reject || !arrival.recipients.iter().any(is_enforced) {
        return Ok(asked);
    }
    Err(match &found.from {
        Some(from) => InboundRefusal::Forbidden(from.clone()),
        None => InboundRefusal::NoAuthor,
    })
}

/// Whether From was looked at, and no domain can be read in it.
fn names_nobody(found: &DmarcResult) -> bool {
    found.verdict == Verdict::PermError && found.from.is_none()
}

/// Whether mail in this mode is to be distrusted.
pub(super) fn is_suspicious(asked: DmarcPolicy, mode: DmarcMode) -> bool {
    mode != DmarcMode::Off && asked >= DmarcPolicy::Quarantine
}

/// From 0 to 99. The last octets of an id are random.
fn number(id: InboundId) -> u8 {
    let [.., a, b, c, d] = *id.as_bytes();
    u8::try_from(u32::from_be_bytes([a, b, c, d]) % 100).unwrap_or(0)
}
