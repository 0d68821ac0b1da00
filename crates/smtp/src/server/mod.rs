//! The server's side of a session, without I/O (RFC 5321 §4).
//!
//! Feed what the client says with [`Server::handle`], then do what [`Server::poll`] says until it
//! says [`Step::Read`]. The machine knows the order of commands and the limits; whether a sender,
//! a recipient or a message may be is asked, and the session answers. Replies to pipelined
//! commands are gathered into one write (RFC 2920 §3.2).
//!
//! STARTTLS (RFC 3207) and AUTH (RFC 4954) are offered as the [`Terms`] of the connection say.
//! Once TLS is active the session begins anew: nothing said before it counts. An octet that is
//! there behind STARTTLS ends the session, since it would otherwise be believed as if it had come
//! under TLS.
//!
//! The envelope is one value, which a message consumes at its end: nothing of one message is left
//! for the next. Refused: commands out of order, anything after QUIT, another protocol's words.

mod commands;
mod input;
mod login;
mod options;
mod pace;
mod replies;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use postbell_model::{Address, Monotonic, Reply, ReportRequest, Ret, ReversePath, Secret};

use crate::data::{DotReader, Progress};
use crate::reply;
use input::Input;
use login::{Exchange, LoginAsked};
use pace::Pace;

pub use input::LINE_MAX;
pub use login::AUTH_LINE_MAX;
pub use options::{BareLineEnds, Login, Reports, ServerOptions, ServerTimeouts, Terms, Tls};

// What a client may send ahead while an answer is awaited; a session that stops reading then
// never comes near it.
const AHEAD_MAX: usize = 128 * 1024;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read from the socket, at most until [`Server::deadline`].
    Read,
    /// Write this before reading on.
    Write(Bytes),
    /// Find out and call [`Server::answer`]; read nothing meanwhile.
    Ask(Ask),
    /// Begin the TLS handshake on the socket, then call [`Server::secured`]; where it fails,
    /// close. Nothing that was read before belongs to it.
    StartTls,
    /// Close the socket; everything was written.
    Close,
}

/// A question to the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// May MAIL FROM be this?
    Mail {
        /// The reverse-path.
        from: ReversePath,
        /// The announced size.
        size: Option<u64>,
        /// Whether BODY is 8BITMIME.
        eight_bit: bool,
        /// Whether SMTPUTF8 was given.
        smtputf8: bool,
    },
    /// May this recipient be?
    Rcpt {
        /// The forward-path.
        to: Address,
    },
    /// Is this the user's password? Accepted, the session is the user's. A reply of 2xx accepts
    /// too, all others refuse.
    Login {
        /// Who it says it is: not empty, without control characters.
        username: String,
        /// The password, which may be empty.
        password: Secret,
    },
    /// What does this user's client need for its proof (RFC 5802 §3)? [`Answer::Challenge`], also
    /// where there is no such user; a reply refuses.
    ScramChallenge {
        /// Who it says it is: not empty, printable ASCII.
        username: String,
    },
    /// Does the client that was challenged know the password? [`Answer::Proven`], or a reply that
    /// refuses. The session is the user's as soon as [`Server::is_authenticated`].
    ScramProof {
        /// What the proof is over: `AuthMessage` of RFC 5802 §3.
        auth_message: String,
        /// `ClientProof`.
        proof: [u8; 32],
    },
    /// What is the reply to this message? Told once; the message is the session's now.
    Message(Incoming),
}

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// What was said before DATA.
    pub envelope: Envelope,
    /// The message, lines ending with CRLF, without added dots and the final one.
    pub body: Bytes,
}

/// What a client says about a message before DATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The client's name for itself.
    pub helo: String,
    /// Whether it said EHLO.
    pub esmtp: bool,
    /// Whether it came under TLS.
    pub tls: bool,
    /// Whether the client had logged in.
    pub authenticated: bool,
    /// MAIL FROM.
    pub from: ReversePath,
    /// The accepted recipients in the order in which they were given.
    pub recipients: Vec<Recipient>,
    /// Whether BODY is 8BITMIME.
    pub eight_bit: bool,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
    /// The announced size.
    pub size: Option<u64>,
    /// RET: how much of the message a report brings back.
    pub ret: Option<Ret>,
    /// ENVID, decoded: printable ASCII, at most 100 characters.
    pub envid: Option<String>,
}

/// An accepted recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who it is.
    pub address: Address,
    /// NOTIFY and ORCPT.
    pub report: ReportRequest,
}

/// The session's answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 250 with the usual text.
    Accept,
    /// This reply: 2xx accepts, all others refuse; 421 ends the session.
    Reply(Reply),
    /// To [`Ask::ScramChallenge`]: 334 with this.
    Challenge(ScramChallenge),
    /// To [`Ask::ScramProof`]: it does, and this is the server's own proof, `ServerSignature`.
    Proven([u8; 32]),
}

/// What a client needs for its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramChallenge {
    /// The salt of the user's password; not empty.
    pub salt: Vec<u8>,
    /// How often it is hashed.
    pub iterations: u32,
    /// The server's part of the nonce: printable ASCII without commas, never the same twice.
    pub nonce: String,
}

/// One connection from a client.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Server {
    options: Arc<ServerOptions>,
    terms: Terms,
    authenticated: bool,
    state: State,
    input: Input,
    output: BytesMut,
    question: Option<Ask>,
    errors: u32,
    commands: u32,
    stopping: bool,
    now: Monotonic,
    /// When the next command, or the next part of a message, must have come.
    input_by: Monotonic,
    session_by: Monotonic,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum State {
    /// The client has not said who it is.
    Connected,
    Idle(Hello),
    /// 220 was said to STARTTLS.
    StartingTls,
    /// AUTH was begun, and the client's next line belongs to it.
    LoggingIn(Hello, Exchange),
    AskingLogin(Hello, LoginAsked),
    AskingMail(Envelope),
    Collecting(Envelope),
    AskingRcpt(Envelope, Recipient),
    Receiving(Box<Receiving>),
    AskingMessage(Hello),
    Closed,
}

/// The client's name for itself.
#[derive(Debug, Clone)]
struct Hello {
    name: String,
    esmtp: bool,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Receiving {
    envelope: Envelope,
    reader: DotReader,
    end_by: Monotonic,
    pace: Pace,
}

impl Server {
    /// A session on a connection that has just been made, or whose TLS handshake has just been
    /// finished; the greeting is the first write.
    pub fn new(options: Arc<ServerOptions>, terms: Terms, now: Monotonic) -> Self {
        let mut server = Self {
            terms,
            authenticated: false,
            state: State::Connected,
            input: Input::default(),
            output: BytesMut::new(),
            question: None,
            errors: 0,
            commands: 0,
            stopping: false,
            now,
            input_by: now.after(options.timeouts.command),
            session_by: now.after(options.timeouts.session),
            options,
        };
        server.say(&replies::greeting(&server.options));
        server
    }

    /// Takes what the client said. Never blocks, never panics.
    pub fn handle(&mut self, bytes: &[u8], now: Monotonic) {
        self.now = now;
        match &mut self.state {
            State::Closed => {}
            // A message's octets go where they stay, without a stop in the line buffer.
            State::Receiving(receiving) if self.input.octets().is_empty() => {
                let progress = receiving.reader.read(bytes);
                receiving.pace.count(bytes.len());
                self.input_by = now.after(self.options.timeouts.data_block);
                if let Progress::End { used } = progress {
                    self.input.push(bytes.get(used..).unwrap_or_default());
                    self.end_message();
                    self.advance();
                }
            }
            // Whatever comes between 220 and the handshake was not said under TLS.
            State::StartingTls => self.close(),
            State::AskingLogin(..)
            | State::AskingMail(_)
            | State::AskingRcpt(..)
            | State::AskingMessage(_)
                if self.input.octets().len() > AHEAD_MAX =>
            {
                self.close_with(&replies::too_far_ahead());
            }
            _ => {
                self.input.push(bytes);
                self.advance();
            }
        }
    }

    /// What to do next. After a [`Step::Ask`], [`Server::answer`] comes before the next look.
    pub fn poll(&mut self) -> Step {
        // A message takes its time: what the client waits for goes out before.
        let message = matches!(self.question, Some(Ask::Message(_)));
        if message && !self.output.is_empty() {
            return Step::Write(self.output.split().freeze());
        }
        if let Some(question) = self.question.take() {
            return Step::Ask(question);
        }
        if !self.output.is_empty() {
            return Step::Write(self.output.split().freeze());
        }
        match self.state {
            State::Closed => Step::Close,
            State::StartingTls => Step::StartTls,
            _ => Step::Read,
        }
    }

    /// Takes note that the handshake asked for by [`Step::StartTls`] is done: the session begins
    /// anew, but for what it may still cost (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Monotonic) {
        if !matches!(self.state, State::StartingTls) {
            return;
        }
        self.now = now;
        self.terms.tls = Tls::Active;
        self.authenticated = false;
        self.state = State::Connected;
        self.await_command();
        self.advance();
    }

    /// Takes the answer to the last [`Step::Ask`]. An answer to nothing is ignored.
    pub fn answer(&mut self, answer: Answer, now: Monotonic) {
        self.now = now;
        match std::mem::replace(&mut self.state, State::Closed) {
            State::AskingLogin(hello, asked) => self.answer_login(hello, asked, answer),
            State::AskingMail(envelope) => self.answer_mail(envelope, answer),
            State::AskingRcpt(envelope, to) => self.answer_rcpt(envelope, to, answer),
            State::AskingMessage(hello) => self.answer_message(hello, answer),
            state => self.state = state,
        }
        self.question = None;
        self.await_command();
        self.advance();
    }

    /// When [`Server::timed_out`] must be called. While an answer is awaited the client can't be
    /// late; the handshake has a deadline of whoever performs it.
    pub fn deadline(&self) -> Monotonic {
        match &self.state {
            State::StartingTls
            | State::AskingLogin(..)
            | State::AskingMail(_)
            | State::AskingRcpt(..)
            | State::AskingMessage(_) => Monotonic(Duration::MAX),
            State::Receiving(receiving) => {
                let by = self.input_by.min(receiving.end_by).min(self.session_by);
                by.min(receiving.pace.slow_at())
            }
            State::Connected
            | State::Idle(_)
            | State::LoggingIn(..)
            | State::Collecting(_)
            | State::Closed => self.input_by.min(self.session_by),
        }
    }

    /// Takes note that the deadline has passed: 421 4.4.2 and close.
    pub fn timed_out(&mut self, now: Monotonic) {
        self.now = now;
        match self.state {
            State::Closed
            | State::StartingTls
            | State::AskingLogin(..)
            | State::AskingMail(_)
            | State::AskingRcpt(..)
            | State::AskingMessage(_) => {}
            State::Receiving(ref receiving) if receiving.pace.slow_at() <= now => {
                self.close_with(&replies::too_slow());
            }
            State::Connected
            | State::Idle(_)
            | State::LoggingIn(..)
            | State::Collecting(_)
            | State::Receiving(_) => self.close_with(&replies::timed_out()),
        }
    }

    /// Ends the session at once with this reply, which should be a 421; what is coming in is
    /// dropped. Of no use while an answer is awaited: that can be the last reply as well.
    pub fn turn_away(&mut self, reply: &Reply) {
        match self.state {
            State::Closed
            | State::StartingTls
            | State::AskingLogin(..)
            | State::AskingMail(_)
            | State::AskingRcpt(..)
            | State::AskingMessage(_) => {}
            State::Connected
            | State::Idle(_)
            | State::LoggingIn(..)
            | State::Collecting(_)
            | State::Receiving(_) => self.close_with(reply),
        }
    }

    /// Ends the session as soon as it is between commands: 421 4.3.2 and close. A message that
    /// is coming in is taken first.
    pub fn shut_down(&mut self) {
        self.stopping = true;
        self.advance();
    }

    /// Whether the client has logged in.
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether what is read now is a part of a login, and not to be shown.
    pub const fn is_logging_in(&self) -> bool {
        matches!(self.state, State::LoggingIn(..))
    }

    /// Whether a message is coming in.
    pub const fn is_receiving(&self) -> bool {
        matches!(self.state, State::Receiving(_))
    }

    /// Does what can be done with what has come.
    fn advance(&mut self) {
        loop {
            match &mut self.state {
                State::Closed => return self.input.clear(),
                State::StartingTls
                | State::AskingLogin(..)
                | State::AskingMail(_)
                | State::AskingRcpt(..)
                | State::AskingMessage(_) => return,
                State::Receiving(receiving) => {
                    receiving.pace.count(self.input.octets().len());
                    match receiving.reader.read(self.input.octets()) {
                        Progress::More => return self.input.clear(),
                        Progress::End { used } => {
                            self.input.consume(used);
                            self.end_message();
                        }
                    }
                }
                State::Connected | State::Idle(_) | State::LoggingIn(..) | State::Collecting(_)
                    if self.stopping =>
                {
                    self.close_with(&replies::shutting_down());
                }
                State::LoggingIn(..) => {
                    if self.next_response().is_none() {
                        return;
                    }
                }
                State::Connected | State::Idle(_) | State::Collecting(_) => {
                    let Some(command) = self.input.next_command() else {
                        return;
                    };
                    self.await_command();
                    self.take_command(command);
                }
            }
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply::write(reply, &mut self.output);
    }

    fn close_with(&mut self, reply: &Reply) {
        self.say(reply);
        self.close();
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.question = None;
        self.input.clear();
    }

    fn await_command(&mut self) {
        self.input_by = self.now.after(self.options.timeouts.command);
    }
}

#[cfg(test)]
mod tests;
