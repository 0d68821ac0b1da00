//! Mail from outside, by the door of a server in this process into its store.

use std::sync::Arc;

use bytes::Bytes;
use postbell::config::{self, Config, Sources};
use postbell::observe::Panics;
use postbell::server::Server;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Audience, Domain, EventKind, InboundId, InboundKind, SendingDomain, WorkspaceId,
};
use postbell_peers::client::{ClientOptions, Mail, Outcome, SmtpClient};
use postbell_peers::clock::{HandClock, START};
use postbell_store::{NewConfigurationSet, Position, Store};
use tempfile::TempDir;

const TEXT: &str = "From: Bo <bo@peer.test>\r\nSubject: A question\r\n\r\nWhere is it?\r\n";

async fn start() -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let clock = Arc::new(HandClock::default());
    let server = Server::start(&config, clock, &Panics::default()).await;
    (folder, server.unwrap())
}

/// Senders are looked at, and the name server is a port where nobody is.
fn config(folder: &TempDir) -> Config {
    let text = format!(
        r#"
server.hostname = "mx.postbell.test"
server.data_dir = "{}"
submission.listen = []
inbound.listen = ["127.0.0.1:0"]
http.listen = []
dns.servers = ["127.0.0.1:1"]
dns.timeout = "100ms"
dns.attempts = 1
"#,
        folder.path().join("data").display(),
    );
    let sources = Sources::of(Some(("postbell.toml".into(), text)), Vec::new());
    config::load(&sources).unwrap().config
}

/// A workspace with a domain that takes mail.
async fn set_up(store: &dyn Store) -> WorkspaceId {
    let workspace = store.create_workspace("acme", START).await.unwrap().id;
    let set = NewConfigurationSet {
        workspace,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    };
    let set = store.create_configuration_set(set, START).await.unwrap().id;
    let name = Domain::parse("inbox.test").unwrap();
    let domain = SendingDomain {
        inbound: true,
        ..SendingDomain::new(name, workspace, set, START)
    };
    store.add_domain(domain).await.unwrap();
    workspace
}

async fn send(server: &Server, from: &str, to: &str) -> Outcome {
    let address = server.addresses().inbound[0];
    let options = ClientOptions::default();
    let mut client = SmtpClient::connect(address, &options).await.unwrap();
    let mail = Mail {
        from: from.to_owned(),
        to: vec![to.to_owned()],
        parameters: String::new(),
        body: Bytes::from_static(TEXT.as_bytes()),
    };
    let outcome = client.send(&mail).await.unwrap();
    client.quit().await.unwrap();
    outcome
}

/// The id that the last reply names.
fn id_in(outcome: &Outcome) -> InboundId {
    let reply = &outcome.deciding().text;
    let id = reply.rsplit(' ').next().unwrap();
    id.parse().unwrap_or_else(|_| panic!("{reply}"))
}

#[tokio::test]
async fn mail_for_a_domain_lies_in_the_store_and_is_told() {
    let (_folder, server) = start().await;
    let workspace = set_up(&**server.store()).await;
    let outcome = send(&server, "bo@peer.test", "Sales+eu@inbox.test").await;
    assert!(outcome.is_taken(), "{}", outcome.deciding());

    let store = server.store();
    let kept = store.inbound(id_in(&outcome)).await.unwrap().unwrap();
    assert_eq!(kept.mail.workspace, Some(workspace));
    assert_eq!(kept.mail.kind, InboundKind::Mail);
    assert_eq!(kept.mail.subject, "A question");
    let body = store.body(kept.body.unwrap()).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.ends_with(TEXT), "{text}");
    // Nobody answers for the names of the sender.
    assert!(text.contains("spf=temperror"), "{text}");

    let whole = Audience::Workspace(workspace);
    let page = store.events_after(whole, Position(0), 10).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|event| event.kind()).collect();
    assert_eq!(kinds, [EventKind::DomainCreated, EventKind::Received]);
    server.shut_down().await;
}

#[tokio::test]
async fn the_postmaster_hears_everybody_and_nobody_relays() {
    let (_folder, server) = start().await;
    let taken = send(&server, "", "postmaster@mx.postbell.test").await;
    let kept = server.store().inbound(id_in(&taken)).await.unwrap();
    assert_eq!(kept.unwrap().mail.workspace, None);
    let relayed = send(&server, "bo@peer.test", "victim@elsewhere.test").await;
    assert!(!relayed.is_taken());
    assert_eq!(relayed.deciding().code, 550);
    server.shut_down().await;
}
