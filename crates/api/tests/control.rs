//! The control door over its socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postbell_api::control::{
    CONTROL_SOCKET, Control, ControlDoor, Running, SiteDocument, Stands, Step,
};
use postbell_model::clock::Still;
use postbell_model::{CredentialId, Domain, Timestamp, WorkspaceId};
use postbell_net::Tracer;
use postbell_net::control::{ControlError, ControlLines, ask};
use postbell_net::trace::{Role, Speaker};
use postbell_store::{Action, DeliveryFilter};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Knows one site, of one domain.
struct One;

impl Running for One {
    fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        (name == "acme").then_some(WorkspaceId(7))
    }

    fn credential(&self, username: &str) -> Option<CredentialId> {
        (username == "shop").then_some(CredentialId(3))
    }

    fn operate(&self, filter: DeliveryFilter, action: Action) -> Option<mpsc::Receiver<Step>> {
        let step = |changed, stands| Step {
            changed,
            left_alone: 1,
            stands,
        };
        let (steps, told) = mpsc::channel(2);
        if action == Action::Hold {
            assert_eq!(filter.workspace, Some(WorkspaceId(7)));
            assert_eq!(filter.credential, Some(CredentialId(3)));
            steps.try_send(step(256, Stands::UnderWay)).unwrap();
            steps.try_send(step(300, Stands::Done)).unwrap();
        } else {
            let why = "10 minutes are over".to_owned();
            steps.try_send(step(9, Stands::BrokenOff(why))).unwrap();
        }
        (action != Action::Retry).then_some(told)
    }

    fn sites(&self, domains: &[Domain]) -> Vec<SiteDocument> {
        let known = domains
            .iter()
            .find(|domain| domain.as_str() == "example.org");
        if known.is_none() && !domains.is_empty() {
            return Vec::new();
        }
        vec![SiteDocument {
            hosts: vec!["mx.example.org".to_owned()],
            domains: known.into_iter().map(ToString::to_string).collect(),
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
        let tracer = Tracer::new(Arc::new(Still(Timestamp::from_micros(0))));
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
        serde_json::from_slice::<Value>(&answer).unwrap()
    };
    let sites = asked("/v1/sites?domain=example.org").await;
    assert_eq!(sites[0]["hosts"][0], "mx.example.org");
    assert_eq!(sites[0]["maxConnections"], 20);
    let several = asked("/v1/sites?domain=example.com&domain=example.org").await;
    assert_eq!(several[0]["domains"], json!(["example.org"]));
    assert_eq!(asked("/v1/sites?domain=example.com").await, json!([]));
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
        serde_json::from_slice::<Value>(&line).unwrap()
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

/// All lines that a request gets, or the status and the document of its refusal.
async fn act(door: &Door, action: &str, request: &str) -> Result<Vec<Value>, (u16, Value)> {
    let target = format!("/v1/queue/{action}");
    let asked = ControlLines::post(&door.socket(), &target, request.to_owned()).await;
    let mut lines = match asked {
        Ok(lines) => lines,
        Err(ControlError::Refused { status, text }) => {
            return Err((status, serde_json::from_str(&text).unwrap()));
        }
        Err(error) => panic!("{error}"),
    };
    let mut told = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        told.push(serde_json::from_slice(&line).unwrap());
    }
    Ok(told)
}

#[tokio::test]
async fn the_queue_is_acted_on_batch_by_batch() {
    let door = Door::open(tempfile::tempdir().unwrap());
    let told = act(
        &door,
        "hold",
        r#"{"workspace": "acme", "credential": "shop", "states": ["queued"]}"#,
    )
    .await;
    assert_eq!(
        told.unwrap(),
        [
            json!({"changed": 256, "leftAlone": 1, "done": false}),
            json!({"changed": 300, "leftAlone": 1, "done": true}),
        ]
    );
    let told = act(&door, "fail", r#"{"all": true, "reason": "x"}"#)
        .await
        .unwrap();
    assert_eq!(told[0]["done"], false);
    assert_eq!(told[0]["problem"]["detail"], "10 minutes are over");
    door.close().await;
}

#[tokio::test]
async fn an_action_that_is_not_understood_is_refused_with_a_problem() {
    let door = Door::open(tempfile::tempdir().unwrap());
    for (action, request, status, said) in [
        ("hold", "{}", 400, "say which deliveries are meant"),
        ("hold", "[", 400, "EOF"),
        (
            "hold",
            r#"{"domian": "example.org"}"#,
            400,
            "unknown field `domian`",
        ),
        (
            "hold",
            r#"{"domain": "a b"}"#,
            400,
            "\"domain\" can't be \"a b\"",
        ),
        (
            "hold",
            r#"{"states": ["held"]}"#,
            400,
            "no delivery in these states",
        ),
        (
            "hold",
            r#"{"workspace": "other"}"#,
            400,
            "there is no workspace \"other\"",
        ),
        (
            "hold",
            r#"{"all": true, "reason": "x"}"#,
            400,
            "only \"fail\"",
        ),
        ("eat", r#"{"all": true}"#, 404, "there is no action \"eat\""),
        (
            "retry",
            r#"{"all": true}"#,
            503,
            "other actions on the queue",
        ),
    ] {
        let (told, problem) = act(&door, action, request).await.unwrap_err();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(told, status, "{request}: {problem}");
        assert!(detail.contains(said), "{request}: {detail}");
    }
    let large = format!(r#"{{"domain": "{}"}}"#, "x".repeat(70_000));
    assert_eq!(act(&door, "hold", &large).await.unwrap_err().0, 413);
    door.close().await;
}
