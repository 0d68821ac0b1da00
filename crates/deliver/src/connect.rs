//! connect: from a route to a session that is ready, host by host (RFC 5321 §5.1), secured where
//! the host can (RFC 3207).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use postbell_model::attempt::PlaintextReason;
use postbell_model::{Egress, HostTry, Phase, Reply, Timestamp};
use postbell_smtp::{ClientOptions, ClientStep, Security, StartTls};

use postbell_net::Guard;
use postbell_net::trace::{Role, SessionTrace};

use crate::TlsPolicy;
use crate::plan::{Route, SiteKey, Target};
use crate::relay::Relay;
use crate::session::Session;
use crate::stage::Stage;

/// The hosts that are left to try in one attempt, and what was said so far.
#[derive(Debug, Default)]
pub(crate) struct Round {
    targets: VecDeque<Target>,
    /// How the connections leave; `None`: as configured.
    egress: Option<Arc<Egress>>,
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
    /// Why it is not secured, where the host offers to.
    plaintext: Option<PlaintextReason>,
    /// Transactions on it so far.
    pub(crate) served: u32,
}

impl Connection {
    /// A try at this host.
    pub(crate) fn to_try(&self, phase: Phase, reply: Reply, from_peer: bool) -> HostTry {
        let phase = self.target.phase_of(phase, &reply);
        HostTry {
            tls: self.session.tls().cloned(),
            plaintext: self.plaintext,
            ..tried(&self.target, phase, reply, from_peer)
        }
    }
}

/// How a connection is made.
struct Leaving {
    client: Arc<ClientOptions>,
    source: Option<IpAddr>,
}

/// Why there is no session with a host.
enum Stumble {
    /// It is of no use.
    Host(HostTry),
    /// Its TLS is.
    Tls(HostTry),
}

fn tried(target: &Target, phase: Phase, reply: Reply, from_peer: bool) -> HostTry {
    HostTry {
        host: target.host.clone(),
        ip: Some(target.ip),
        tls: None,
        plaintext: None,
        phase,
        reply,
        from_peer,
        dsn: false,
    }
}

impl Stage {
    /// The beginning of an attempt at a route.
    pub(crate) fn begin_round(&self, site: &SiteKey, route: &Route, seed: u64) -> Round {
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
            egress: site.egress().cloned(),
            sessions: self.options.max_sessions,
            tries: Vec::new(),
            started_at: self.clock.now(),
        }
    }

    /// Goes on to the first of the hosts left that is ready for mail.
    pub(crate) async fn connect(&self, round: &mut Round) -> Option<Connection> {
        while round.sessions > 0 {
            let target = round.targets.pop_front()?;
            let leaving = Leaving {
                client: self.client_of(round.egress.as_deref()),
                source: self.source_for(target.ip, round.egress.as_deref()),
            };
            match self.reach(&target, &leaving, &mut round.tries).await {
                Ok(session) => {
                    round.sessions -= 1;
                    return Some(Connection {
                        plaintext: self.plaintext_reason(&session),
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

    /// A session with this host: under TLS where that works, else without.
    async fn reach(
        &self,
        target: &Target,
        leaving: &Leaving,
        tries: &mut Vec<HostTry>,
    ) -> Result<Session, HostTry> {
        if let Some(relay) = &target.relay {
            let reached = self.dial(target, leaving, relay.start_tls()).await;
            return reached.map_err(|(Stumble::Host(tried) | Stumble::Tls(tried))| tried);
        }
        let broken = self.broken_tls.has(target, self.clock.monotonic());
        let start_tls = match self.options.tls {
            TlsPolicy::Opportunistic if !broken => StartTls::WhenOffered,
            TlsPolicy::Opportunistic | TlsPolicy::Off => StartTls::Never,
        };
        match self.dial(target, leaving, start_tls).await {
            Ok(session) => return Ok(session),
            Err(Stumble::Host(tried)) => return Err(tried),
            Err(Stumble::Tls(tried)) => {
                tracing::info!(
                    mx.host = target.host.as_str(),
                    peer.ip = %target.ip,
                    error = tried.reply.text,
                    "TLS failed, the host is tried again in plaintext"
                );
                tries.push(tried);
            }
        }
        self.broken_tls.remember(target, self.clock.monotonic());
        let again = self.dial(target, leaving, StartTls::Never).await;
        again.map_err(|(Stumble::Host(tried) | Stumble::Tls(tried))| tried)
    }

    fn plaintext_reason(&self, session: &Session) -> Option<PlaintextReason> {
        match session.security() {
            Security::Secured => None,
            Security::Refused => Some(PlaintextReason::Refused),
            // Asked for TLS, the host would have been secured or have refused.
            Security::Plaintext | Security::Broken => (session.offers_tls()
                && self.options.tls == TlsPolicy::Opportunistic)
                .then_some(PlaintextReason::HandshakeFailed),
        }
    }

    async fn dial(
        &self,
        target: &Target,
        leaving: &Leaving,
        start_tls: StartTls,
    ) -> Result<Session, Stumble> {
        let limit = self.options.timeouts.connect;
        let addr = SocketAddr::new(target.ip, target.port(self.options.smtp_port));
        let named = Guard::open();
        let guard = if target.is_named() {
            &named
        } else {
            &self.guard
        };
        let stream = postbell_net::connect(addr, guard, leaving.source, limit)
            .await
            // RFC 3463 §3.5: X.4.1, no answer from host.
            .map_err(|error| {
                let reply = Reply::new(451, 4, 1, error.to_string());
                Stumble::Host(tried(target, Phase::Connect, reply, false))
            })?;
        let login = target
            .relay
            .as_ref()
            .and_then(|relay| relay.login_at(target.ip));
        let trace = self.trace(target, addr.port());
        let mut session = Session::new(stream, leaving.client.clone(), start_tls, login, trace);
        if start_tls == StartTls::Active {
            session = self.secure(session, target).await?;
        }
        self.introduce(session, target).await
    }

    /// Does the handshake, and looks at the certificate where it matters.
    async fn secure(&self, session: Session, target: &Target) -> Result<Session, Stumble> {
        let secured = session
            .secure(&self.tls, &target.host, self.clock.now())
            .await;
        // RFC 3463 §3.8: X.7.5, cryptographic failure.
        let mut session = secured.map_err(|error| {
            let reply = Reply::new(451, 7, 5, error.to_string());
            Stumble::Tls(tried(target, Phase::Tls, reply, false))
        })?;
        if target.relay.is_some() {
            session.note_policy("relay");
        }
        let mistrust = |relay: &Arc<Relay>| relay.mistrusts(session.tls()?);
        match target.relay.as_ref().and_then(mistrust) {
            Some(reply) => Err(Stumble::Tls(HostTry {
                tls: session.tls().cloned(),
                ..tried(target, Phase::Tls, reply, false)
            })),
            None => Ok(session),
        }
    }

    fn trace(&self, target: &Target, port: u16) -> SessionTrace {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let mut trace = self.tracer.session(Role::Delivery, number, target.ip);
        if trace.is_watched() {
            trace.note(&format!(
                "[connected to {} {}:{port}]",
                target.host, target.ip
            ));
        }
        trace
    }

    fn client_of(&self, egress: Option<&Egress>) -> Arc<ClientOptions> {
        match egress.and_then(|egress| egress.ehlo_name.as_ref()) {
            Some(name) => Arc::new(ClientOptions {
                ehlo_name: name.to_string(),
                ..ClientOptions::clone(&self.client)
            }),
            None => Arc::clone(&self.client),
        }
    }

    /// The address to dial `ip` from: the configuration set's, else the configured one, where
    /// they are of its family.
    fn source_for(&self, ip: IpAddr, egress: Option<&Egress>) -> Option<IpAddr> {
        let own = egress.and_then(|egress| egress.source_for(ip));
        let configured = self.options.source_address;
        own.or(configured.filter(|source| source.is_ipv4() == ip.is_ipv4()))
    }

    /// From the greeting to the first transaction.
    async fn introduce(&self, mut session: Session, target: &Target) -> Result<Session, Stumble> {
        let mut step = session.run().await;
        if step == ClientStep::StartTls {
            session = self.secure(session, target).await?;
            step = session.run().await;
        }
        match step {
            ClientStep::Ready => {
                if let Some(relay) = &target.relay {
                    relay.note_welcome();
                }
                Ok(session)
            }
            ClientStep::Failed {
                phase,
                reply,
                from_peer,
            } => {
                let tried = HostTry {
                    tls: session.tls().cloned(),
                    ..tried(target, phase, reply, from_peer)
                };
                if let (Phase::Auth, Some(relay)) = (phase, &target.relay) {
                    relay.note_refusal(&tried.reply);
                }
                let broken = session.security() == Security::Broken;
                session.quit().await;
                Err(if broken {
                    Stumble::Tls(tried)
                } else {
                    Stumble::Host(tried)
                })
            }
            told => {
                let reply = Reply::new(451, 5, 0, format!("Unexpected end of session: {told:?}"));
                Err(Stumble::Host(tried(target, Phase::Greeting, reply, false)))
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
