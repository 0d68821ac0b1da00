//! An answer to a delivery.

use std::borrow::Cow;

use postbell_model::inbound::{MatchedBy, ReplyFact};
use postbell_model::{DeliveryId, Timestamp};
use serde::Serialize;

use crate::format::incoming::{Details, Written, one_line};
use crate::format::moment::Micros;

#[derive(Serialize)]
pub(super) struct Reply<'a> {
    outbox_id: String,
    original_recipient: &'a str,
    #[serde(flatten)]
    written: Written<'a>,
    received_at: Micros,
    #[serde(flatten)]
    details: Details<'a>,
    #[serde(flatten)]
    way: Way<'a>,
}

/// How it came here, and who it is from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Way<'a> {
    via: &'static str,
    matched_by: &'static str,
    from_recipient: bool,
    forwarded: bool,
    also_to: Vec<Cow<'a, str>>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(
        at: Timestamp,
        delivery: DeliveryId,
        recipient: &'a str,
        reply: &'a ReplyFact,
    ) -> Self {
        Self {
            outbox_id: delivery.to_string(),
            original_recipient: recipient,
            written: Written::new(&reply.content),
            received_at: Micros(at),
            details: Details::new(reply.inbound, &reply.content),
            way: Way {
                via: reply.via.name(),
                // Both addresses that answers come to have a token: nothing else makes one.
                matched_by: MatchedBy::Address.name(),
                from_recipient: reply.is_from_recipient,
                forwarded: reply.is_forwarded,
                also_to: reply.also_to.iter().map(|to| one_line(to)).collect(),
            },
        }
    }
}
