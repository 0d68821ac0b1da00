//! The client's side of a session, without I/O (RFC 5321 §3, RFC 2920, RFC 3207).
//!
//! Feed what the host says with [`Client::handle`], then do what [`Client::poll`] says until it
//! says [`ClientStep::Read`]. One recipient a transaction. Where the host has PIPELINING, MAIL,
//! RCPT and DATA go out in one write and message and final dot in another.
//!
//! The outcome of a transaction is the first reply that refuses it, or the reply to the final
//! dot. What follows a decisive reply can change only whether the connection is used again.
//! Silence, disconnection and replies that make no sense never fail a message for good.
//!
//! Where a login is given, AUTH comes before any transaction (RFC 4954).
//!
//! Where TLS is wanted and offered, STARTTLS comes before any transaction: at
//! [`ClientStep::StartTls`] the owner of the socket does the handshake, then calls
//! [`Client::secured`]. A connection on which anything follows the 220 is given up.
//!
//! Refused: sending what the host has not announced that it can take, sending a bare CR or LF,
//! believing a reply that came before its command.

mod dsn;
mod extensions;
mod login;
mod options;
mod security;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use postbell_model::reply::Severity;
use postbell_model::{Address, Monotonic, Phase, Reply, ReversePath};

use crate::reply::ReplyReader;
use login::LoginStep;
use security::{STARTTLS, injected};
use transaction::{After, Exchange, Giver, Next, Verdict};

pub use dsn::DsnRequest;
pub use extensions::Extensions;
pub use login::ClientLogin;
pub use options::{ClientOptions, ClientTimeouts, StartTls};
pub use security::Security;

const QUIT: &[u8] = b"QUIT\r\n";

/// A message for one recipient.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// MAIL FROM.
    pub from: ReversePath,
    /// RCPT TO.
    pub to: Address,
    /// The message in chunks, lines ending with CRLF, dots as they are.
    pub body: Vec<Bytes>,
    /// Whether it has octets over 127 (RFC 6152).
    pub eight_bit: bool,
    /// Whether its header needs SMTPUTF8 (RFC 6531); addresses that need it are seen here.
    pub smtputf8: bool,
    /// What is asked about reports, of a host that offers DSN (RFC 3461).
    pub dsn: DsnRequest,
}

/// What a transaction came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionEnd {
    /// How far it came. [`Phase::Render`]: nothing was sent, since the host can't take it.
    pub phase: Phase,
    /// The decisive reply: a 2xx in [`Phase::Message`] is the only success.
    pub reply: Reply,
    /// Whether the host gave the reply; else it is ours, in place of one.
    pub from_peer: bool,
    /// Whether [`Client::send`] may follow on this connection.
    pub reusable: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStep {
    /// Read from the socket, at most until [`Client::deadline`].
    Read,
    /// Write all of it.
    Write(Vec<Bytes>),
    /// Do the TLS handshake on the connection, then call [`Client::secured`]; where it fails,
    /// drop both.
    StartTls,
    /// A transaction can begin. Told once after EHLO and once after each transaction.
    Ready,
    /// The transaction has ended. Where `reusable`, the next one may begin at once.
    Done(TransactionEnd),
    /// The session is over, outside any transaction.
    Failed {
        /// What was waited for; [`Phase::Mail`] between transactions.
        phase: Phase,
        /// What the host said, or what we say in its place.
        reply: Reply,
        /// Whether the host said it.
        from_peer: bool,
    },
    /// Close the socket.
    Close,
}

/// One connection to a host.
#[derive(Debug)]
pub struct Client {
    options: Arc<ClientOptions>,
    start_tls: StartTls,
    login: Option<ClientLogin>,
    state: State,
    security: Security,
    extensions: Extensions,
    reader: ReplyReader,
    steps: VecDeque<ClientStep>,
    /// When the host must have answered what was said last.
    answer_by: Option<Monotonic>,
    /// When the transaction must have ended.
    end_by: Option<Monotonic>,
}

#[derive(Debug)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    /// STARTTLS was said.
    StartTls,
    /// The handshake is under way: what comes is not ours to read.
    Securing,
    /// AUTH was said, or a part of what follows it.
    LoggingIn(LoginStep),
    /// Between transactions; the last one left the connection like this.
    Idle(After),
    Busy(Box<Exchange>),
    Quitting,
    Over,
}

impl Client {
    /// A session on a connection that has just been made.
    pub fn new(options: Arc<ClientOptions>, start_tls: StartTls, now: Monotonic) -> Self {
        let mut client = Self {
            security: Security::at_first(start_tls),
            start_tls,
            login: None,
            state: State::Greeting,
            extensions: Extensions::default(),
            reader: ReplyReader::new(options.max_reply),
            steps: VecDeque::new(),
            answer_by: None,
            end_by: None,
            options,
        };
        client.wait_for_reply(now);
        client
    }

    /// Takes what the host said.
    pub fn handle(&mut self, bytes: &[u8], now: Monotonic) {
        let mut rest = bytes;
        if matches!(self.state, State::Securing) && !bytes.is_empty() {
            return self.abandon(injected());
        }
        while !rest.is_empty() && !matches!(self.state, State::Over) {
            match self.reader.read(rest) {
                Ok((Some(reply), tail)) => {
                    rest = tail;
                    self.take_reply(reply, now);
                    // RFC 3207 §4.2: nothing said in plaintext may count after the handshake.
                    if matches!(self.state, State::Securing) && !rest.is_empty() {
                        return self.abandon(injected());
                    }
                }
                Ok((None, _)) => return,
                Err(error) => return self.abandon(Reply::new(451, 5, 0, error.to_string())),
            }
        }
    }

    /// Takes note that the host closed the connection or that it broke.
    pub fn closed(&mut self, _now: Monotonic) {
        self.note_loss();
        self.abandon(Reply::new(451, 4, 2, "The connection was lost"));
    }

    /// What to do next. [`ClientStep::Read`] and [`ClientStep::Close`] are said again for as
    /// long as they hold, all others once.
    pub fn poll(&mut self) -> ClientStep {
        self.steps.pop_front().unwrap_or(match self.state {
            State::Over => ClientStep::Close,
            _ => ClientStep::Read,
        })
    }

    /// When [`Client::timed_out`] must be called; `None` between transactions.
    pub fn deadline(&self) -> Option<Monotonic> {
        match (self.answer_by, self.end_by) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes note that the deadline has passed.
    pub fn timed_out(&mut self, _now: Monotonic) {
        self.note_breakage();
        self.abandon(Reply::new(451, 4, 2, "The host did not answer in time"));
    }

    /// Takes note that a part of the message was written: the host has its full time again.
    /// Optional, for long messages on slow links.
    pub fn wrote(&mut self, now: Monotonic) {
        if let State::Busy(exchange) = &self.state
            && exchange.phase() == Phase::Message
        {
            self.wait_for_reply(now);
        }
    }

    /// Whether what is written now is a part of a message.
    pub fn is_sending_message(&self) -> bool {
        matches!(&self.state, State::Busy(exchange) if exchange.phase() == Phase::Message)
    }

    /// What the host announced; valid once [`ClientStep::Ready`] was told.
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Begins a transaction, after [`ClientStep::Ready`] or a reusable [`ClientStep::Done`].
    /// At any other time the transaction ends at once, as if the connection were lost.
    pub fn send(&mut self, transaction: Transaction, now: Monotonic) {
        let State::Idle(before) = self.state else {
            return self.steps.push_back(ClientStep::Done(TransactionEnd {
                phase: Phase::Mail,
                reply: Reply::new(451, 4, 2, "The session can't take a message"),
                from_peer: false,
                reusable: false,
            }));
        };
        self.steps.retain(|step| *step != ClientStep::Ready);
        match Exchange::begin(transaction, &self.extensions, before) {
            Ok((exchange, commands)) => {
                self.end_by = Some(now.after(self.options.timeouts.transaction));
                self.state = State::Busy(Box::new(exchange));
                self.say(vec![commands], now);
            }
            Err(reply) => {
                let verdict = Verdict {
                    phase: Phase::Render,
                    reply,
                    from_peer: false,
                };
                self.end(verdict, before);
            }
        }
    }

    /// Ends the session politely. During a transaction, or before the greeting, it just ends.
    pub fn quit(&mut self, now: Monotonic) {
        match self.state {
            State::Idle(_) => {
                self.steps.retain(|step| *step != ClientStep::Ready);
                self.state = State::Quitting;
                self.say(vec![Bytes::from_static(QUIT)], now);
            }
            State::Quitting => {}
            _ => self.abandon(Reply::new(451, 4, 2, "The session was ended")),
        }
    }

    fn take_reply(&mut self, reply: Reply, now: Monotonic) {
        if self.is_writing() {
            // A reply to something that was not said yet: believing it could lose a message.
            if reply.code != 421 {
                return self.abandon(out_of_turn(&reply));
            }
            self.leave_unsaid();
        }
        match &mut self.state {
            State::Greeting => self.take_greeting(reply, now),
            State::Ehlo => self.take_ehlo(reply, now),
            State::Helo => self.take_helo(reply, now),
            State::StartTls => self.take_starttls(&reply),
            State::Securing => self.abandon(injected()),
            State::LoggingIn(step) => {
                let step = *step;
                self.take_login(step, reply, now);
            }
            State::Idle(_) if reply.code == 421 => self.fail(Phase::Mail, reply, Giver::Host),
            State::Idle(_) => self.abandon(out_of_turn(&reply)),
            State::Busy(exchange) => match exchange.take(reply) {
                Next::Wait => self.wait_for_reply(now),
                Next::Say(chunks) => self.say(chunks, now),
                Next::End(verdict, after) => self.end(verdict, after),
            },
            State::Quitting => self.finish(),
            State::Over => {}
        }
    }

    fn is_writing(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, ClientStep::Write(_)))
    }

    fn take_greeting(&mut self, reply: Reply, now: Monotonic) {
        match reply.severity() {
            Severity::Success => self.say_ehlo(now),
            Severity::Intermediate => self.abandon(out_of_turn(&reply)),
            Severity::Transient | Severity::Permanent => {
                self.fail(Phase::Greeting, reply, Giver::Host);
            }
        }
    }

    fn say_ehlo(&mut self, now: Monotonic) {
        self.state = State::Ehlo;
        let line = format!("EHLO {}\r\n", self.options.ehlo_name);
        self.say(vec![line.into()], now);
    }

    fn take_ehlo(&mut self, reply: Reply, now: Monotonic) {
        match reply.severity() {
            Severity::Success => {
                self.extensions = Extensions::parse(&reply);
                if self.wants_tls() {
                    self.state = State::StartTls;
                    self.say(vec![Bytes::from_static(STARTTLS)], now);
                } else {
                    self.log_in_or_become_idle(now);
                }
            }
            // RFC 5321 §3.2: a host that does not know EHLO may know HELO.
            Severity::Permanent => {
                self.state = State::Helo;
                let line = format!("HELO {}\r\n", self.options.ehlo_name);
                self.say(vec![line.into()], now);
            }
            Severity::Intermediate => self.abandon(out_of_turn(&reply)),
            Severity::Transient => self.fail(Phase::Ehlo, reply, Giver::Host),
        }
    }

    fn take_helo(&mut self, reply: Reply, now: Monotonic) {
        match reply.severity() {
            Severity::Success => self.log_in_or_become_idle(now),
            Severity::Intermediate => self.abandon(out_of_turn(&reply)),
            Severity::Transient | Severity::Permanent => {
                self.fail(Phase::Ehlo, reply, Giver::Host);
            }
        }
    }

    /// Says something and waits for the reply to it.
    fn say(&mut self, chunks: Vec<Bytes>, now: Monotonic) {
        self.steps.push_back(ClientStep::Write(chunks));
        self.wait_for_reply(now);
    }

    fn wait_for_reply(&mut self, now: Monotonic) {
        let timeouts = self.options.timeouts;
        let limit = match &self.state {
            State::Greeting => timeouts.greeting,
            State::Ehlo | State::Helo => timeouts.ehlo,
            State::StartTls => timeouts.tls,
            State::LoggingIn(_) => timeouts.auth,
            State::Busy(exchange) => match exchange.phase() {
                Phase::Rcpt => timeouts.rcpt,
                Phase::Data => timeouts.data,
                Phase::Message => timeouts.dot,
                _ => timeouts.mail,
            },
            State::Quitting => timeouts.quit,
            State::Securing | State::Idle(_) | State::Over => return,
        };
        self.answer_by = Some(now.after(limit));
    }

    fn become_idle(&mut self, after: After) {
        self.state = State::Idle(after);
        self.steps.push_back(ClientStep::Ready);
        (self.answer_by, self.end_by) = (None, None);
    }

    /// Ends the transaction, and the session with it where the connection is no longer of use.
    fn end(&mut self, verdict: Verdict, after: After) {
        self.steps.push_back(ClientStep::Done(TransactionEnd {
            phase: verdict.phase,
            reply: verdict.reply,
            from_peer: verdict.from_peer,
            reusable: after != After::Over,
        }));
        match after {
            After::Clean | After::NeedsReset => self.become_idle(after),
            After::Over => self.finish(),
        }
    }

    /// Ends whatever is going on, for a reason of ours.
    fn abandon(&mut self, reply: Reply) {
        self.leave_unsaid();
        match &mut self.state {
            State::Greeting => self.fail(Phase::Greeting, reply, Giver::Us),
            State::Ehlo | State::Helo => self.fail(Phase::Ehlo, reply, Giver::Us),
            State::StartTls | State::Securing => self.fail(Phase::Tls, reply, Giver::Us),
            State::LoggingIn(_) => self.fail(Phase::Auth, reply, Giver::Us),
            State::Idle(_) => self.fail(Phase::Mail, reply, Giver::Us),
            State::Busy(exchange) => {
                let verdict = exchange.abandon(reply);
                self.end(verdict, After::Over);
            }
            State::Quitting => self.finish(),
            State::Over => {}
        }
    }

    /// Drops what was not written yet and is no longer of use.
    fn leave_unsaid(&mut self) {
        self.steps.retain(|step| {
            !matches!(
                step,
                ClientStep::Write(_) | ClientStep::Ready | ClientStep::StartTls
            )
        });
    }

    /// Ends the session outside any transaction.
    fn fail(&mut self, phase: Phase, reply: Reply, giver: Giver) {
        self.steps.retain(|step| *step != ClientStep::Ready);
        self.steps.push_back(ClientStep::Failed {
            phase,
            reply,
            from_peer: giver == Giver::Host,
        });
        // RFC 5321 §3.1: a host that refuses at its greeting waits for QUIT.
        if giver == Giver::Host {
            let quit = vec![Bytes::from_static(QUIT)];
            self.steps.push_back(ClientStep::Write(quit));
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.state = State::Over;
        (self.answer_by, self.end_by) = (None, None);
    }
}

fn out_of_turn(reply: &Reply) -> Reply {
    Reply::new(451, 5, 0, format!("Unexpected reply: {reply}"))
}

#[cfg(test)]
mod tests;
