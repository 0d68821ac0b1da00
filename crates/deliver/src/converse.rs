//! converse: one delivery on one connection.

use std::time::Duration;

use postbell_model::{HostTry, Phase, Reply, Timestamp};
use postbell_smtp::{ClientStep, TransactionEnd};

use crate::board::InHand;
use crate::connect::Connection;
use crate::outcome::{may_try_next_host, unsent};
use crate::render::Unready;
use crate::stage::Stage;

/// When a delivery is due again for whose body there was no room.
const AFTER_NO_ROOM: Duration = Duration::from_secs(30);

/// An attempt under way.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) in_hand: InHand,
    pub(crate) started_at: Timestamp,
    pub(crate) tries: Vec<HostTry>,
    /// Whether it has met a connection that the host had given up already.
    pub(crate) retried: bool,
    /// What was left alone of its message.
    pub(crate) tracking_notes: Vec<String>,
}

impl Task {
    /// What the order of the hosts is drawn from.
    pub(crate) fn seed(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = *self.in_hand.claimed.delivery.id.as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// How a delivery fared on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its last try decides the attempt.
    Decided { reusable: bool, from_peer: bool },
    /// The host gave out, and another one may be tried.
    GaveOut,
    /// The host had given up the connection before it heard of this delivery.
    Stale,
    /// It was not tried.
    NoRoom { after: Duration },
}

impl Stage {
    /// Renders the delivery's message and hands it to the host.
    pub(crate) async fn converse(&self, connection: &mut Connection, task: &mut Task) -> Ending {
        let letter = match self
            .prepare(&task.in_hand, &connection.session.extensions())
            .await
        {
            Ok(letter) => letter,
            Err(Unready::NoRoom) => {
                return Ending::NoRoom {
                    after: AFTER_NO_ROOM,
                };
            }
            Err(Unready::Bad(reply)) => {
                let tried = unsent(task.in_hand.domain(), Phase::Render, reply);
                task.tries.push(tried);
                return Ending::Decided {
                    reusable: true,
                    from_peer: false,
                };
            }
        };
        task.tracking_notes = letter.tracking_notes;
        let asks = letter.transaction.dsn.notify.is_some();
        connection.session.send(letter.transaction);
        let end = transaction_end(connection).await;
        let was_reused = connection.served > 0;
        connection.served += 1;
        if was_reused && !task.retried && is_stale(&end, connection.session.has_timed_out()) {
            return Ending::Stale;
        }
        let mut tried = connection.to_try(end.phase, end.reply, end.from_peer);
        tried.dsn = asks && tried.phase == Phase::Message && connection.session.offers_dsn();
        let gave_out = !end.reusable && may_try_next_host(&tried);
        task.tries.push(tried);
        if gave_out {
            return Ending::GaveOut;
        }
        Ending::Decided {
            reusable: end.reusable,
            from_peer: end.from_peer,
        }
    }
}

async fn transaction_end(connection: &mut Connection) -> TransactionEnd {
    loop {
        match connection.session.run().await {
            // Left over from before the transaction.
            ClientStep::Ready => {}
            ClientStep::Done(end) => return end,
            ClientStep::Failed {
                phase,
                reply,
                from_peer,
            } => return ended(phase, reply, from_peer),
            ClientStep::Read | ClientStep::Write(_) | ClientStep::StartTls | ClientStep::Close => {
                let reply = Reply::new(451, 4, 2, "The session had ended");
                return ended(Phase::Mail, reply, false);
            }
        }
    }
}

const fn ended(phase: Phase, reply: Reply, from_peer: bool) -> TransactionEnd {
    TransactionEnd {
        phase,
        reply,
        from_peer,
        reusable: false,
    }
}

/// Whether a connection that had been used before ended because of its age: it was closed, or
/// closed with a 421, before anything was said about this delivery.
fn is_stale(end: &TransactionEnd, timed_out: bool) -> bool {
    let goodbye = !end.from_peer || end.reply.code == 421;
    end.phase == Phase::Mail && !end.reusable && goodbye && !timed_out
}
