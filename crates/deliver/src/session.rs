//! A connection and the client machine on it: moves octets, does the TLS handshake and keeps
//! deadlines; decides nothing.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use postbell_model::attempt::TlsUsed;
use postbell_model::{Domain, Monotonic, Timestamp};
use postbell_net::trace::{SessionTrace, Speaker};
use postbell_net::{HandshakeError, OpportunisticTls, Stream};
use postbell_smtp::{
    Client, ClientLogin, ClientOptions, ClientStep, Extensions, Security, StartTls, Transaction,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// Room for the replies to a whole group of commands.
const READ_BUFFER: usize = 4 * 1024;
/// How long a host that stopped reading may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    stream: Stream,
    /// How it was secured, where it was.
    tls: Option<TlsUsed>,
    client: Client,
    buffer: Box<[u8]>,
    // A peer lives in real time: its deadlines follow the runtime's timer, not the Clock.
    begun: Instant,
    block: Duration,
    handshake: Duration,
    timed_out: bool,
    trace: SessionTrace,
    /// Whether the handshake comes before the greeting.
    implicit: bool,
}

/// How the waiting for work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// There is work.
    Called,
    /// There was none for so long.
    Enough,
    /// The host has closed the connection, or wants to.
    Lost,
}

impl Session {
    pub(crate) fn new(
        stream: TcpStream,
        options: Arc<ClientOptions>,
        start_tls: StartTls,
        login: Option<ClientLogin>,
        trace: SessionTrace,
    ) -> Self {
        Self {
            stream: Stream::Plain(stream),
            tls: None,
            block: options.timeouts.block,
            handshake: options.timeouts.tls,
            client: Client::new(options, start_tls, Monotonic::default()).with_login(login),
            trace,
            implicit: start_tls == StartTls::Active,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            begun: Instant::now(),
            timed_out: false,
        }
    }

    /// Does the handshake: before the greeting where TLS is implicit, else when the machine has
    /// asked for it with [`ClientStep::StartTls`].
    pub(crate) async fn secure(
        mut self,
        tls: &OpportunisticTls,
        host: &Domain,
        now: Timestamp,
    ) -> Result<Self, HandshakeError> {
        if let Stream::Plain(stream) = self.stream {
            let (stream, used) = tls.secure(stream, host, now, self.handshake).await?;
            if self.trace.is_watched() {
                let how = format!(
                    "{} {}, certificate {}",
                    used.version,
                    used.cipher,
                    used.verification.name()
                );
                self.trace.note(&how);
            }
            (self.stream, self.tls) = (stream, Some(used));
        }
        if !self.implicit {
            let now = self.now();
            self.client.secured(now);
        }
        Ok(self)
    }

    /// Takes note of what asked for TLS, where it was not opportunity.
    pub(crate) fn note_policy(&mut self, policy: &'static str) {
        if let Some(used) = &mut self.tls {
            used.policy = policy.into();
        }
    }

    /// How the connection was secured; `None` in plaintext.
    pub(crate) const fn tls(&self) -> Option<&TlsUsed> {
        self.tls.as_ref()
    }

    /// How the session stands with STARTTLS.
    pub(crate) const fn security(&self) -> Security {
        self.client.security()
    }

    /// What the host can do.
    pub(crate) const fn extensions(&self) -> Extensions {
        *self.client.extensions()
    }

    /// Whether the host offers STARTTLS.
    pub(crate) const fn offers_tls(&self) -> bool {
        self.client.extensions().starttls
    }

    /// Whether the host takes requests for reports over.
    pub(crate) const fn offers_dsn(&self) -> bool {
        self.client.extensions().dsn
    }

    /// Whether a deadline has ended the session.
    pub(crate) const fn has_timed_out(&self) -> bool {
        self.timed_out
    }

    /// Begins a transaction; [`Session::run`] carries it out.
    pub(crate) fn send(&mut self, transaction: Transaction) {
        let now = self.now();
        self.client.send(transaction, now);
    }

    /// Writes and reads until the machine has something to tell.
    pub(crate) async fn run(&mut self) -> ClientStep {
        loop {
            match self.client.poll() {
                ClientStep::Write(chunks) => {
                    self.show(&chunks);
                    self.write(chunks).await;
                }
                ClientStep::Read => self.read().await,
                told => return told,
            }
        }
    }

    /// Waits for work on an open connection.
    pub(crate) async fn wait(&mut self, bell: &Notify, limit: Duration) -> Waited {
        tokio::select! {
            () = bell.notified() => Waited::Called,
            // Whatever a host says unasked, it is a goodbye.
            _ = self.stream.read(&mut self.buffer) => Waited::Lost,
            () = tokio::time::sleep(limit) => Waited::Enough,
        }
    }

    /// Says QUIT and waits for the answer, but not for long.
    pub(crate) async fn quit(mut self) {
        let now = self.now();
        self.client.quit(now);
        while self.run().await != ClientStep::Close {}
        if self.tls.is_some() {
            // RFC 8446 §6.1: each side says that it will not send more. Nobody waits for it.
            drop(timeout(LAST_WORDS, self.stream.shutdown()).await);
        }
    }

    /// Shows what is about to be written to whoever watches.
    fn show(&mut self, chunks: &[Bytes]) {
        if !self.trace.is_watched() {
            return;
        }
        if self.client.is_logging_in() {
            self.trace.said_secret(Speaker::Client, "AUTH");
        } else if self.client.is_sending_message() {
            chunks.iter().for_each(|chunk| self.trace.data(chunk));
        } else {
            self.trace.said(Speaker::Client, &chunks.concat());
        }
    }

    async fn read(&mut self) {
        let read = self.stream.read(&mut self.buffer);
        let read = match self.client.deadline() {
            Some(at) => timeout_at(self.begun + at.0, read).await,
            None => Ok(read.await),
        };
        let now = self.now();
        match read {
            Ok(Ok(0) | Err(_)) => {
                self.trace.note("[the host has closed the connection]");
                self.client.closed(now);
            }
            Ok(Ok(len)) => {
                self.trace.said(Speaker::Server, &self.buffer[..len]);
                self.client.handle(&self.buffer[..len], now);
            }
            Err(_) => self.time_out(now),
        }
    }

    async fn write(&mut self, chunks: Vec<Bytes>) {
        let mut chunks = Chunks::new(chunks);
        while chunks.has_remaining() {
            let written = timeout(self.limit(), self.stream.write_buf(&mut chunks)).await;
            let now = self.now();
            match written {
                Ok(Ok(len)) if len > 0 => self.client.wrote(now),
                Ok(_) => return self.hear_last_words().await,
                Err(_) => return self.time_out(now),
            }
        }
        // Under TLS a part of what was taken may not be sent yet.
        let flushed = timeout(self.limit(), self.stream.flush()).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.hear_last_words().await,
            Err(_) => {
                let now = self.now();
                self.time_out(now);
            }
        }
    }

    /// How long the host has to take the next octets.
    fn limit(&self) -> Duration {
        let left = self.client.deadline().map(|at| at.since(self.now()));
        left.map_or(self.block, |left| left.min(self.block))
    }

    /// A host that refuses a message in its midst may close at once: what it said before is
    /// there to be read.
    async fn hear_last_words(&mut self) {
        let by = Instant::now() + LAST_WORDS;
        while let Ok(Ok(len @ 1..)) = timeout_at(by, self.stream.read(&mut self.buffer)).await {
            let now = self.now();
            self.trace.said(Speaker::Server, &self.buffer[..len]);
            self.client.handle(&self.buffer[..len], now);
        }
        let now = self.now();
        self.client.closed(now);
    }

    fn time_out(&mut self, now: Monotonic) {
        self.timed_out = true;
        self.trace.note("[the host took too long]");
        self.client.timed_out(now);
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.begun.elapsed())
    }
}

/// Chunks as one buffer, so that they go out in one vectored write.
#[derive(Debug)]
struct Chunks {
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Chunks {
    fn new(chunks: Vec<Bytes>) -> Self {
        let chunks: VecDeque<_> = chunks.into_iter().filter(|c| !c.is_empty()).collect();
        Self {
            remaining: chunks.iter().map(Bytes::len).sum(),
            chunks,
        }
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining -= count;
        while let Some(first) = self.chunks.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_one_buffer() {
        let parts = ["", "abc", "", "de", "f"];
        let mut chunks = Chunks::new(parts.map(Bytes::from).to_vec());
        let mut read = Vec::new();
        while chunks.has_remaining() {
            read.push(chunks.chunk()[0]);
            chunks.advance(1);
        }
        assert_eq!(read, b"abcdef");
        let mut all = Chunks::new(parts.map(Bytes::from).to_vec());
        assert_eq!(all.chunks_vectored(&mut [IoSlice::new(&[]); 8]), 3);
        all.advance(6);
        assert_eq!(all.remaining(), 0);
        assert!(all.chunk().is_empty());
    }
}
