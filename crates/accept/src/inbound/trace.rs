//! What we put in front of a message that came in: who brought it, and whether it is from whom it
//! says (RFC 5321 §4.4, RFC 8601). Behind that its octets stay what they were, but for results
//! that claim to be ours.

use bytes::{Bytes, BytesMut};
use postbell_mail::authentication;
use postbell_mail::header::HeaderError;
use postbell_mail::render::{from_clause, word};
use postbell_model::{Address, DmarcMode, Domain, InboundId, Timestamp};

use super::Arrival;

/// A message as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// All of it.
    pub(super) octets: Bytes,
    /// What was handed in: the same octets, behind our fields.
    pub(super) given: Bytes,
}

/// Puts our fields in front of a message.
pub(super) fn kept(
    arrival: &Arrival,
    hostname: &Domain,
    id: InboundId,
    now: Timestamp,
) -> Result<Kept, HeaderError> {
    let received = received(arrival, hostname, id, now);
    let results = results(arrival, hostname);
    // RFC 8601 §5: what claims to come from us and does not is removed.
    let body = authentication::without(&arrival.body, hostname)?;
    let own = results.len() + received.len();
    let mut octets = BytesMut::with_capacity(own + body.len());
    // The results come first: where what was handed in begins with white space, it continues the
    // field before it.
    octets.extend_from_slice(results.as_bytes());
    octets.extend_from_slice(received.as_bytes());
    octets.extend_from_slice(&body);
    let octets = octets.freeze();
    Ok(Kept {
        given: octets.slice(own..),
        octets,
    })
}

fn received(arrival: &Arrival, hostname: &Domain, id: InboundId, now: Timestamp) -> String {
    // RFC 5321 §7.6: a `for` clause would tell one recipient of another.
    let to = match arrival.recipients.as_slice() {
        [only] if is_plain(&only.address) => format!("\r\n\tfor <{}>", only.address),
        _ => String::new(),
    };
    format!(
        "Received: {}by {} (Postbell) with {}\r\n\tid {id}{to};\r\n\t{}\r\n",
        from_clause(&arrival.helo, Some(arrival.peer)),
        word(hostname.as_str()),
        word(&arrival.with),
        now.to_rfc5322(),
    )
}

/// Whether an address can stand in a comment-like place without being read as anything else.
fn is_plain(address: &Address) -> bool {
    let plain = |octet: u8| octet.is_ascii_graphic() && !b"()<>;,\\\"".contains(&octet);
    address.as_str().bytes().all(plain)
}

/// The Authentication-Results field; empty where nothing follows from it.
fn results(arrival: &Arrival, hostname: &Domain) -> String {
    let is_off = |to: &super::InboundRecipient| to.dmarc() == DmarcMode::Off;
    if arrival.recipients.iter().all(is_off) {
        return String::new();
    }
    authentication::field(hostname, Some(arrival.peer), &arrival.authentication)
}
