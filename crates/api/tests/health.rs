//! The health door over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postbell_accept::{Admission, Obstacle};
use postbell_api::{Health, HttpDoor, HttpDoorOptions, Pulse, Router, metrics, router};
use postbell_model::clock::Sleep;
use postbell_model::{Clock, Monotonic, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A door on a port of its own.
struct Door {
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A door with all routes, and what its answers depend on.
struct World {
    door: Door,
    store_failure: watch::Sender<Option<Arc<str>>>,
    admission: Arc<Admission>,
    clock: Arc<HandClock>,
}

impl World {
    async fn open(max_connections: usize, header_timeout: Duration) -> Self {
        let (store_failure, failure) = watch::channel(None);
        let admission = Arc::new(Admission::new(failure));
        let clock = Arc::new(HandClock::default());
        let options = HttpDoorOptions {
            listen: Vec::new(),
            max_connections,
            header_timeout,
            metrics_from: vec!["127.0.0.0/8".parse().unwrap()],
        };
        let health = Health::new(admission.clone(), Pulse::new(clock.clone()));
        let routes = router(health).merge(metrics(registry(), &options.metrics_from));
        Self {
            door: Door::open(&options, routes).await,
            store_failure,
            admission,
            clock,
        }
    }

    async fn request(&self, line: &str) -> String {
        self.door.request(line, "").await
    }

    async fn close(self) {
        self.door.close().await;
    }
}

impl Door {
    async fn open(options: &HttpDoorOptions, routes: Router) -> Self {
        let door = HttpDoor::new(options, routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(door.serve(listener, &tasks, stop.clone()));
        Self { addr, stop, tasks }
    }

    /// Sends one request, with a header field more, and reads until the server closes.
    async fn request(&self, line: &str, field: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let fields = format!("Host: localhost\r\nConnection: close\r\n{field}");
        let request = format!("{line} HTTP/1.1\r\n{fields}\r\n");
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

/// A clock that only goes on when it is told to.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl HandClock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).after(self.monotonic().0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }

    fn sleep_until(&self, _: Monotonic) -> Sleep<'_> {
        Box::pin(std::future::pending())
    }
}

fn registry() -> Arc<Registry> {
    let mut registry = Registry::default();
    let things = Counter::<u64>::default();
    registry.register("postbell_things", "Things that were done", things.clone());
    things.inc();
    Arc::new(registry)
}

#[tokio::test]
async fn ready_until_something_stands_against_it() {
    let (connections, timeout) = usual();
    let door = World::open(connections, timeout).await;
    let answer = door.request("GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    door.admission.set(Obstacle::Draining);
    let answer = door.request("GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with(r#"{"reasons":["draining"],"status":"unavailable"}"#));

    door.store_failure.send_replace(Some("fsync failed".into()));
    door.admission.set(Obstacle::DiskLow);
    let answer = door.request("GET /readyz").await;
    let reasons = r#"["store_stopped","draining","disk_low"]"#;
    assert!(answer.contains(reasons), "{answer}");
    door.admission.clear(Obstacle::Draining);
    let answer = door.request("GET /readyz").await;
    assert!(
        answer.contains(r#"["store_stopped","disk_low"]"#),
        "{answer}"
    );
    door.close().await;
}

#[tokio::test]
async fn alive_though_nothing_is_taken_until_nothing_moves() {
    let (connections, timeout) = usual();
    let door = World::open(connections, timeout).await;
    door.admission.set(Obstacle::DiskLow);
    door.clock.advance(60);
    let answer = door.request("GET /livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    door.clock.advance(1);
    let answer = door.request("GET /livez").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(r#"["stalled"]"#), "{answer}");
    door.close().await;
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let (connections, timeout) = usual();
    let door = World::open(connections, timeout).await;
    let plain = door.request("GET /metrics").await;
    assert!(plain.contains("content-type: text/plain; version=0.0.4"));
    assert!(
        plain.ends_with("# TYPE postbell_things_total counter\npostbell_things_total 1\n"),
        "{plain}"
    );
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n";
    let open = door.door.request("GET /metrics", accept).await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(
        open.ends_with("# TYPE postbell_things counter\npostbell_things_total 1\n# EOF\n"),
        "{open}"
    );
    door.close().await;
}

#[tokio::test]
async fn metrics_are_for_some_networks_alone() {
    let networks = ["10.0.0.0/8".parse().unwrap()];
    let options = HttpDoorOptions {
        listen: Vec::new(),
        max_connections: 1,
        header_timeout: Duration::from_secs(10),
        metrics_from: networks.to_vec(),
    };
    let door = Door::open(&options, metrics(registry(), &networks)).await;
    let answer = door.request("GET /metrics", "").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(!answer.contains("postbell_things"), "{answer}");
    door.close().await;
}

#[tokio::test]
async fn faults_are_problem_documents() {
    let (connections, timeout) = usual();
    let door = World::open(connections, timeout).await;
    let answer = door.request("GET /nowhere").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"));
    assert!(
        answer.contains(r#""detail":"there is no /nowhere""#),
        "{answer}"
    );

    let answer = door.request("DELETE /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("allow: GET,HEAD"), "{answer}");
    door.close().await;
}

#[tokio::test]
async fn a_silent_client_is_let_go_and_frees_its_slot() {
    let door = World::open(1, Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(door.door.addr).await.unwrap();
    silent.write_all(b"GET /readyz HT").await.unwrap();
    let answer = door.request("GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    door.close().await;
}
