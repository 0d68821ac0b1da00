//! The steps of a message that comes in, in their order.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::header::Header;
use postbell_model::{DmarcPolicy, InboundId, InboundMail, Timestamp};
use postbell_store::{NewInbound, Reception, Sent, StoreError, Taken};

use super::correlate::{self, Clues, Match};
use super::judge::{self, Case, Outcome};
use super::metrics::Tally;
use super::reading::Reading;
use super::recipient::{InboundRecipient, Place};
use super::trace::{self, Kept};
use super::{Arrival, InboundGate, InboundRefusal, policy};
use crate::apart::in_place;

/// How long is searched for what a report is about; its client waits for so long.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// Searches at one time: each may read many messages.
pub(super) const SEARCHES: usize = 2;

impl InboundGate {
    pub(super) async fn pass(&self, arrival: Arrival) -> Result<Vec<InboundId>, InboundRefusal> {
        let mut arrival = Arrival {
            recipients: once_each(arrival.recipients),
            ..arrival
        };
        let options = self.options.load_full();
        let now = self.clock.now();
        let ids = arrival.recipients.iter().map(|_| InboundId::new(now));
        let ids: Vec<_> = ids.collect();
        let first = *ids.first().ok_or(InboundRefusal::NoRecipients)?;
        check_hops(&arrival.body, options.max_hops)?;
        let asked = policy::hold(&arrival, first)?;
        let kept = trace::kept(&arrival, &options.hostname, first, now);
        let kept = kept.map_err(InboundRefusal::Header)?;
        // There is one copy from here on.
        arrival.body = Bytes::new();
        let incoming = Incoming {
            arrival: &arrival,
            ids: &ids,
            asked,
            at: now,
        };
        let reception = self.understand(&incoming, kept).await;
        let reception = reception.map_err(|error| not_stored(first, &error))?;
        self.commit(reception, &arrival).await?;
        Ok(ids)
    }

    /// What a message says, for all of its recipients.
    async fn understand(
        &self,
        incoming: &Incoming<'_>,
        kept: Kept,
    ) -> Result<Reception, StoreError> {
        let arrival = incoming.arrival;
        let found = &arrival.authentication;
        let size = kept.octets.len();
        let reading = in_place(size, || {
            let mail_from = &arrival.mail_from;
            Reading::of(&kept.given, mail_from, found, &self.reader.load())
        });
        let known = self.look_up(&reading, incoming).await?;
        let case = Case {
            reading: &reading,
            mail_from: &arrival.mail_from,
            authentication: found,
            asked: incoming.asked,
            matches: &known.matches,
        };
        let addressed = arrival.recipients.iter().zip(incoming.ids);
        let judged = addressed.zip(&known.sent);
        let judged = judged.map(|((to, id), sent)| case.judge(to, sent.as_ref(), *id));
        let mut outcomes: Vec<_> = in_place(size, || judged.collect());
        judge::say_once(&mut outcomes);
        let addressed = arrival.recipients.iter().zip(incoming.ids);
        let mails = addressed.zip(outcomes).map(|((to, id), outcome)| {
            let mail = incoming.mail(&reading, to, *id, &outcome, size as u64);
            NewInbound {
                mail,
                facts: outcome.facts,
                forward: outcome.forward,
            }
        });
        Ok(Reception {
            mails: mails.collect(),
            body: kept.octets,
        })
    }

    /// Reads what the store knows of the deliveries that the message may be about.
    async fn look_up(
        &self,
        reading: &Reading<'_>,
        incoming: &Incoming<'_>,
    ) -> Result<Known, StoreError> {
        let mut known = Known::default();
        let mut is_untokened = false;
        for to in &incoming.arrival.recipients {
            let sent = match &to.place {
                Place::Token(_, claim) => self.inbound.sent(claim.delivery).await?,
                Place::Role(_) | Place::Mailbox(_) => {
                    is_untokened = true;
                    None
                }
            };
            known.sent.push(sent);
        }
        if is_untokened && let Some(clues) = Clues::of(&reading.says) {
            known.matches = self.find(&clues, incoming).await?;
        }
        Ok(known)
    }

    /// The deliveries that a report or complaint is about. Those that are not found in time are
    /// not found: whoever likes can send reports about messages that never were.
    async fn find(
        &self,
        clues: &Clues<'_>,
        incoming: &Incoming<'_>,
    ) -> Result<Vec<Match>, StoreError> {
        let store = self.inbound.as_ref();
        if let Some(found) = correlate::by_token(clues, store, &self.keys).await? {
            return Ok(vec![found]);
        }
        let search = async {
            let _turn = self.searches.acquire().await;
            correlate::by_message_id(clues, store, incoming.at).await
        };
        let found = tokio::time::timeout(SEARCH_MAX, search).await;
        found.unwrap_or_else(|_| {
            let id = incoming.ids.first();
            tracing::warn!(
                inbound.id = id.map(tracing::field::display),
                "what a report is about was not found in time; it is kept without a delivery"
            );
            Ok(Vec::new())
        })
    }

    async fn commit(&self, reception: Reception, arrival: &Arrival) -> Result<(), InboundRefusal> {
        let tally = Tally::of(&reception);
        let Some(first) = reception.mails.first().map(|new| new.mail.id) else {
            return Err(InboundRefusal::NoRecipients);
        };
        let outcome = self.inbound.receive(vec![reception]).await.pop();
        let taken = outcome.unwrap_or_else(unanswered);
        let taken = taken.map_err(|error| not_stored(first, &error))?;
        self.metrics.stored(&tally, taken);
        let kinds: Vec<_> = tally.kinds.iter().map(|kind| kind.name()).collect();
        let from = arrival.mail_from.mailbox();
        tracing::info!(
            inbound.id = %first,
            inbound.kinds = kinds.join(" "),
            events = taken.recorded,
            left_out = taken.left_out,
            sender.domain = from.map_or("", |from| from.domain().as_str()),
            peer.ip = %arrival.peer,
            size_bytes = tally.size,
            "a message came in"
        );
        Ok(())
    }
}

/// What is certain of a message before it was read.
#[derive(Debug)]
struct Incoming<'a> {
    arrival: &'a Arrival,
    /// One for each recipient.
    ids: &'a [InboundId],
    asked: DmarcPolicy,
    at: Timestamp,
}

impl Incoming<'_> {
    fn mail(
        &self,
        reading: &Reading<'_>,
        to: &InboundRecipient,
        id: InboundId,
        outcome: &Outcome,
        size: u64,
    ) -> InboundMail {
        InboundMail {
            id,
            workspace: outcome.workspace,
            delivery: outcome.delivery,
            kind: outcome.kind,
            at: self.at,
            peer: self.arrival.peer,
            mail_from: self.arrival.mail_from.clone(),
            recipient: to.address.clone(),
            from: reading.from.address.clone(),
            subject: reading.subject.clone(),
            header_message_id: reading.thread.message_id.clone(),
            size,
        }
    }
}

/// What the store knows.
#[derive(Debug, Default)]
struct Known {
    /// The delivery of each recipient's token.
    sent: Vec<Option<Sent>>,
    /// What untokened mail is about.
    matches: Vec<Match>,
}

/// The recipients, each once.
fn once_each(mut recipients: Vec<InboundRecipient>) -> Vec<InboundRecipient> {
    let mut seen = HashSet::with_capacity(recipients.len());
    recipients.retain(|to| {
        let local = to.address.plain_local_part().to_lowercase();
        // A token is the same at any host.
        let host = match to.place {
            Place::Token(..) => None,
            Place::Role(_) | Place::Mailbox(_) => Some(to.address.domain().clone()),
        };
        seen.insert((local, host))
    });
    recipients
}

// RFC 5321 §6.3: a message with many Received fields goes in circles.
fn check_hops(body: &Bytes, max: usize) -> Result<(), InboundRefusal> {
    let header = Header::find(body).map_err(InboundRefusal::Header)?;
    let hops = header.fields().filter(|field| field.is("Received")).count();
    if hops >= max {
        return Err(InboundRefusal::Loop(hops));
    }
    Ok(())
}

/// The refusal for what the store can't do now.
fn not_stored(id: InboundId, error: &StoreError) -> InboundRefusal {
    // The client is told, and the store says once what is the matter: a line for each would only
    // add to it.
    if !matches!(error, StoreError::Busy | StoreError::Full) {
        tracing::error!(
            inbound.id = %id,
            error = error as &dyn std::error::Error,
            "a message that came in was not stored"
        );
    }
    InboundRefusal::of_store(error)
}

/// A store that answers nothing has promised nothing.
fn unanswered() -> Result<Taken, StoreError> {
    Err(StoreError::Refused("the store gave no answer".into()))
}
