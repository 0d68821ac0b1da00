//! A small SMTP client (RFC 5321): for the sample of `postbell dev`, the tests and load.
//!
//! It says what it is told and gives back every reply as it came. It refuses TLS and AUTH.

mod reply;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

pub use reply::RawReply;

const READ_SIZE: usize = 4 * 1024;
/// The most octets of one reply.
const MAX_REPLY: usize = 64 * 1024;

/// How the client speaks.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The name in EHLO.
    pub ehlo: String,
    /// How long it waits for the connection, for each write and for each reply.
    pub limit: Duration,
    /// The address to connect from; any where there is none.
    pub source: Option<SocketAddr>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            ehlo: "client.peer.test".to_owned(),
            limit: Duration::from_secs(60),
            source: None,
        }
    }
}

/// What a conversation died of.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The server said nothing in time.
    #[error("the server did not answer within {0:?}")]
    TimedOut(Duration),
    /// The server closed the connection in the middle.
    #[error("the server closed the connection")]
    Closed,
    /// The server's octets are no reply.
    #[error("the server's reply is malformed")]
    Malformed,
    /// The greeting or the reply to EHLO was no 2yz.
    #[error("the server refused the session: {0}")]
    Refused(RawReply),
}

/// A message to hand over.
#[derive(Debug, Clone)]
pub struct Mail {
    /// MAIL FROM; empty for the null path.
    pub from: String,
    /// RCPT TO, each.
    pub to: Vec<String>,
    /// Parameters of MAIL: `BODY=8BITMIME`.
    pub parameters: String,
    /// The message, with CRLF line ends and dots unstuffed.
    pub body: Bytes,
}

/// What the server said to each step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// To MAIL.
    pub mail: RawReply,
    /// To each RCPT.
    pub rcpt: Vec<RawReply>,
    /// To DATA.
    pub data: Option<RawReply>,
    /// To the final dot.
    pub message: Option<RawReply>,
    /// From the final dot, handed to the kernel, to its reply.
    pub dot_to_reply: Duration,
}

impl Outcome {
    /// Whether the server took the message for every recipient.
    pub fn is_taken(&self) -> bool {
        self.message.as_ref().is_some_and(RawReply::is_positive)
            && self.rcpt.iter().all(RawReply::is_positive)
    }

    /// The reply that decided: the first refusal, else that to the final dot.
    pub fn deciding(&self) -> &RawReply {
        let rcpt = self.rcpt.iter();
        let steps = std::iter::once(&self.mail).chain(rcpt).chain(&self.data);
        let mut refusals = steps.filter(|reply| !matches!(reply.code / 100, 2 | 3));
        let refusal = refusals.next();
        refusal.or(self.message.as_ref()).unwrap_or(&self.mail)
    }
}

/// A session with a server.
#[derive(Debug)]
pub struct SmtpClient {
    stream: TcpStream,
    input: BytesMut,
    limit: Duration,
    greeting: RawReply,
    hello: RawReply,
    pipelining: bool,
    /// Whether the server may still hold a transaction that was refused half-way.
    half_way: bool,
}

impl SmtpClient {
    /// Connects, reads the greeting and says EHLO.
    ///
    /// # Errors
    /// The connection failed, or the server refused the session.
    pub async fn connect(addr: SocketAddr, options: &ClientOptions) -> Result<Self, ClientError> {
        let mut client = Self::open(addr, options).await?;
        let hello = client.command(&format!("EHLO {}", options.ehlo)).await?;
        if !hello.is_positive() {
            return Err(ClientError::Refused(hello));
        }
        client.pipelining = hello.lines().any(|l| l.eq_ignore_ascii_case("PIPELINING"));
        client.hello = hello;
        Ok(client)
    }

    /// Connects and reads the greeting, without EHLO.
    ///
    /// # Errors
    /// The connection failed, or the server refused the session.
    pub async fn open(addr: SocketAddr, options: &ClientOptions) -> Result<Self, ClientError> {
        let connecting = connect_from(options.source, addr);
        let stream = within(options.limit, connecting).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            input: BytesMut::with_capacity(READ_SIZE),
            limit: options.limit,
            greeting: RawReply::default(),
            hello: RawReply::default(),
            pipelining: false,
            half_way: false,
        };
        client.greeting = client.read_reply().await?;
        if client.greeting.is_positive() {
            Ok(client)
        } else {
            Err(ClientError::Refused(client.greeting))
        }
    }

    /// What the server said first.
    pub const fn greeting(&self) -> &RawReply {
        &self.greeting
    }

    /// What the server said to EHLO.
    pub const fn hello(&self) -> &RawReply {
        &self.hello
    }

    /// Where this end of the connection is.
    ///
    /// # Errors
    /// The socket has no address any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Hands a message over: MAIL, RCPT and DATA in one write where the server has PIPELINING,
    /// body and final dot in another.
    ///
    /// # Errors
    /// The connection broke; a refusal is no error but an [`Outcome`].
    pub async fn send(&mut self, mail: &Mail) -> Result<Outcome, ClientError> {
        if self.half_way {
            self.command("RSET").await?;
        }
        let mut outcome = if self.pipelining {
            self.envelope_at_once(mail).await?
        } else {
            self.envelope_step_by_step(mail).await?
        };
        self.half_way = outcome.data.as_ref().is_none_or(|reply| reply.code != 354);
        if !self.half_way {
            self.write_body(&mail.body).await?;
            let dot_at = Instant::now();
            outcome.message = Some(self.read_reply().await?);
            outcome.dot_to_reply = dot_at.elapsed();
        }
        Ok(outcome)
    }

    // RFC 2920 §3.1: DATA is the last command of a group.
    async fn envelope_at_once(&mut self, mail: &Mail) -> Result<Outcome, ClientError> {
        let mut group = mail_command(mail);
        for to in &mail.to {
            group.push_str("\r\nRCPT TO:<");
            group.push_str(to);
            group.push('>');
        }
        group.push_str("\r\nDATA\r\n");
        self.write(group.as_bytes()).await?;
        let reply = self.read_reply().await?;
        let mut rcpt = Vec::with_capacity(mail.to.len());
        for _ in &mail.to {
            rcpt.push(self.read_reply().await?);
        }
        let data = self.read_reply().await?;
        Ok(Outcome {
            mail: reply,
            rcpt,
            data: Some(data),
            message: None,
            dot_to_reply: Duration::ZERO,
        })
    }

    async fn envelope_step_by_step(&mut self, mail: &Mail) -> Result<Outcome, ClientError> {
        let mut outcome = Outcome {
            mail: self.command(&mail_command(mail)).await?,
            rcpt: Vec::with_capacity(mail.to.len()),
            data: None,
            message: None,
            dot_to_reply: Duration::ZERO,
        };
        if !outcome.mail.is_positive() {
            return Ok(outcome);
        }
        for to in &mail.to {
            let reply = self.command(&format!("RCPT TO:<{to}>")).await?;
            outcome.rcpt.push(reply);
        }
        if outcome.rcpt.iter().any(RawReply::is_positive) {
            outcome.data = Some(self.command("DATA").await?);
        }
        Ok(outcome)
    }

    /// Says QUIT and waits for the reply.
    ///
    /// # Errors
    /// The connection broke before the reply.
    pub async fn quit(mut self) -> Result<RawReply, ClientError> {
        self.command("QUIT").await
    }

    /// Says one line, without its CRLF, and reads the reply.
    ///
    /// # Errors
    /// The connection broke, or the reply is malformed.
    pub async fn command(&mut self, line: &str) -> Result<RawReply, ClientError> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.read_reply().await
    }

    /// Writes octets as they are.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), ClientError> {
        within(self.limit, self.stream.write_all(octets)).await
    }

    /// Reads the next reply.
    ///
    /// # Errors
    /// None came in time, the connection broke, or the octets are no reply.
    pub async fn read_reply(&mut self) -> Result<RawReply, ClientError> {
        loop {
            match RawReply::take(&mut self.input) {
                Ok(Some(reply)) => return Ok(reply),
                Err(reply::Malformed) => return Err(ClientError::Malformed),
                Ok(None) if self.input.len() > MAX_REPLY => return Err(ClientError::Malformed),
                Ok(None) => {}
            }
            self.input.reserve(READ_SIZE);
            let reading = self.stream.read_buf(&mut self.input);
            if within(self.limit, reading).await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }

    async fn write_body(&mut self, body: &Bytes) -> Result<(), ClientError> {
        let stuffed = stuff(body);
        let end = if stuffed.is_empty() || stuffed.ends_with(b"\r\n") {
            ".\r\n"
        } else {
            "\r\n.\r\n"
        };
        let writing = write_both(&mut self.stream, &stuffed, end.as_bytes());
        within(self.limit, writing).await
    }
}

fn mail_command(mail: &Mail) -> String {
    let space = if mail.parameters.is_empty() { "" } else { " " };
    format!("MAIL FROM:<{}>{space}{}", mail.from, mail.parameters)
}

async fn connect_from(source: Option<SocketAddr>, addr: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(addr).await;
    };
    let socket = if addr.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    socket.bind(source)?;
    socket.connect(addr).await
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, ClientError> {
    match timeout(limit, step).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ClientError::TimedOut(limit)),
    }
}

/// Adds a dot before each line that starts with one (RFC 5321 §4.5.2); copies only then.
fn stuff(body: &Bytes) -> Bytes {
    if !body.starts_with(b".") && memmem::find(body, b"\r\n.").is_none() {
        return body.clone();
    }
    let mut stuffed = Vec::with_capacity(body.len() + 64);
    if body.starts_with(b".") {
        stuffed.push(b'.');
    }
    let mut rest = &body[..];
    while let Some(at) = memmem::find(rest, b"\r\n.") {
        stuffed.extend_from_slice(&rest[..at + 3]);
        stuffed.push(b'.');
        rest = &rest[at + 3..];
    }
    stuffed.extend_from_slice(rest);
    stuffed.into()
}

/// Writes both in one system call where the socket takes them.
async fn write_both(stream: &mut TcpStream, first: &[u8], second: &[u8]) -> io::Result<()> {
    let written = stream
        .write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
        .await?;
    if written < first.len() {
        stream.write_all(&first[written..]).await?;
        return stream.write_all(second).await;
    }
    stream.write_all(&second[written - first.len()..]).await
}

#[cfg(test)]
mod tests;
