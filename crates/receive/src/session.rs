//! One session: octets between socket and machine, questions between machine and gate.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_accept::{Gate, Offer, Refusal};
use postbell_model::message::Received;
use postbell_model::{Monotonic, Reply, WorkspaceId};
use postbell_smtp::{Answer, Ask, Incoming, Server, ServerOptions, Step};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::socket::{Reading, Socket};

// RFC 5321 §4.5.3.2.6: clients wait ten minutes for the reply to the final dot. Half of that is
// far more than a commit takes, and the client still hears of it.
const SUBMIT_LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Session {
    socket: Socket,
    server: Server,
    gate: Arc<Gate>,
    workspace: WorkspaceId,
    peer: IpAddr,
    /// Clients live in real time: their deadlines follow the runtime's timer.
    began: Instant,
    messages: u32,
}

/// How a session ended that had no last reply.
#[derive(Debug)]
enum Broken {
    /// The client closed the connection.
    Closed,
    /// The connection failed.
    Failed(io::Error),
}

impl Session {
    pub(crate) fn new(
        socket: Socket,
        options: Arc<ServerOptions>,
        gate: Arc<Gate>,
        workspace: WorkspaceId,
        peer: IpAddr,
    ) -> Self {
        Self {
            socket,
            server: Server::new(options, Monotonic::default()),
            gate,
            workspace,
            peer,
            began: Instant::now(),
            messages: 0,
        }
    }

    /// Converses until either side ends the session; on `stop`, until the machine does.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let ended = self.converse(&stop).await;
        let messages = self.messages;
        let duration_ms = self.began.elapsed().as_millis();
        match ended {
            Ok(()) => {
                self.socket.close().await;
                debug!(messages, duration_ms, "the session has ended");
            }
            Err(Broken::Closed) => {
                debug!(messages, duration_ms, "the client closed the connection");
            }
            Err(Broken::Failed(error)) => {
                info!(messages, duration_ms, "the connection broke: {error}");
            }
        }
    }

    async fn converse(&mut self, stop: &CancellationToken) -> Result<(), Broken> {
        let mut stopping = false;
        loop {
            match self.server.poll() {
                Step::Write(octets) => {
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
                Step::Close => return Ok(()),
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
        let deadline = self.server.deadline();
        let limit = deadline.since(self.now());
        let began = self.began;
        let octets = tokio::select! {
            octets = timeout(limit, self.socket.read(reading)) => octets,
            () = stop.cancelled(), if !stopping => return Ok(()),
        };
        match octets {
            Ok(Ok([])) => Err(Broken::Closed),
            Ok(Ok(octets)) => {
                self.server.handle(octets, Monotonic(began.elapsed()));
                Ok(())
            }
            Ok(Err(error)) => Err(Broken::Failed(error)),
            Err(_) => {
                info!("the client took too long");
                self.server.timed_out(deadline);
                Ok(())
            }
        }
    }

    async fn decide(&mut self, ask: Ask) -> Answer {
        let checked = match ask {
            Ask::Mail { from, .. } => self.gate.check_sender(self.workspace, &from),
            Ask::Rcpt { to } => self.gate.check_recipient(&to),
            Ask::Message(incoming) => return Answer::Reply(self.submit(incoming).await),
        };
        match checked {
            Ok(()) => Answer::Accept,
            Err(refusal) => Answer::Reply(self.refused(&refusal)),
        }
    }

    /// Hands the message to the gate; the reply is a promise where it is a 250.
    async fn submit(&mut self, incoming: Incoming) -> Reply {
        let offer = self.offer(incoming);
        match timeout(SUBMIT_LIMIT, self.gate.submit(offer)).await {
            Ok(Ok(accepted)) => {
                self.messages += 1;
                Reply::new(250, 0, 0, format!("Accepted as {}", accepted.message))
            }
            Ok(Err(refusal)) => self.refused(&refusal),
            Err(_) => {
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

    fn offer(&self, Incoming { envelope, body }: Incoming) -> Offer {
        // RFC 3848; RFC 6531 §4.3.
        let with = match (envelope.smtputf8, envelope.esmtp) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => "SMTP",
        };
        Offer {
            workspace: self.workspace,
            envelope_from: envelope.from,
            recipients: envelope.recipients,
            smtputf8: envelope.smtputf8,
            body,
            received: Received {
                helo: envelope.helo,
                peer: Some(self.peer),
                with: with.to_owned(),
            },
        }
    }

    fn refused(&self, refusal: &Refusal) -> Reply {
        let reply = refusal.reply();
        debug!(
            workspace.id = %self.workspace,
            smtp.code = reply.code,
            smtp.enhanced = reply.enhanced.map(tracing::field::display),
            "the gate refuses: {refusal}"
        );
        reply
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.began.elapsed())
    }
}
