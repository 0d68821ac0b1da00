//! What is said at the inbound door: which addresses are ours, and what becomes of a message.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_accept::inbound::{Arrival, InboundGate, InboundRecipient, InboundRefusal};
use postbell_model::{Address, Authentication, Clock, Domain, InboundId, Reply};
use postbell_net::Resolver;
use postbell_smtp::{Answer, Ask, Envelope, Incoming, Server};
use tokio::time::timeout;
use tracing::{debug, error, info};

use super::InboundDoorOptions;
use super::crowd::{Crowd, Places, Source};
use super::listed::list_of;
use super::room::{Memory, Room};
use crate::door::{Conversation, Turns, in_turn, transmission};
use crate::{DoorMetrics, Origin, SenderVerifier};

// RFC 5321 §4.5.3.2.6: clients wait ten minutes for the reply to the final dot. Half of that is
// far more than a commit takes, and the client still hears of it.
const RECEIVE_LIMIT: Duration = Duration::from_secs(300);

/// Who has to hear even those that are on a list (RFC 5321 §4.5.1, RFC 2142 §4).
const FOR_ALL: [&str; 2] = ["postmaster", "abuse"];

/// What all conversations share.
pub(super) struct Shared {
    pub(super) gate: Arc<InboundGate>,
    pub(super) verifier: SenderVerifier,
    pub(super) resolver: Resolver,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) crowd: Crowd,
    pub(super) memory: Arc<Memory>,
    /// How many messages may occupy a processor.
    pub(super) turns: Arc<Turns>,
    pub(super) metrics: DoorMetrics,
}

/// With one client.
pub(super) struct Bringing {
    shared: Arc<Shared>,
    options: Arc<InboundDoorOptions>,
    ip: IpAddr,
    source: Source,
    listing: Listing,
    /// Those of the message that is under way.
    recipients: Vec<InboundRecipient>,
    /// Recipients that nobody here has.
    unknown: u32,
    room: Room,
    messages: u32,
    _places: Places,
}

/// Whether a list has the client's address.
#[derive(Debug)]
enum Listing {
    /// Nobody has asked yet.
    Unasked,
    No,
    By(Domain),
}

/// A refusal, and why for whoever counts them.
#[derive(Debug)]
struct Refused {
    /// `None`: it was counted.
    reason: Option<&'static str>,
    reply: Reply,
}

impl Conversation for Bringing {
    async fn decide(&mut self, ask: Ask, _: &Server) -> Answer {
        let decided = match ask {
            Ask::Mail { size, .. } => self.check_sender(size),
            Ask::Rcpt { to } => self.check_recipient(&to).await,
            Ask::Message(incoming) => match self.receive(incoming).await {
                Ok(taken) => return Answer::Reply(taken),
                Err(refused) => Err(refused),
            },
            // The machine offers no AUTH here.
            Ask::Login { .. } | Ask::ScramChallenge { .. } | Ask::ScramProof { .. } => {
                let reply = Reply::new(502, 5, 1, "Command not offered");
                return Answer::Reply(reply);
            }
        };
        self.answer(decided)
    }

    fn make_room(&mut self, octets: usize) -> Result<(), Reply> {
        if self.room.grow(octets) {
            return Ok(());
        }
        self.shared.metrics.refused(NO_ROOM);
        Err(no_room(421))
    }

    fn let_go(&mut self) {
        self.room.free();
    }

    fn forget(&mut self) {
        self.recipients = Vec::new();
        self.room.free();
    }

    fn messages(&self) -> u32 {
        self.messages
    }
}

impl Bringing {
    /// With a client of this address.
    pub(super) fn new(
        shared: Arc<Shared>,
        options: Arc<InboundDoorOptions>,
        ip: IpAddr,
        places: Places,
    ) -> Self {
        let most = options.limits.max_message_size;
        Self {
            room: Room::new(Arc::clone(&shared.memory), most),
            shared,
            options,
            ip,
            source: Source::of(ip),
            listing: Listing::Unasked,
            recipients: Vec::new(),
            unknown: 0,
            messages: 0,
            _places: places,
        }
    }

    /// What the client is told; what was refused is counted.
    fn answer(&self, decided: Result<(), Refused>) -> Answer {
        let Err(Refused { reason, reply }) = decided else {
            return Answer::Accept;
        };
        debug!(
            smtp.code = reply.code,
            smtp.enhanced = reply.enhanced.map(tracing::field::display),
            "refused: {reply}"
        );
        if let Some(reason) = reason {
            self.shared.metrics.refused(reason);
        }
        Answer::Reply(reply)
    }

    /// Any sender will do, nobody too: who it is is found out when the message is there.
    fn check_sender(&mut self, size: Option<u64>) -> Result<(), Refused> {
        self.recipients.clear();
        let shared = &self.shared;
        shared.gate.admit().map_err(|refusal| refused(&refusal))?;
        let now = shared.clock.monotonic();
        let begun = shared.crowd.begin(self.source, &self.options.limits, now);
        begun.map_err(too_fast)?;
        if !shared.memory.has(size.unwrap_or(0)) {
            return Err(Refused {
                reason: Some(NO_ROOM),
                reply: no_room(452),
            });
        }
        Ok(())
    }

    async fn check_recipient(&mut self, to: &Address) -> Result<(), Refused> {
        let now = self.shared.clock.monotonic();
        let (crowd, limits) = (&self.shared.crowd, &self.options.limits);
        let counted = crowd.add_recipient(self.source, limits, now);
        counted.map_err(too_fast)?;
        // Before the address is looked at: who is on a list learns nothing of who is here.
        self.refuse_listed(to).await?;
        let recipient = match self.shared.gate.resolve(to) {
            Ok(recipient) => recipient,
            Err(refusal) => return Err(self.unknown(&refusal)),
        };
        if let Some(first) = self.recipients.first()
            && !first.goes_with(&recipient)
        {
            return Err(refused(&InboundRefusal::Apart));
        }
        self.recipients.push(recipient);
        Ok(())
    }

    /// An address that is none of ours. Who names many of them is guessing.
    fn unknown(&mut self, refusal: &InboundRefusal) -> Refused {
        self.unknown += 1;
        if self.unknown <= self.options.limits.max_unknown_recipients {
            return Refused {
                // The gate has counted it.
                reason: None,
                reply: refusal.reply(),
            };
        }
        info!("the client has named too many recipients that nobody here has");
        Refused {
            reason: Some("too_many_unknown"),
            reply: Reply::new(421, 7, 0, "Too many unknown recipients, goodbye"),
        }
    }

    async fn refuse_listed(&mut self, to: &Address) -> Result<(), Refused> {
        let local = to.plain_local_part();
        if FOR_ALL.iter().any(|name| name.eq_ignore_ascii_case(&local)) {
            return Ok(());
        }
        if matches!(self.listing, Listing::Unasked) {
            let zones = &self.options.dnsbl;
            let list = list_of(&self.shared.resolver, zones, self.ip).await;
            self.listing = list.map_or(Listing::No, |zone| Listing::By(zone.clone()));
        }
        let Listing::By(zone) = &self.listing else {
            return Ok(());
        };
        let ip = self.ip;
        let text = format!("Mail from {ip} is not taken: it is listed by {zone}");
        Err(Refused {
            reason: Some("listed"),
            // RFC 5321 §3.3: 554 where the client itself is not wanted; RFC 3463 §3.8: X.7.1.
            reply: Reply::new(554, 7, 1, text),
        })
    }

    /// Finds out who a message is from and hands it to the gate; the reply is a promise.
    async fn receive(&mut self, incoming: Incoming) -> Result<Reply, Refused> {
        let recipients = std::mem::take(&mut self.recipients);
        match timeout(RECEIVE_LIMIT, self.hand_over(incoming, recipients)).await {
            Ok(Ok(ids)) => {
                self.messages += 1;
                // The first leads to the others.
                let id = ids.first().map(ToString::to_string).unwrap_or_default();
                Ok(Reply::new(250, 0, 0, format!("Accepted as {id}")))
            }
            Ok(Err(refusal)) => Err(Refused {
                // The gate has counted it.
                reason: None,
                reply: refusal.reply(),
            }),
            Err(_) => {
                error!("a message was not stored within {RECEIVE_LIMIT:?}");
                Err(refused(&InboundRefusal::NotStored))
            }
        }
    }

    async fn hand_over(
        &self,
        Incoming { envelope, body }: Incoming,
        recipients: Vec<InboundRecipient>,
    ) -> Result<Vec<InboundId>, InboundRefusal> {
        let authentication = self.verify(&envelope, &body).await;
        let arrival = Arrival {
            with: transmission(&envelope),
            mail_from: envelope.from,
            recipients,
            helo: envelope.helo,
            peer: self.ip,
            smtputf8: envelope.smtputf8,
            authentication,
            body,
        };
        in_turn(&self.shared.turns, self.shared.gate.receive(arrival)).await
    }

    /// Who a message is from, as far as that can be found out in the verifier's time.
    async fn verify(&self, envelope: &Envelope, body: &Bytes) -> Authentication {
        if !self.options.verify {
            return Authentication::default();
        }
        let from = Origin {
            ip: self.ip,
            helo: envelope.helo.clone(),
            mail_from: envelope.from.clone(),
        };
        in_turn(&self.shared.turns, self.shared.verifier.verify(&from, body)).await
    }
}

/// The name in metrics of memory that is used up.
const NO_ROOM: &str = "no_room";

// RFC 3463 §3.4: X.3.1, mail system full.
fn no_room(code: u16) -> Reply {
    let text = "Too much mail is coming in; try again in a minute";
    Reply::new(code, 3, 1, text)
}

const fn too_fast(reply: Reply) -> Refused {
    Refused {
        reason: Some("rate"),
        reply,
    }
}

fn refused(refusal: &InboundRefusal) -> Refused {
    Refused {
        reason: Some(refusal.name()),
        reply: refusal.reply(),
    }
}
