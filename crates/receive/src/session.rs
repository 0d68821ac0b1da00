//! One session: octets between socket and machine, questions between machine and gate.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postbell_accept::{Door, Gate, Offer, Recipient, Refusal};
use postbell_model::message::Received;
use postbell_model::{Address, Monotonic, Reply, ReversePath, Secret, WorkspaceId};
use postbell_net::trace::SessionTrace;
use postbell_smtp::{Answer, Ask, Envelope, Incoming, Server, ServerOptions, Step, Terms, Tls};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::DoorMetrics;
use crate::allowance::{Counter, Reserved, Submitter};
use crate::login::{Challenged, Logins, User};
use crate::metrics::LoginOutcome;
use crate::socket::{Reading, Socket};
use crate::trace::{Talk, Trace};

// RFC 5321 §4.5.3.2.6: clients wait ten minutes for the reply to the final dot. Half of that is
// far more than a commit takes, and the client still hears of it.
const SUBMIT_LIMIT: Duration = Duration::from_secs(300);

/// What all sessions of a door share.
pub(crate) struct Shared {
    /// Those of new sessions.
    pub(crate) terms: ArcSwap<SessionTerms>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) logins: Logins,
    pub(crate) counter: Counter,
    /// `None`: there is no certificate, hence no TLS.
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) metrics: DoorMetrics,
}

/// What a session keeps to, from its begin to its end.
pub(crate) struct SessionTerms {
    pub(crate) server: Arc<ServerOptions>,
    pub(crate) handshake_limit: Duration,
}

/// Who is at the other end, and what is offered there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) ip: IpAddr,
    /// Whose mail it is without a login; `None`: nobody's.
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) terms: Terms,
}

pub(crate) struct Session {
    socket: Socket,
    server: Server,
    shared: Arc<Shared>,
    handshake_limit: Duration,
    caller: Caller,
    /// Who has proved it; a session that is not authenticated is nobody's yet.
    user: Option<User>,
    challenged: Option<Challenged>,
    /// The recipients of the message that is under way.
    reserved: Reserved,
    /// Clients live in real time: their deadlines follow the runtime's timer.
    began: Instant,
    messages: u32,
    trace: Trace,
}

/// A refusal, and why for whoever counts them.
#[derive(Debug)]
struct Refused {
    reason: &'static str,
    reply: Reply,
}

impl From<Reply> for Refused {
    fn from(reply: Reply) -> Self {
        Self {
            reason: "no_login",
            reply,
        }
    }
}

/// Where a conversation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Everything was said.
    End,
    /// 220 was said to STARTTLS.
    StartTls,
}

/// How a session ended that had no last reply.
#[derive(Debug)]
enum Broken {
    /// The client closed the connection.
    Closed,
    /// The connection failed.
    Failed(io::Error),
    /// The handshake failed, as it does with every client that speaks no TLS, or does not trust
    /// the certificate.
    NoTls(io::Error),
    /// The server goes down, and the client was in the middle of its handshake.
    Stopped,
}

impl Session {
    /// A session on a connection that was just accepted. Where its terms say that TLS is active,
    /// the handshake is still to be made.
    pub(crate) fn new(
        socket: Socket,
        shared: Arc<Shared>,
        caller: Caller,
        trace: SessionTrace,
    ) -> Self {
        let session_terms = shared.terms.load();
        Self {
            trace: Trace::new(trace),
            socket,
            handshake_limit: session_terms.handshake_limit,
            server: Server::new(
                Arc::clone(&session_terms.server),
                caller.terms,
                Monotonic::default(),
            ),
            shared,
            caller,
            user: None,
            challenged: None,
            reserved: Reserved::default(),
            began: Instant::now(),
            messages: 0,
        }
    }

    /// Converses until either side ends the session; on `stop`, until the machine does.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let began = self.began;
        let ended = self.until_over(&stop).await;
        let duration_ms = began.elapsed().as_millis();
        match ended {
            Ok(messages) => debug!(messages, duration_ms, "the session has ended"),
            Err(Broken::Closed) => debug!(duration_ms, "the client closed the connection"),
            Err(Broken::Failed(error)) => info!(duration_ms, "the connection broke: {error}"),
            Err(Broken::NoTls(error)) => info!(duration_ms, "TLS did not come about: {error}"),
            Err(Broken::Stopped) => debug!(duration_ms, "a handshake was broken off"),
        }
    }

    async fn until_over(mut self, stop: &CancellationToken) -> Result<u32, Broken> {
        if self.caller.terms.tls == Tls::Active {
            self = self.secure(stop).await?;
        }
        while self.converse(stop).await? == Pause::StartTls {
            self = self.secure(stop).await?;
            // RFC 3207 §4.2: nothing that was said before counts.
            self.user = None;
            self.challenged = None;
            self.server.secured(self.now());
        }
        self.reserved = Reserved::default();
        self.socket.close().await;
        Ok(self.messages)
    }

    async fn secure(self, stop: &CancellationToken) -> Result<Self, Broken> {
        let Some(tls) = &self.shared.tls else {
            return Err(Broken::NoTls(io::Error::other("there is no certificate")));
        };
        let handshake = self.socket.secure(tls, self.handshake_limit);
        let Some(secured) = stop.run_until_cancelled(handshake).await else {
            return Err(Broken::Stopped);
        };
        self.shared.metrics.shook_hands(&secured);
        let socket = secured.map_err(Broken::NoTls)?;
        let mut trace = self.trace;
        trace.note("[TLS]");
        Ok(Self {
            socket,
            trace,
            ..self
        })
    }

    async fn converse(&mut self, stop: &CancellationToken) -> Result<Pause, Broken> {
        let mut stopping = false;
        loop {
            match self.server.poll() {
                Step::Write(octets) => {
                    self.trace.server_said(&octets);
                    self.socket.write(&octets).await.map_err(Broken::Failed)?;
                }
                Step::Ask(ask) => {
                    let answer = self.decide(ask).await;
                    self.server.answer(answer, self.now());
                }
                Step::Read if !stopping && stop.is_cancelled() => {
                    stopping = true;
                    self.server.shut_down();
                }
                Step::Read => self.read(stop, stopping).await?,
                Step::StartTls => return Ok(Pause::StartTls),
                Step::Close => return Ok(Pause::End),
            }
        }
    }

    /// Waits for octets, for the machine's deadline, or for the program to stop.
    async fn read(&mut self, stop: &CancellationToken, stopping: bool) -> Result<(), Broken> {
        let reading = if self.server.is_receiving() {
            Reading::Message
        } else {
            Reading::Commands
        };
        let talk = match reading {
            Reading::Message => Talk::Message,
            Reading::Commands if self.server.is_logging_in() => Talk::Login,
            Reading::Commands => Talk::Commands,
        };
        let deadline = self.server.deadline();
        let limit = deadline.since(self.now());
        let began = self.began;
        let octets = tokio::select! {
            octets = timeout(limit, self.socket.read(reading)) => octets,
            () = stop.cancelled(), if !stopping => return Ok(()),
        };
        match octets {
            Ok(Ok([])) => {
                self.trace.note("[the client has closed the connection]");
                Err(Broken::Closed)
            }
            Ok(Ok(octets)) => {
                self.trace.client_said(talk, octets);
                self.server.handle(octets, Monotonic(began.elapsed()));
                Ok(())
            }
            Ok(Err(error)) => Err(Broken::Failed(error)),
            Err(_) => {
                info!("the client took too long");
                self.shared.metrics.timed_out();
                self.trace.note("[the client took too long]");
                self.server.timed_out(deadline);
                Ok(())
            }
        }
    }

    async fn decide(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Login { username, password } => self.log_in(&username, password).await,
            Ask::ScramChallenge { username } => self.challenge(username),
            Ask::ScramProof {
                auth_message,
                proof,
            } => self.prove(&auth_message, &proof).await,
            Ask::Mail { from, .. } => {
                let checked = self.check_sender(&from);
                self.answer(checked)
            }
            Ask::Rcpt { to } => {
                let checked = self.check_recipient(&to).await;
                self.answer(checked)
            }
            Ask::Message(incoming) => Answer::Reply(self.submit(incoming).await),
        }
    }

    async fn log_in(&mut self, username: &str, password: Secret) -> Answer {
        let logins = &self.shared.logins;
        let checked = logins.check(self.caller.ip, username, password).await;
        self.count_login(checked.as_ref().err());
        match checked {
            Ok(user) => {
                self.user = Some(user);
                Answer::Accept
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    fn challenge(&mut self, username: String) -> Answer {
        match self.shared.logins.challenge(self.caller.ip, username) {
            Ok((challenge, challenged)) => {
                self.challenged = Some(challenged);
                Answer::Challenge(challenge)
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    async fn prove(&mut self, auth_message: &str, proof: &[u8; 32]) -> Answer {
        let Some(challenged) = self.challenged.take() else {
            return Answer::Reply(login_first());
        };
        let (logins, ip) = (&self.shared.logins, self.caller.ip);
        let proven = logins.prove(ip, challenged, auth_message, proof).await;
        self.count_login(proven.as_ref().err());
        match proven {
            Ok((user, signature)) => {
                self.user = Some(user);
                Answer::Proven(signature)
            }
            Err(refusal) => Answer::Reply(refusal),
        }
    }

    fn count_login(&self, refusal: Option<&Reply>) {
        let outcome = refusal.map(|refusal| LoginOutcome::of_code(refusal.code));
        let outcome = outcome.unwrap_or(LoginOutcome::Accepted);
        self.shared.metrics.logged_in(outcome);
    }

    /// What the client is told of a sender or recipient; what was refused is counted.
    fn answer(&self, checked: Result<(), Refused>) -> Answer {
        let Err(Refused { reason, reply }) = checked else {
            return Answer::Accept;
        };
        self.shared.metrics.refused(reason);
        Answer::Reply(reply)
    }

    fn check_sender(&mut self, from: &ReversePath) -> Result<(), Refused> {
        self.shared
            .gate
            .admit()
            .map_err(|refusal| refused(&refusal))?;
        // What a message before this one had reserved and not used is free again.
        self.reserved = Reserved::default();
        let submitter = self.submitter()?;
        self.check_current()?;
        let gate = &self.shared.gate;
        let checked = gate.check_sender(submitter.workspace, from);
        checked.map_err(|refusal| refused(&refusal))?;
        self.shared.counter.begin(submitter).map_err(limited)
    }

    /// Refuses a user whose credential was revoked since the login.
    fn check_current(&self) -> Result<(), Refused> {
        match self.user() {
            Some(user) if !self.shared.logins.is_current(user) => Err(Refused {
                reason: "revoked_credential",
                reply: Reply::new(421, 7, 0, "The credential was revoked, goodbye"),
            }),
            _ => Ok(()),
        }
    }

    async fn check_recipient(&mut self, to: &Address) -> Result<(), Refused> {
        let checked = self.shared.gate.check_recipient(to);
        checked.map_err(|refusal| refused(&refusal))?;
        let mut reserved = std::mem::take(&mut self.reserved);
        let submitter = self.submitter()?;
        let counter = &self.shared.counter;
        let counted = counter.add_recipient(submitter, &mut reserved).await;
        self.reserved = reserved;
        counted.map_err(limited)
    }

    /// Whose mail it is: the user's, or that of the client's network.
    fn submitter(&self) -> Result<Submitter<'_>, Reply> {
        let of_user = |user: &'_ User| user.workspace;
        let workspace = self.user().map(of_user).or(self.caller.workspace);
        Ok(Submitter {
            workspace: workspace.ok_or_else(login_first)?,
            credential: self
                .user()
                .map(|user| (user.credential, user.username.as_str())),
        })
    }

    /// Who has logged in.
    fn user(&self) -> Option<&User> {
        self.user
            .as_ref()
            .filter(|_| self.server.is_authenticated())
    }

    /// Hands the message to the gate; the reply is a promise where it is a 250.
    async fn submit(&mut self, incoming: Incoming) -> Reply {
        let reserved = std::mem::take(&mut self.reserved);
        let submitter = match self.submitter() {
            Ok(submitter) => submitter,
            Err(refusal) => return refusal,
        };
        // It may have been revoked while the message came in, and its queue cancelled.
        if let Err(Refused { reason, reply }) = self.check_current() {
            self.shared.metrics.refused(reason);
            return reply;
        }
        let offer = self.offer(submitter, incoming);
        match timeout(SUBMIT_LIMIT, self.shared.gate.submit(offer)).await {
            Ok(Ok(accepted)) => {
                self.messages += 1;
                reserved.keep();
                Reply::new(250, 0, 0, format!("Accepted as {}", accepted.message))
            }
            // The gate has counted it.
            Ok(Err(refusal)) => refused(&refusal).reply,
            Err(_) => {
                self.shared.metrics.refused("not_stored");
                error!("a message was not stored within {SUBMIT_LIMIT:?}");
                Reply::new(
                    451,
                    3,
                    0,
                    "The message could not be stored; try again later",
                )
            }
        }
    }

    fn offer(&self, submitter: Submitter<'_>, Incoming { envelope, body }: Incoming) -> Offer {
        let with = transmission(&envelope);
        Offer {
            door: Door::Smtp,
            workspace: submitter.workspace,
            credential: submitter.credential.map(|(id, _)| id),
            envelope_from: envelope.from,
            envid: envelope.envid,
            ret: envelope.ret,
            recipients: envelope.recipients.into_iter().map(recipient).collect(),
            smtputf8: envelope.smtputf8,
            body,
            received: Received {
                helo: envelope.helo,
                peer: Some(self.caller.ip),
                with,
            },
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.began.elapsed())
    }
}

/// The machine asks nobody who has not logged in and has to; this is the second lock.
fn login_first() -> Reply {
    Reply::new(530, 7, 0, "Authentication required")
}

fn recipient(accepted: postbell_smtp::Recipient) -> Recipient {
    Recipient {
        address: accepted.address,
        report: accepted.report,
    }
}

fn limited(reply: Reply) -> Refused {
    info!(smtp.code = reply.code, "a rate or quota holds mail back");
    Refused {
        reason: if reply.code == 450 { "rate" } else { "quota" },
        reply,
    }
}

fn refused(refusal: &Refusal) -> Refused {
    let reply = refusal.reply();
    debug!(
        smtp.code = reply.code,
        smtp.enhanced = reply.enhanced.map(tracing::field::display),
        "the gate refuses: {refusal}"
    );
    Refused {
        reason: refusal.name(),
        reply,
    }
}

/// How the message came, as Received says it: RFC 3848, RFC 6531 §4.3.
fn transmission(envelope: &Envelope) -> String {
    let mut with = match (envelope.smtputf8, envelope.esmtp) {
        (true, _) => "UTF8SMTP",
        (false, true) => "ESMTP",
        // There are no such words for HELO: under TLS only the protocol that it stands for.
        (false, false) if envelope.tls => "ESMTP",
        (false, false) => return "SMTP".to_owned(),
    }
    .to_owned();
    if envelope.tls {
        with.push('S');
    }
    if envelope.authenticated {
        with.push('A');
    }
    with
}
