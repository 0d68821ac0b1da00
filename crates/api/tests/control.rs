//! The control door over its socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postbell_api::control::{CONTROL_SOCKET, Control, ControlDoor, Running, SiteDocument};
use postbell_model::clock::Sleep;
use postbell_model::{Clock, Domain, Monotonic, Timestamp};
use postbell_net::Tracer;
use postbell_net::control::{ControlError, ControlLines, ask};
use postbell_net::trace::{Role, Speaker};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(Duration::ZERO)
    }

    fn sleep_until(&self, _: Monotonic) -> Sleep<'_> {
        Box::pin(std::future::pending())
    }
}

/// Knows one site, of one domain.
struct One;

impl Running for One {
    fn sites(&self, domain: Option<&Domain>) -> Vec<SiteDocument> {
        if domain.is_some_and(|domain| domain.as_str() != "example.org") {
            return Vec::new();
        }
        vec![SiteDocument {
            hosts: vec!["mx.example.org".to_owned()],
            source_addresses: Vec::new(),
            ehlo_name: None,
            connections: 1,
            opening: 0,
            idle: 0,
            window: 2,
            max_connections: 20,
            max_messages_per_connection: 100,
            rate: None,
            waiting: 3,
            proven: true,
            paused_for_seconds: None,
            held_for_seconds: None,
            replies: Vec::new(),
        }]
    }
}

struct Door {
    folder: TempDir,
    tracer: Tracer,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Door {
    fn open(folder: TempDir) -> Self {
        let tracer = Tracer::new(Arc::new(Still));
        let control = Control::new(Arc::new(One), tracer.clone());
        let door = ControlDoor::bind(folder.path(), control).unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(door.serve(tasks.clone(), stop.clone()));
        Self {
            folder,
            tracer,
            tasks,
            stop,
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join(CONTROL_SOCKET)
    }

    async fn close(self) -> TempDir {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.tasks.wait());
        ended.await.expect("nobody waits for a stream");
        self.folder
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    // Left by a server that was killed.
    let stale = folder.path().join(CONTROL_SOCKET);
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let door = Door::open(folder);
    assert_eq!(mode(&door.socket()), 0o600);
    ask(&door.socket(), "/v1/sites").await.unwrap();
    let folder = door.close().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let nobody = ask(&folder.path().join(CONTROL_SOCKET), "/v1/sites").await;
    assert!(matches!(nobody, Err(ControlError::NoServer { .. })));
}

#[tokio::test]
async fn sites_are_told_by_domain() {
    let door = Door::open(tempfile::tempdir().unwrap());
    let asked = async |target| {
        let answer = ask(&door.socket(), target).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer).unwrap()
    };
    let sites = asked("/v1/sites?domain=example.org").await;
    assert_eq!(sites[0]["hosts"][0], "mx.example.org");
    assert_eq!(sites[0]["maxConnections"], 20);
    assert_eq!(
        asked("/v1/sites?domain=example.com").await,
        serde_json::json!([])
    );
    for (target, status) in [("/v1/sites?other=1", 400), ("/v2/sites", 404)] {
        let refused = ask(&door.socket(), target).await;
        assert!(
            matches!(refused, Err(ControlError::Refused { status: told, .. }) if told == status),
            "{target}: {refused:?}"
        );
    }
    door.close().await;
}

#[tokio::test]
async fn a_trace_is_told_line_by_line() {
    let door = Door::open(tempfile::tempdir().unwrap());
    let target = "/v1/trace?role=delivery&domain=example.org";
    let mut lines = ControlLines::open(&door.socket(), target).await.unwrap();
    let mut next = async || {
        let line = lines.next().await.unwrap().unwrap();
        serde_json::from_slice::<serde_json::Value>(&line).unwrap()
    };
    assert_eq!(next().await["watching"], true);
    let mut session = door
        .tracer
        .session(Role::Delivery, 7, Ipv4Addr::LOCALHOST.into());
    session.said(Speaker::Client, b"RCPT TO:<bob@example.org>\r\n");
    let line = next().await;
    assert_eq!(line["text"], "RCPT TO:<bob@example.org>");
    assert_eq!(
        (&line["session"], &line["from"]),
        (&7.into(), &"client".into())
    );
    let refused = ControlLines::open(&door.socket(), "/v1/trace?role=king").await;
    assert!(matches!(
        refused,
        Err(ControlError::Refused { status: 400, .. })
    ));
    door.close().await;
    assert!(!session.is_watched(), "who watched is gone");
}
