//! A webhook endpoint that answers as it is told and keeps what it was sent.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// A call that was received.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) json: Value,
}

impl Call {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn timestamp(&self) -> i64 {
        self.headers["webhook-timestamp"].parse().unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.json["mail"]["messageId"].as_str().unwrap().to_owned()
    }
}

/// How a call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With this status, and these headers, each with its CRLF.
    Status(u16, &'static str),
    /// With this status, and this text.
    Text(u16, &'static str),
    /// Never.
    Silence,
    /// An octet now and then, without end.
    Drip,
    /// 200, and as much of a gigabyte as is read.
    Flood,
}

const GIGABYTE: usize = 1 << 30;

pub(crate) const OK: Answer = Answer::Status(200, "");

type Script = Box<dyn Fn(&Call) -> Answer + Send + Sync>;

/// The endpoint.
pub(crate) struct Endpoint {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    calls: watch::Sender<Vec<Call>>,
    flooded: AtomicUsize,
}

impl Endpoint {
    pub(crate) async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(Box::new(script))),
            calls: watch::Sender::new(Vec::new()),
            flooded: AtomicUsize::new(0),
        });
        let tasks = TaskTracker::new();
        let serving = Arc::clone(&shared);
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { addr, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// Answers otherwise from now on.
    pub(crate) fn answer(&self, script: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(Box::new(script));
    }

    /// Octets of floods that went out, those on their way included.
    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Waits until so many calls were received in all.
    pub(crate) async fn received(&self, number: usize) -> Vec<Call> {
        let mut calls = self.shared.calls.subscribe();
        let enough = calls.wait_for(|calls| calls.len() >= number);
        let waited = tokio::time::timeout(Duration::from_secs(10), enough).await;
        match waited {
            Ok(calls) => calls.unwrap().clone(),
            Err(_) => panic!("{} calls instead of {number}", self.calls().len()),
        }
    }
}

impl Answer {
    async fn give(self, stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
        let (status, headers, text) = match self {
            Self::Status(status, headers) => (status, headers, ""),
            Self::Text(status, text) => (status, "", text),
            Self::Silence => return Ok(()),
            Self::Drip => return drip(stream).await,
            Self::Flood => return flood(stream, shared).await,
        };
        let length = text.len();
        let answer =
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{text}");
        stream.write_all(answer.as_bytes()).await
    }
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let head = b"HTTP/1.1 200 OK\r\nx-slow: ";
    // A header that does not end.
    for octet in head.iter().chain(std::iter::repeat(&b'z')) {
        pace.tick().await;
        stream.write_all(&[*octet]).await?;
    }
    Ok(())
}

async fn flood(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..GIGABYTE / piece.len() {
        let sent = stream.write(&piece).await?;
        shared.flooded.fetch_add(sent, Ordering::SeqCst);
    }
    Ok(())
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut seen = Vec::new();
    loop {
        while let Some((call, end)) = parse(&seen) {
            seen.drain(..end);
            let script = Arc::clone(&shared.script.lock().unwrap());
            let answer = script(&call);
            shared.calls.send_modify(|calls| calls.push(call));
            if answer.give(&mut stream, &shared).await.is_err() {
                return;
            }
        }
        if stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
            continue;
        }
        return;
    }
}

/// The first request in `seen`, and where it ends.
fn parse(seen: &[u8]) -> Option<(Call, usize)> {
    let head_end = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&seen[..head_end]).unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hook HTTP/1.1"));
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let body = seen.get(head_end..head_end + length)?.to_vec();
    let json = serde_json::from_slice(&body).unwrap();
    let call = Call {
        headers,
        body,
        json,
    };
    Some((call, head_end + length))
}
