//! One session: octets between socket and machine, questions between machine and conversation.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::Monotonic;
use postbell_net::trace::SessionTrace;
use postbell_smtp::{Server, Step, Tls};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::socket::{Reading, Socket};
use super::trace::{Talk, Trace};
use super::{Common, Conversation, Rules, Welcome, in_turn};

pub(super) struct Session<C> {
    socket: Socket,
    server: Server,
    conversation: C,
    common: Arc<Common>,
    handshake_limit: Duration,
    /// Whether TLS begins with the first octet.
    begins_secured: bool,
    /// Clients live in real time: their deadlines follow the runtime's timer.
    began: Instant,
    trace: Trace,
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

impl<C: Conversation> Session<C> {
    /// A session on a connection that was just accepted. Where its terms say that TLS is active,
    /// the handshake is still to be made.
    pub(super) fn new(
        socket: Socket,
        (common, rules): (&Arc<Common>, &Rules),
        welcome: Welcome<C>,
        trace: SessionTrace,
    ) -> Self {
        let options = Arc::clone(&rules.server);
        Self {
            trace: Trace::new(trace),
            socket,
            handshake_limit: rules.handshake_limit,
            begins_secured: welcome.terms.tls == Tls::Active,
            server: Server::new(options, welcome.terms, Monotonic::default()),
            conversation: welcome.conversation,
            common: Arc::clone(common),
            began: Instant::now(),
        }
    }

    /// Converses until either side ends the session; on `stop`, until the machine does.
    pub(super) async fn run(self, stop: CancellationToken) {
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
        if self.begins_secured {
            self = self.secure(stop).await?;
        }
        while self.converse(stop).await? == Pause::StartTls {
            self = self.secure(stop).await?;
            self.conversation.forget();
            self.server.secured(self.now());
        }
        self.conversation.forget();
        self.socket.close().await;
        Ok(self.conversation.messages())
    }

    async fn secure(self, stop: &CancellationToken) -> Result<Self, Broken> {
        let Some(tls) = &self.common.tls else {
            return Err(Broken::NoTls(io::Error::other("there is no certificate")));
        };
        let handshake = self.socket.secure(tls, self.handshake_limit);
        let handshake = async {
            match &self.common.turns {
                Some(turns) => in_turn(turns, handshake).await,
                None => handshake.await,
            }
        };
        let Some(secured) = stop.run_until_cancelled(handshake).await else {
            return Err(Broken::Stopped);
        };
        self.common.metrics.shook_hands(&secured);
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
                    let answer = self.conversation.decide(ask, &self.server).await;
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
            self.conversation.let_go();
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
                if reading == Reading::Message
                    && let Err(last) = self.conversation.make_room(octets.len())
                {
                    self.server.turn_away(&last);
                    return Ok(());
                }
                self.server.handle(octets, Monotonic(began.elapsed()));
                Ok(())
            }
            Ok(Err(error)) => Err(Broken::Failed(error)),
            Err(_) => {
                info!("the client took too long");
                self.common.metrics.timed_out();
                self.trace.note("[the client took too long]");
                self.server.timed_out(deadline);
                Ok(())
            }
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.began.elapsed())
    }
}
