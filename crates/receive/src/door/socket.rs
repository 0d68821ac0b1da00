//! A client's socket, in the clear or under TLS, with a deadline on everything.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

// Replies are short: who does not take them for this long is not there.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

// How long, and how much, a client that was told goodbye may go on talking.
const LINGER_LIMIT: Duration = Duration::from_secs(2);
const LINGER_OCTETS: usize = 1024 * 1024;

const READ_SIZE: usize = 16 * 1024;
const MESSAGE_READ_SIZE: usize = 64 * 1024;

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Commands,
    Message,
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    buffer: Vec<u8>,
    /// Whether the last read took all the room there was.
    filled: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    /// Boxed, as it is some hundred octets that a session in the clear need not have.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self::of(Stream::Plain(stream))
    }

    fn of(stream: Stream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            filled: false,
        }
    }

    /// Performs the server's part of the TLS handshake. What was read before is forgotten; who
    /// asks for TLS under TLS gets the connection closed.
    pub(crate) async fn secure(self, tls: &TlsAcceptor, limit: Duration) -> io::Result<Self> {
        let Stream::Plain(stream) = self.stream else {
            return Err(io::Error::other("TLS is active already"));
        };
        let secured = timeout(limit, tls.accept(stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok(Self::of(Stream::Tls(Box::new(secured?))))
    }

    /// Reads what is there, or waits for it. Empty: the client closed the connection.
    ///
    /// Cancel-safe: nothing is lost where the future is dropped.
    pub(crate) async fn read(&mut self, reading: Reading) -> io::Result<&[u8]> {
        let size = match reading {
            Reading::Commands => READ_SIZE,
            Reading::Message if self.filled => MESSAGE_READ_SIZE,
            Reading::Message => self.buffer.len().max(READ_SIZE),
        };
        if self.buffer.len() != size {
            self.buffer.resize(size, 0);
            self.buffer.shrink_to_fit();
        }
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut self.buffer).await?,
            Stream::Tls(stream) => match stream.read(&mut self.buffer).await {
                // Many clients close without the alert that should come before. What could be cut
                // off by it is told by SMTP itself: a message ends with its dot.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                read => read?,
            },
        };
        self.filled = count == size;
        Ok(&self.buffer[..count])
    }

    pub(crate) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let write = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(octets).await,
                Stream::Tls(stream) => {
                    stream.write_all(octets).await?;
                    stream.flush().await
                }
            }
        };
        timeout(WRITE_LIMIT, write)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Closes without losing the last reply: closing a socket with octets unread makes the
    /// system reset the connection, and the client may then never see what was written.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.shutdown().await?,
                Stream::Tls(stream) => stream.shutdown().await?,
            }
            let mut drained = 0;
            while drained < LINGER_OCTETS {
                match self.read(Reading::Commands).await?.len() {
                    0 => break,
                    count => drained += count,
                }
            }
            io::Result::Ok(())
        };
        // Nobody is left to be told of an error or of the limit.
        let _ = timeout(LINGER_LIMIT, goodbye).await;
    }
}
