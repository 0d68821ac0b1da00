//! render: from a claimed delivery to what goes over the wire.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::render::Unsubscribe;
use postbell_mail::transfer::{Need, Unfit, fit_chunks, is_fit};
use postbell_mail::{Rendering, render};
use postbell_model::token::{Claim, Purpose};
use postbell_model::{Address, Domain, Message, Reply, ReversePath, SendingDomain};
use postbell_smtp::{DsnRequest, Extensions, Transaction};
use postbell_store::{Body, Directory, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use crate::board::Parcel;
use crate::pool::Pool;
use crate::stage::Stage;
use crate::track::{Order, Tracked, Unsubscribing};

/// How long a delivery waits for room in memory for its body.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits to be made to fit its host, with the connection open.
const PATIENCE: Duration = Duration::from_secs(30);
/// What has so few octets is made to fit where that is asked for: it takes a third of a millisecond.
const AT_ONCE: usize = 128 * 1024;

/// A message ready to be sent.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) transaction: Transaction,
    /// What was left alone of the message.
    pub(crate) tracking_notes: Vec<String>,
    /// The body's share of the memory; held until the transaction is over.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// Why there is no letter.
#[derive(Debug)]
pub(crate) enum Unready {
    /// There is no room in memory for its body.
    NoRoom,
    /// The message can't be read or rendered: what is said in the place of a host.
    Bad(Reply),
}

/// Room in memory.
#[derive(Debug)]
struct Room {
    permit: OwnedSemaphorePermit,
    /// The octets of the body, where they were read back from the disk.
    body: u64,
}

/// How many permits octets need.
fn kibibytes(octets: u64) -> u64 {
    octets.div_ceil(1024)
}

impl Room {
    /// What is left of it for a body with so many octets that were written anew.
    fn shrunk(mut self, written: usize) -> Option<OwnedSemaphorePermit> {
        let needed = kibibytes(self.body + written as u64);
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        let surplus = self.permit.num_permits().saturating_sub(needed);
        drop(self.permit.split(surplus));
        (self.permit.num_permits() > 0).then_some(self.permit)
    }
}

/// A message as one host takes it.
#[derive(Debug)]
struct Fitted {
    body: Vec<Bytes>,
    /// Whether it has octets over 127.
    eight_bit: bool,
}

/// The message with lines of a length that hosts take, and in ASCII for a host that takes no more
/// (RFC 6152 §3). Comes before signing, which covers what is sent.
async fn fitted(
    body: Vec<Bytes>,
    message: &Message,
    (host, pool): (&Extensions, &Pool),
) -> Result<Fitted, Unready> {
    let eight_bit = message.eight_bit && host.eight_bit_mime;
    let need = if message.eight_bit && !eight_bit {
        Need::SevenBit
    } else {
        Need::ShortLines
    };
    match fit(body, need, pool).await? {
        Ok(body) => Ok(Fitted { body, eight_bit }),
        Err(why) => Err(Unready::Bad(unfit(why, message))),
    }
}

async fn fit(
    body: Vec<Bytes>,
    need: Need,
    pool: &Pool,
) -> Result<Result<Vec<Bytes>, Unfit>, Unready> {
    let octets: usize = body.iter().map(Bytes::len).sum();
    if octets <= AT_ONCE || is_fit(&body, need) {
        return Ok(fit_chunks(body, need));
    }
    let fitting = pool.run(move || fit_chunks(body, need));
    match tokio::time::timeout(PATIENCE, fitting).await {
        Ok(Some(fitted)) => Ok(fitted),
        Ok(None) => {
            let text = "The message can't be made to fit its host";
            Err(Unready::Bad(Reply::new(451, 3, 0, text)))
        }
        Err(_) => Err(Unready::NoRoom),
    }
}

fn unfit(why: Unfit, message: &Message) -> Reply {
    match why {
        // RFC 6531 §3.5
        Unfit::Header if message.smtputf8 => Reply::new(
            553,
            6,
            7,
            "The message needs SMTPUTF8, which the host does not offer",
        ),
        // RFC 3463 §3.7, X.6.3: conversion required but not supported.
        why => Reply::new(
            554,
            6,
            3,
            format!("The host takes 7-bit messages alone, and this one is not: {why}"),
        ),
    }
}

impl Stage {
    /// Reads, tracks, renders and signs the message for this delivery and this host.
    pub(crate) async fn prepare(
        &self,
        parcel: &Parcel,
        host: &Extensions,
    ) -> Result<Letter, Unready> {
        let directory = self.tenants.directory();
        let sender = directory.sender_of(&parcel.claimed.message);
        let order = self.order(parcel, (&directory, sender));
        let (tracked, room) = match order {
            Some(order) => self.read_and_track(parcel, order).await?,
            None => {
                let (body, room) = self.body(parcel, 0).await?;
                (Tracked::untouched(body), room)
            }
        };
        let room = room.and_then(|room| room.shrunk(tracked.written));
        let around = (host, &self.pool);
        let fitted = fitted(tracked.body, &parcel.claimed.message, around).await?;
        let made = (&fitted, tracked.unsubscribing.as_ref());
        let rendered = self.render(parcel, (&directory, sender), made);
        let mut transaction = rendered.map_err(Unready::Bad)?;
        // Nothing changes an octet after this.
        transaction.body = self.sign(&parcel.claimed.message, transaction.body).await?;
        Ok(Letter {
            transaction,
            tracking_notes: tracked.notes,
            _room: room,
        })
    }

    /// The body with what is tracked of it, and the room for both.
    async fn read_and_track(
        &self,
        parcel: &Parcel,
        order: Order<'_>,
    ) -> Result<(Tracked, Option<Room>), Unready> {
        let asked = order.octets(order.asks());
        let (mut body, mut room) = self.body(parcel, asked).await?;
        let sought = self.sought(&order, &body).await?;
        let octets = order.octets(sought);
        if octets > asked {
            (body, room) = self.enlarge(parcel, (body, room), octets).await?;
        }
        let tracked = self.track(order, sought, body).await?;
        Ok((tracked, room))
    }

    /// Room for so many octets more than those of the body, which it turned out to need. Who waits holds
    /// none, and reads the body again.
    async fn enlarge(
        &self,
        parcel: &Parcel,
        (body, room): (Bytes, Option<Room>),
        octets: u64,
    ) -> Result<(Bytes, Option<Room>), Unready> {
        let held = room.as_ref().map_or(0, |room| room.permit.num_permits());
        let all = usize::try_from(self.permits_of_all()).unwrap_or(usize::MAX);
        let wanted = usize::try_from(kibibytes(octets)).unwrap_or(usize::MAX);
        let wanted = u32::try_from(wanted.min(all.saturating_sub(held))).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.body_room).try_acquire_many_owned(wanted);
        match (more, room) {
            (Ok(more), Some(mut room)) => {
                room.permit.merge(more);
                Ok((body, Some(room)))
            }
            (Ok(permit), None) => Ok((body, Some(Room { permit, body: 0 }))),
            (Err(_), room) => {
                drop((body, room));
                self.body(parcel, octets).await
            }
        }
    }

    /// The body, and room for what is read back of it and for so many octets that may be written anew.
    async fn body(&self, parcel: &Parcel, anew: u64) -> Result<(Bytes, Option<Room>), Unready> {
        let message = &parcel.claimed.message;
        let octets = match &parcel.claimed.body {
            Body::Memory(_) => 0,
            Body::Stored(_) => message.size.max(1),
        };
        let room = match octets + anew {
            0 => None,
            wanted => Some(Room {
                permit: self.room(wanted).await?,
                body: octets,
            }),
        };
        match &parcel.claimed.body {
            Body::Memory(body) => Ok((body.clone(), room)),
            Body::Stored(stored) => match self.bodies.body(*stored).await {
                Ok(body) => Ok((body, room)),
                Err(error) => Err(self.unreadable(parcel, &error)),
            },
        }
    }

    /// Room for so many octets, or all that there is. Asked for at once: who waits holds none.
    async fn room(&self, octets: u64) -> Result<OwnedSemaphorePermit, Unready> {
        let wanted = kibibytes(octets).min(self.permits_of_all());
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.body_room).acquire_many_owned(wanted);
        match tokio::time::timeout(ROOM_PATIENCE, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Unready::NoRoom),
        }
    }

    fn permits_of_all(&self) -> u64 {
        kibibytes(self.options.max_body_octets).max(1)
    }

    fn unreadable(&self, parcel: &Parcel, error: &StoreError) -> Unready {
        tracing::error!(
            error = error as &dyn std::error::Error,
            workspace.id = %parcel.claimed.message.workspace,
            message.id = %parcel.claimed.message.id,
            delivery.id = %parcel.claimed.delivery.id,
            "the body of a message can't be read"
        );
        Unready::Bad(Reply::new(451, 3, 0, "The stored message can't be read"))
    }

    fn render(
        &self,
        parcel: &Parcel,
        (directory, sender): (&Directory, Option<&SendingDomain>),
        (fitted, unsubscribing): (&Fitted, Option<&Unsubscribing>),
    ) -> Result<Transaction, Reply> {
        let (delivery, message) = (&parcel.claimed.delivery, &*parcel.claimed.message);
        let claim = claim(parcel);
        let reply_to = self.reply_address(sender, claim);
        let rendering = Rendering {
            message,
            body: &fitted.body,
            hostname: &self.options.hostname,
            header_token: &self.keys.sign(Purpose::Header, claim),
            reply_to: reply_to.as_ref().map(Address::as_str),
            unsubscribe: unsubscribing.map(|place| place as &dyn Unsubscribe),
        };
        let rendered = render(&rendering)
            .map_err(|error| Reply::new(554, 6, 0, format!("The message is malformed: {error}")))?;
        Ok(Transaction {
            from: self.return_path(directory, message, claim),
            to: delivery.recipient.clone(),
            body: rendered.chunks,
            eight_bit: fitted.eight_bit,
            smtputf8: message.smtputf8,
            dsn: DsnRequest {
                ret: message.instructions.ret,
                envid: message.instructions.envid.clone(),
                notify: delivery.report.notify,
                orcpt: delivery.report.orcpt.clone(),
            },
        })
    }

    /// Where bounces go: to us, with a token that names the delivery. `<>` stays `<>`.
    fn return_path(&self, directory: &Directory, message: &Message, claim: Claim) -> ReversePath {
        let ReversePath::Mailbox(mail_from) = &message.mail_from else {
            return ReversePath::Null;
        };
        let domain = own(directory, message, mail_from.domain())
            .or_else(|| own(directory, message, &domain_of_from(message)?));
        // A domain that was removed since has no host for bounces: they go to the sender.
        let Some(domain) = domain else {
            return message.mail_from.clone();
        };
        let token = self.keys.sign(Purpose::Bounce, claim);
        Address::new(&format!("bounce+{token}"), &domain.return_path_host)
            .map_or_else(|_| message.mail_from.clone(), ReversePath::Mailbox)
    }

    /// Where answers are caught: at the host of the sender's domain, where that catches them.
    fn reply_address(&self, sender: Option<&SendingDomain>, claim: Claim) -> Option<Address> {
        let domain = sender.filter(|domain| self.options.inbound_open && domain.reply_capture)?;
        let token = self.keys.sign(Purpose::Reply, claim);
        Address::new(&format!("reply+{token}"), &domain.reply_host).ok()
    }
}

/// Whose delivery it is, for tokens.
pub(crate) fn claim(parcel: &Parcel) -> Claim {
    Claim {
        workspace: parcel.claimed.message.workspace,
        delivery: parcel.claimed.delivery.id,
    }
}

/// A domain, while it is one of the message's workspace.
fn own<'a>(
    directory: &'a Directory,
    message: &Message,
    name: &Domain,
) -> Option<&'a SendingDomain> {
    let domain = directory.domain(name);
    domain.filter(|domain| domain.workspace == message.workspace)
}

fn domain_of_from(message: &Message) -> Option<Domain> {
    let source = Address::parse(&message.source).ok()?;
    Some(source.domain().clone())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn room_that_is_not_needed_is_given_back() {
        let all = Arc::new(Semaphore::new(100));
        let room = |body| Room {
            permit: Arc::clone(&all).try_acquire_many_owned(50).unwrap(),
            body,
        };
        for (body, written, needed) in [(10_000, 5_000, 15), (0, 0, 0), (0, 1, 1), (1 << 30, 0, 50)]
        {
            let kept = room(body).shrunk(written);
            let permits = kept.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            assert_eq!((permits, all.available_permits()), (needed, 100 - needed));
        }
    }

    #[tokio::test]
    async fn what_is_large_is_made_to_fit_while_others_are_served() {
        let pool = Pool::new(Some(1));
        let head = "From: <ann@sender.example>\r\n\r\n";
        for (line, times, at_once) in [
            ("a line\r\n", 40_000, true),
            ("long ", 1_000, true),
            ("long ", 40_000, false),
        ] {
            let body = Bytes::from(format!("{head}{}\r\n", line.repeat(times)));
            let turns = pool.all_turns();
            let mut fitting = Box::pin(fit(vec![body], Need::ShortLines, &pool));
            let fitted = (&mut fitting).now_or_never();
            assert_eq!(fitted.is_some(), at_once, "{line} {times}");
            drop(turns);
            let fitted = match fitted {
                Some(fitted) => fitted,
                None => fitting.await,
            };
            assert!(is_fit(&fitted.unwrap().unwrap(), Need::ShortLines));
        }
    }
}
