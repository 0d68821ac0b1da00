//! One connection, from the greeting to its end.

mod login;
mod starttls;

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::command::Command;
use super::data::{Data, DataReader};
use super::script::{Action, Script, Stage};
use super::transaction::{Transaction, reply_to_mail, reply_to_rcpt};
use super::{Moment, Received, State};
use crate::tls::Stream;

/// The room for one read.
const READ_SIZE: usize = 32 * 1024;
/// The longest command line: RFC 5321 §4.5.3.1.4 has 512 octets, extensions add to it.
const MAX_LINE: usize = 4_096;
/// How long a closed connection is read on, so that the client sees an end and no reset.
const LINGER: Duration = Duration::from_secs(1);

pub(super) async fn serve(state: Arc<State>, stream: TcpStream, peer: SocketAddr) {
    let number = state.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let open = OpenSession::enter(&state);
    let mut session = Session {
        script: state.scripts.of_connection(),
        busy: open.count > state.options.busy_above as u64,
        state: &state,
        stream: Stream::Plain(stream),
        peer,
        number,
        input: BytesMut::with_capacity(READ_SIZE),
        output: Vec::with_capacity(512),
        helo: None,
        logged_in: state.options.login.is_none(),
        transaction: None,
        unreported: Vec::new(),
    };
    let Err(end) = session.converse().await;
    session.finish(end).await;
}

/// Counts a session as open while it lives.
struct OpenSession<'a> {
    state: &'a State,
    count: u64,
}

impl<'a> OpenSession<'a> {
    fn enter(state: &'a State) -> Self {
        let count = state.open.fetch_add(1, Ordering::Relaxed) + 1;
        state.most_open.fetch_max(count, Ordering::Relaxed);
        Self { state, count }
    }
}

impl Drop for OpenSession<'_> {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a session ends.
enum End {
    /// QUIT was answered, or the client left, or kept us waiting.
    Done,
    /// We leave before the client does.
    HangUp,
    Reset,
}

/// How a command is answered.
enum Manner {
    Say(Cow<'static, str>),
    SayAndClose(String),
    Drip { text: String, gap: Duration },
    Garbage(Bytes),
    Stall,
    Leave(End),
}

impl Manner {
    /// Whether the conversation moves on.
    fn accepts(&self) -> bool {
        match self {
            Self::Say(text) => is_positive(text),
            Self::SayAndClose(text) | Self::Drip { text, .. } => is_positive(text),
            Self::Garbage(_) | Self::Stall | Self::Leave(_) => false,
        }
    }
}

fn is_positive(reply: &str) -> bool {
    matches!(reply.as_bytes().first(), Some(b'2' | b'3'))
}

struct Session<'a> {
    state: &'a State,
    stream: Stream,
    peer: SocketAddr,
    number: u64,
    busy: bool,
    script: Script,
    input: BytesMut,
    output: Vec<u8>,
    helo: Option<String>,
    logged_in: bool,
    transaction: Option<Transaction>,
    /// Messages whose ledger waits for the 250 to be written.
    unreported: Vec<Arc<Received>>,
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<Infallible, End> {
        if let (true, Some(tls)) = (self.state.options.implicit_tls, &self.state.options.tls) {
            self.handshake(tls).await?;
        }
        self.greet().await?;
        loop {
            match self.take_line() {
                Some(Ok(line)) => self.obey(&line).await?,
                Some(Err(reply)) => self.say(reply),
                None if self.input.len() > MAX_LINE => {
                    self.say("500 5.5.2 The line is too long");
                    return Err(End::HangUp);
                }
                None => {
                    self.flush().await?;
                    self.fill().await?;
                }
            }
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        if self.busy {
            self.say("421 4.3.2 Too many connections, come again later");
            return Err(End::HangUp);
        }
        let usual = self.state.greeting.clone();
        if self.answer(Stage::Greeting, usual).await? {
            Ok(())
        } else {
            Err(End::HangUp)
        }
    }

    async fn obey(&mut self, line: &str) -> Result<(), End> {
        match Command::parse(line) {
            Command::Ehlo(name) => {
                let reply = if self.is_secured() {
                    &self.state.ehlo_reply_secured
                } else {
                    &self.state.ehlo_reply
                };
                let reply = reply.clone();
                self.hello(name, reply).await?;
            }
            Command::Helo(name) => {
                let reply = format!("250 {}", self.state.options.hostname);
                self.hello(name, reply).await?;
            }
            Command::Mail { path, parameters } => self.mail(path, parameters).await?,
            Command::Rcpt { path, parameters } => self.rcpt(path, parameters).await?,
            Command::Data => self.data().await?,
            Command::StartTls => self.start_tls().await?,
            Command::Auth(arguments) => self.auth(arguments).await?,
            Command::Rset => {
                self.transaction = None;
                self.say("250 2.0.0 Reset");
            }
            Command::Noop => self.say("250 2.0.0 OK"),
            Command::Vrfy => self.say("252 2.5.2 Send some mail, I will try"),
            Command::Quit => {
                self.answer(Stage::Quit, "221 2.0.0 Bye").await?;
                self.flush().await?;
                return Err(End::Done);
            }
            Command::Malformed => self.say("501 5.5.4 The arguments are malformed"),
            Command::Unknown => self.say("502 5.5.1 No such command"),
        }
        Ok(())
    }

    async fn hello(&mut self, name: &str, usual: String) -> Result<(), End> {
        if self.answer(Stage::Ehlo, usual).await? {
            self.helo = Some(name.to_owned());
            self.transaction = None;
        }
        Ok(())
    }

    async fn mail(&mut self, path: &str, parameters: &str) -> Result<(), End> {
        if self.helo.is_none() || self.transaction.is_some() {
            self.say("503 5.5.1 MAIL comes after EHLO and once a transaction");
            return Ok(());
        }
        if !self.logged_in {
            self.say("530 5.7.0 Log in first");
            return Ok(());
        }
        let usual = reply_to_mail(self.state, parameters);
        if self.answer(Stage::Mail, usual).await? {
            self.transaction = Some(Transaction::new(path, parameters));
        }
        Ok(())
    }

    async fn rcpt(&mut self, path: &str, parameters: &str) -> Result<(), End> {
        let Some(transaction) = &self.transaction else {
            self.say("503 5.5.1 RCPT comes after MAIL");
            return Ok(());
        };
        let action = self.script.take(Stage::Rcpt);
        let action = action.or_else(|| self.state.scripts.take_for([path], Stage::Rcpt));
        let usual = reply_to_rcpt(self.state, &transaction.from, path, parameters);
        let manner = self.manner(action, usual).await?;
        let accepted = manner.accepts();
        self.utter(manner).await?;
        if let (true, Some(transaction)) = (accepted, &mut self.transaction) {
            transaction.add(path, parameters);
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<(), End> {
        let Some(transaction) = &self.transaction else {
            self.say("503 5.5.1 DATA comes after MAIL");
            return Ok(());
        };
        // RFC 5321 §3.3: 554 where no recipient was taken.
        if transaction.recipients.is_empty() {
            self.say("554 5.5.1 No valid recipients");
            return Ok(());
        }
        if self.answer(Stage::Data, "354 Go ahead").await? {
            self.flush().await?;
            let data = self.read_data().await?;
            self.message(data).await?;
        }
        Ok(())
    }

    async fn read_data(&mut self) -> Result<Data, End> {
        let (max, wanted) = (self.state.options.max_message, self.state.wants_bodies());
        let mut reader = DataReader::default();
        loop {
            let end = &self.state.end_of_data;
            if let Some(data) = reader.read(&mut self.input, end, max, wanted) {
                return Ok(data);
            }
            self.fill().await?;
        }
    }

    /// Answers the final dot.
    async fn message(&mut self, data: Data) -> Result<(), End> {
        let at = Instant::now();
        let usual = if data.too_large {
            "552 5.3.4 The message is larger than this server takes".into()
        } else {
            self.judged(&data).unwrap_or("250 2.0.0 Taken".into())
        };
        if self.transaction.as_ref().is_some_and(|t| t.slow) {
            self.flush().await?;
            sleep(self.state.options.slow).await;
        }
        let action = self.step(Stage::Message);
        let manner = self.manner(action, usual).await?;
        let transaction = self.transaction.take();
        if let (true, Some(transaction)) = (manner.accepts(), transaction) {
            self.record(transaction, data, at);
        }
        self.utter(manner).await
    }

    /// The reply to a message that is not taken.
    fn judged(&self, data: &Data) -> Option<Cow<'static, str>> {
        let (judge, transaction) = (
            self.state.options.judge.as_ref()?,
            self.transaction.as_ref()?,
        );
        let refusal = judge.refuse_message(&transaction.recipients, &data.body);
        refusal.map(Cow::from)
    }

    fn record(&mut self, transaction: Transaction, data: Data, at: Instant) {
        if !self.state.wants_bodies() {
            self.state.messages.count();
            return;
        }
        let received = Arc::new(Received {
            helo: self.helo.clone().unwrap_or_default(),
            from: transaction.from,
            parameters: transaction.parameters,
            recipients: transaction.recipients,
            recipient_parameters: transaction.recipient_parameters,
            size: data.size,
            body: data.body,
            at,
            peer: self.peer,
            connection: self.number,
            secured: self.is_secured(),
        });
        self.state.tell(&received, Moment::BeforeReply);
        self.state.messages.push(&received, received.size);
        if self.state.options.ledger.is_some() {
            self.unreported.push(received);
        }
    }

    /// Answers as scripted or as usual; tells whether the conversation moves on.
    async fn answer(
        &mut self,
        stage: Stage,
        usual: impl Into<Cow<'static, str>>,
    ) -> Result<bool, End> {
        let action = self.step(stage);
        let manner = self.manner(action, usual).await?;
        let accepted = manner.accepts();
        self.utter(manner).await?;
        Ok(accepted)
    }

    /// The scripted step for this stage, of the connection or else of a recipient.
    fn step(&mut self, stage: Stage) -> Option<Action> {
        let action = self.script.take(stage);
        let recipients = self.transaction.iter().flat_map(|t| &t.recipients);
        action.or_else(|| {
            let recipients = recipients.map(String::as_str);
            self.state.scripts.take_for(recipients, stage)
        })
    }

    async fn manner(
        &mut self,
        action: Option<Action>,
        usual: impl Into<Cow<'static, str>>,
    ) -> Result<Manner, End> {
        Ok(match action {
            None | Some(Action::Pass) => Manner::Say(usual.into()),
            Some(Action::Wait(time)) => {
                self.flush().await?;
                sleep(time).await;
                Manner::Say(usual.into())
            }
            Some(Action::Reply(text)) => Manner::Say(text.into()),
            Some(Action::ReplyAndClose(text)) => Manner::SayAndClose(text),
            Some(Action::Drip { text, gap }) => Manner::Drip { text, gap },
            Some(Action::Garbage(octets)) => Manner::Garbage(octets),
            Some(Action::Stall) => Manner::Stall,
            Some(Action::Drop) => Manner::Leave(End::HangUp),
            Some(Action::Reset) => Manner::Leave(End::Reset),
        })
    }

    async fn utter(&mut self, manner: Manner) -> Result<(), End> {
        match manner {
            Manner::Say(text) => self.say(&text),
            Manner::SayAndClose(text) => {
                self.say(&text);
                return Err(End::HangUp);
            }
            Manner::Drip { text, gap } => {
                for octet in text.bytes().chain(*b"\r\n") {
                    self.output.push(octet);
                    self.flush().await?;
                    sleep(gap).await;
                }
            }
            Manner::Garbage(octets) => self.output.extend_from_slice(&octets),
            Manner::Stall => {
                self.flush().await?;
                self.drain(self.state.options.patience).await;
                return Err(End::Done);
            }
            Manner::Leave(end) => return Err(end),
        }
        Ok(())
    }

    fn say(&mut self, reply: &str) {
        if !is_positive(reply) {
            self.state.refusals.fetch_add(1, Ordering::Relaxed);
        }
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// The next line without its CRLF, or the reply to a line that is none.
    fn take_line(&mut self) -> Option<Result<String, &'static str>> {
        let end = memchr::memchr(b'\n', &self.input)?;
        let line = match self.input[..end].strip_suffix(b"\r") {
            None => Err("500 5.5.2 Lines end in CRLF"),
            Some(line) if line.len() > MAX_LINE => Err("500 5.5.2 The line is too long"),
            Some(line) if line.contains(&b'\r') => Err("500 5.5.2 A bare CR is no line end"),
            Some(line) => str::from_utf8(line)
                .map(str::to_owned)
                .map_err(|_| "500 5.5.2 The line is not UTF-8"),
        };
        self.input.advance(end + 1);
        Some(line)
    }

    async fn flush(&mut self) -> Result<(), End> {
        if !self.output.is_empty() {
            let writing = async {
                self.stream.write_all(&self.output).await?;
                self.stream.flush().await
            };
            let written = timeout(self.state.options.patience, writing).await;
            if !matches!(written, Ok(Ok(()))) {
                return Err(End::Done);
            }
            self.output.clear();
        }
        for received in self.unreported.drain(..) {
            self.state.tell(&received, Moment::AfterReply);
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), End> {
        self.input.reserve(READ_SIZE / 2);
        let reading = self.stream.read_buf(&mut self.input);
        match timeout(self.state.options.patience, reading).await {
            Ok(Ok(octets)) if octets > 0 => Ok(()),
            _ => Err(End::Done),
        }
    }

    async fn finish(mut self, end: End) {
        match end {
            End::Done => {}
            End::HangUp => {
                let flushed = self.flush().await;
                if flushed.is_ok() && self.stream.shutdown().await.is_ok() {
                    self.drain(LINGER).await;
                }
            }
            End::Reset => {
                // With nothing to linger for, closing sends a reset.
                let set = self
                    .stream
                    .tcp()
                    .map(|tcp| socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)));
                if let Some(Err(error)) = set {
                    tracing::debug!(%error, "a scripted reset became a close");
                }
            }
        }
    }

    /// Reads and forgets, until the client leaves or the time is over.
    async fn drain(&mut self, limit: Duration) {
        let reading = async {
            let mut octets = [0; 1_024];
            while matches!(self.stream.read(&mut octets).await, Ok(n) if n > 0) {}
        };
        // Either way the connection is closed next.
        drop(timeout(limit, reading).await);
    }
}
