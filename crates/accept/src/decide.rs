//! What is decided about a message that may come in: ids, configuration set, retry times.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use postbell_mail::Summary;
use postbell_model::message::Received;
use postbell_model::retry::Jitter;
use postbell_model::{
    ConfigurationSet, ConfigurationSetId, DeliveryId, Instructions, Message, MessageId,
    RetryPolicy, Timestamp,
};
use postbell_store::{IdempotencyKey, NewDelivery, Submission};

use crate::gate::{AcceptOptions, Door, Offer, Recipient};
use crate::instructions::Asked;
use crate::message::Origin;

/// What a message is accepted on.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) set_id: ConfigurationSetId,
    pub(crate) set: Option<&'a ConfigurationSet>,
    pub(crate) options: &'a AcceptOptions,
    pub(crate) now: Timestamp,
}

impl Terms<'_> {
    /// How the message is retried: as its set says, and no longer than was asked for.
    fn policy(&self, asked: Option<Duration>) -> RetryPolicy {
        let policy = self.options.retry.of_set(self.set);
        let longest = policy.expire_after;
        RetryPolicy {
            expire_after: asked.map_or(longest, |asked| asked.min(longest)),
            ..policy
        }
    }

    /// How the message came, as it is told.
    fn received(&self, received: Received) -> Received {
        if !self.options.hide_client {
            return received;
        }
        // Deviation: RFC 5321 §4.4 has the client in the Received field. What it is called and
        // where it stands is often nobody's business but its owner's.
        Received {
            helo: String::new(),
            peer: None,
            ..received
        }
    }

    /// A client's key, such that it can't be one of our own.
    fn client_key(&self, key: &str) -> IdempotencyKey {
        IdempotencyKey {
            key: format!("c:{key}"),
            until: self.now.after(self.options.keep_keys),
        }
    }
}

/// The message and its deliveries, as they are stored.
pub(crate) fn submission(
    offer: Offer,
    summary: Summary,
    asked: Asked,
    terms: &Terms<'_>,
) -> Submission {
    let now = terms.now;
    let id = MessageId::new(now);
    let reports = reports(&offer, terms.set);
    let policy = terms.policy(asked.expire_after);
    // What was to be sent before is sent at once.
    let send_at = asked.send_at.filter(|&send_at| send_at > now);
    let times = Times {
        accepted: now,
        released: send_at.unwrap_or(now),
    };
    let message = Message {
        id,
        workspace: offer.workspace,
        configuration_set: terms.set_id,
        mail_from: offer.envelope_from,
        source: terms.origin.from.as_str().to_owned(),
        subject: summary.subject,
        // RFC 6409 §8.3: a submission without a Message-ID is given one.
        header_message_id: summary
            .message_id
            .unwrap_or_else(|| format!("<{id}@{}>", terms.origin.from.domain())),
        accepted_at: now,
        size: offer.body.len() as u64,
        // What the octets need counts, not what was declared: many clients declare 8BITMIME and
        // SMTPUTF8 for plain ASCII, which a host without either takes.
        eight_bit: summary.eight_bit,
        smtputf8: offer.smtputf8 && summary.eight_bit_header,
        received: terms.received(offer.received),
        reports,
        instructions: Instructions {
            envid: offer.envid,
            ret: offer.ret,
            ..asked.instructions
        },
        forward: None,
    };
    Submission {
        message: Arc::new(message),
        credential: offer.credential,
        deliveries: deliveries(offer.recipients, policy, &times),
        body: offer.body,
        send_at,
        idempotency: asked.idempotency_key.map(|key| terms.client_key(&key)),
    }
}

/// Whether MAIL FROM gets reports: as the set says, else where the mail came by SMTP. Nobody is
/// told of mail from `<>`, nor of what we send ourselves (RFC 5321 §6.1).
fn reports(offer: &Offer, set: Option<&ConfigurationSet>) -> bool {
    let asked = set.and_then(|set| set.reports).unwrap_or(true);
    asked && offer.door == Door::Smtp && offer.envelope_from.mailbox().is_some()
}

/// From when on ids, and from when on retries count.
pub(crate) struct Times {
    accepted: Timestamp,
    released: Timestamp,
}

impl Times {
    /// Mail that is sent at once.
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self {
            accepted: now,
            released: now,
        }
    }
}

/// One delivery for each different recipient; the first place of one counts. Two copies of a
/// message in one mailbox are never wanted, and the client can't tell them apart.
pub(crate) fn deliveries(
    recipients: Vec<Recipient>,
    policy: RetryPolicy,
    times: &Times,
) -> Vec<NewDelivery> {
    let mut seen = HashSet::with_capacity(recipients.len());
    recipients
        .into_iter()
        .filter(|recipient| seen.insert(recipient.address.clone()))
        .map(|recipient| delivery(recipient, policy, times))
        .collect()
}

/// A new delivery. Its `retry_at` holds where the process dies during the first attempt, which
/// is then due again even where the policy allows no retry: nobody knows what came of it.
fn delivery(recipient: Recipient, policy: RetryPolicy, times: &Times) -> NewDelivery {
    let id = DeliveryId::new(times.accepted);
    let expires_at = times.released.after(policy.expire_after);
    let interval = jitter(id).apply(policy.interval(1));
    NewDelivery {
        id,
        recipient: recipient.address,
        retry_at: times.released.after(interval).min(expires_at),
        expires_at,
        report: recipient.report,
        ends_with: None,
    }
}

/// The last 32 bits of a `UUIDv7` are random (RFC 9562 §5.7): enough to spread retries.
fn jitter(id: DeliveryId) -> Jitter {
    let [.., a, b, c, d] = *id.as_bytes();
    Jitter::from_bits(u32::from_be_bytes([a, b, c, d]))
}
