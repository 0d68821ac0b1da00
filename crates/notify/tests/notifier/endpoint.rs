//! A webhook endpoint that answers as it is told and keeps what it was sent.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
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
    /// Never.
    Silence,
}

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
}

impl Endpoint {
    pub(crate) async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(Box::new(script))),
            calls: watch::Sender::new(Vec::new()),
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

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut seen = Vec::new();
    loop {
        while let Some((call, end)) = parse(&seen) {
            seen.drain(..end);
            let script = Arc::clone(&shared.script.lock().unwrap());
            let answer = script(&call);
            shared.calls.send_modify(|calls| calls.push(call));
            if let Answer::Status(status, headers) = answer {
                let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
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
