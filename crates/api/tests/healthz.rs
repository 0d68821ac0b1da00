//! The health door over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_api::{Health, HttpDoor, HttpDoorOptions, router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

struct Door {
    addr: SocketAddr,
    store_failure: watch::Sender<Option<Arc<str>>>,
    draining: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    async fn open(max_connections: usize, header_timeout: Duration) -> Self {
        let (store_failure, failure) = watch::channel(None);
        let draining = CancellationToken::new();
        let options = HttpDoorOptions {
            listen: Vec::new(),
            max_connections,
            header_timeout,
        };
        let door = HttpDoor::new(&options, router(Health::new(failure, draining.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(door.serve(listener, &tasks, stop.clone()));
        Self {
            addr,
            store_failure,
            draining,
            stop,
            tasks,
        }
    }

    /// Sends one request and reads until the server closes.
    async fn request(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        let within = Duration::from_secs(10);
        tokio::time::timeout(within, self.tasks.wait())
            .await
            .unwrap();
    }
}

fn usual() -> (usize, Duration) {
    (8, Duration::from_secs(10))
}

#[tokio::test]
async fn healthy_until_something_stands_against_it() {
    let (connections, timeout) = usual();
    let door = Door::open(connections, timeout).await;
    let answer = door.request("GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");

    door.draining.cancel();
    let answer = door.request("GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with(r#"{"reasons":["draining"],"status":"unavailable"}"#));

    door.store_failure.send_replace(Some("fsync failed".into()));
    let answer = door.request("GET /healthz").await;
    assert!(
        answer.contains(r#"["store_stopped","draining"]"#),
        "{answer}"
    );
    door.close().await;
}

#[tokio::test]
async fn faults_are_problem_documents() {
    let (connections, timeout) = usual();
    let door = Door::open(connections, timeout).await;
    let answer = door.request("GET /nowhere").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"));
    assert!(
        answer.contains(r#""detail":"there is no /nowhere""#),
        "{answer}"
    );

    let answer = door.request("DELETE /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("allow: GET,HEAD"), "{answer}");
    door.close().await;
}

#[tokio::test]
async fn a_silent_client_is_let_go_and_frees_its_slot() {
    let door = Door::open(1, Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(door.addr).await.unwrap();
    silent.write_all(b"GET /healthz HT").await.unwrap();
    let answer = door.request("GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    door.close().await;
}
