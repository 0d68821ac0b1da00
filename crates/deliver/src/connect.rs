//! connect: from a route to a session that is ready, host by host (RFC 5321 §5.1).

use std::collections::VecDeque;
use std::net::SocketAddr;

use postbell_model::{HostTry, Phase, Reply, Timestamp};
use postbell_smtp::ClientStep;

use crate::plan::{Route, Target};
use crate::session::Session;
use crate::stage::Stage;

/// The hosts that are left to try in one attempt, and what was said so far.
#[derive(Debug, Default)]
pub(crate) struct Round {
    targets: VecDeque<Target>,
    /// How many more hosts may greet us.
    sessions: usize,
    /// The tries that failed.
    pub(crate) tries: Vec<HostTry>,
    pub(crate) started_at: Timestamp,
}

/// A session that is ready for a transaction.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) target: Target,
    /// Transactions on it so far.
    pub(crate) served: u32,
}

impl Connection {
    /// A try at this host.
    pub(crate) fn to_try(&self, phase: Phase, reply: Reply, from_peer: bool) -> HostTry {
        tried(&self.target, phase, reply, from_peer)
    }
}

fn tried(target: &Target, phase: Phase, reply: Reply, from_peer: bool) -> HostTry {
    HostTry {
        host: target.host.clone(),
        ip: Some(target.ip),
        tls: None,
        phase,
        reply,
        from_peer,
    }
}

impl Stage {
    /// The beginning of an attempt at a route.
    pub(crate) fn begin_round(&self, route: &Route, seed: u64) -> Round {
        let mut count = 0_u64;
        let targets = route.shuffled(|| {
            count += 1;
            self.dice.roll(&(seed, count))
        });
        Round {
            targets: targets
                .into_iter()
                .take(self.options.max_addresses)
                .collect(),
            sessions: self.options.max_sessions,
            tries: Vec::new(),
            started_at: self.clock.now(),
        }
    }

    /// Goes on to the first of the hosts left that is ready for mail.
    pub(crate) async fn connect(&self, round: &mut Round) -> Option<Connection> {
        while round.sessions > 0 {
            let target = round.targets.pop_front()?;
            match self.dial(&target).await {
                Ok(session) => {
                    round.sessions -= 1;
                    return Some(Connection {
                        session,
                        target,
                        served: 0,
                    });
                }
                Err(stumble) => {
                    round.sessions -= usize::from(stumble.from_peer);
                    round.tries.push(stumble);
                }
            }
        }
        None
    }

    async fn dial(&self, target: &Target) -> Result<Session, HostTry> {
        let limit = self.options.timeouts.connect;
        let addr = SocketAddr::new(target.ip, self.options.smtp_port);
        let stream = postbell_net::connect(addr, &self.guard, self.options.source_address, limit)
            .await
            // RFC 3463 §3.5: X.4.1, no answer from host.
            .map_err(|error| {
                let reply = Reply::new(451, 4, 1, error.to_string());
                tried(target, Phase::Connect, reply, false)
            })?;
        let mut session = Session::new(stream, self.client.clone());
        match session.run().await {
            ClientStep::Ready => Ok(session),
            ClientStep::Failed {
                phase,
                reply,
                from_peer,
            } => {
                session.quit().await;
                Err(tried(target, phase, reply, from_peer))
            }
            told => {
                let reply = Reply::new(451, 5, 0, format!("Unexpected end of session: {told:?}"));
                Err(tried(target, Phase::Greeting, reply, false))
            }
        }
    }
}

impl Round {
    /// An attempt at all hosts but the one at `target`, which has greeted and then given out.
    pub(crate) fn without(mut self, target: &Target) -> Self {
        self.targets.retain(|other| other != target);
        self.sessions = self.sessions.saturating_sub(1);
        self
    }

    /// Whether another host may be tried.
    pub(crate) fn has_more(&self) -> bool {
        self.sessions > 0 && !self.targets.is_empty()
    }
}
