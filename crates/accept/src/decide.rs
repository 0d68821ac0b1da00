//! What is decided about a message that may come in: ids, configuration set, retry times.

use std::collections::HashSet;
use std::sync::Arc;

use postbell_mail::Summary;
use postbell_model::retry::Jitter;
use postbell_model::{
    ConfigurationSet, DeliveryId, Instructions, Message, MessageId, RetryPolicy, Timestamp,
};
use postbell_store::{NewDelivery, Submission};

use crate::gate::{Door, Offer, Recipient};
use crate::message::Origin;

/// The message and its deliveries, as they are stored.
pub(crate) fn submission(
    offer: Offer,
    summary: Summary,
    origin: &Origin<'_>,
    (set, policy): (Option<&ConfigurationSet>, RetryPolicy),
    now: Timestamp,
) -> Submission {
    let id = MessageId::new(now);
    let reports = reports(&offer, set);
    let message = Message {
        id,
        workspace: offer.workspace,
        configuration_set: origin.domain.configuration_set,
        mail_from: offer.envelope_from,
        source: origin.from.as_str().to_owned(),
        subject: summary.subject,
        // RFC 6409 §8.3: a submission without a Message-ID is given one.
        header_message_id: summary
            .message_id
            .unwrap_or_else(|| format!("<{id}@{}>", origin.from.domain())),
        accepted_at: now,
        size: offer.body.len() as u64,
        // What the octets need counts, not what was declared: many clients declare 8BITMIME and
        // SMTPUTF8 for plain ASCII, which a host without either takes.
        eight_bit: summary.eight_bit,
        smtputf8: offer.smtputf8 && summary.eight_bit_header,
        received: offer.received,
        reports,
        instructions: Instructions {
            envid: offer.envid,
            ret: offer.ret,
            ..Instructions::default()
        },
    };
    Submission {
        message: Arc::new(message),
        deliveries: deliveries(offer.recipients, policy, now),
        body: offer.body,
        send_at: None,
        idempotency: None,
    }
}

/// Whether MAIL FROM gets reports: as the set says, else where the mail came by SMTP. Nobody is
/// told of mail from `<>`, nor of what we send ourselves (RFC 5321 §6.1).
fn reports(offer: &Offer, set: Option<&ConfigurationSet>) -> bool {
    let asked = set.and_then(|set| set.reports).unwrap_or(true);
    asked && offer.door == Door::Smtp && offer.envelope_from.mailbox().is_some()
}

/// One delivery for each different recipient; the first place of one counts. Two copies of a
/// message in one mailbox are never wanted, and the client can't tell them apart.
pub(crate) fn deliveries(
    recipients: Vec<Recipient>,
    policy: RetryPolicy,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let mut seen = HashSet::with_capacity(recipients.len());
    recipients
        .into_iter()
        .filter(|recipient| seen.insert(recipient.address.clone()))
        .map(|recipient| delivery(recipient, policy, now))
        .collect()
}

/// A new delivery. Its `retry_at` holds where the process dies during the first attempt, which
/// is then due again even where the policy allows no retry: nobody knows what came of it.
fn delivery(recipient: Recipient, policy: RetryPolicy, now: Timestamp) -> NewDelivery {
    let id = DeliveryId::new(now);
    let expires_at = now.after(policy.expire_after);
    let interval = jitter(id).apply(policy.interval(1));
    NewDelivery {
        id,
        recipient: recipient.address,
        retry_at: now.after(interval).min(expires_at),
        expires_at,
        report: recipient.report,
    }
}

/// The last 32 bits of a `UUIDv7` are random (RFC 9562 §5.7): enough to spread retries.
fn jitter(id: DeliveryId) -> Jitter {
    let [.., a, b, c, d] = *id.as_bytes();
    Jitter::from_bits(u32::from_be_bytes([a, b, c, d]))
}
