//! The server in this process, with a clock that is turned by hand, and a far side around it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell::config::{Config, Sources, load};
use postbell::observe::Panics;
use postbell::server::Server;
use postbell_model::EventKind;
use postbell_peers::Keep;
use postbell_peers::client::{ClientOptions, Mail, Outcome, SmtpClient};
use postbell_peers::dns::{DnsOptions, DnsServer, Entry};
use postbell_peers::mx::{MxOptions, MxServer, Received};
use postbell_peers::webhook::{Post, WebhookOptions, WebhookServer};
use postbell_store::{Directory, EventFilter, From, Inspect, Logged, SqliteInspector};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kit::Place;
use postbell_peers::clock::HandClock;

/// How long anything may take that a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// The domain of the workspace.
pub(crate) const SENDER: &str = "sender.test";
/// The domain whose MX takes no more than RFC 5321 has.
pub(crate) const OLD: &str = "old.test";

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What is looked for again and again while the clock goes on.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) struct World {
    pub(crate) clock: Arc<HandClock>,
    /// The MX of every domain but [`OLD`].
    pub(crate) mx: MxServer,
    /// The MX of [`OLD`]: no 8BITMIME.
    pub(crate) old_mx: MxServer,
    pub(crate) webhook: WebhookServer,
    place: Place,
    /// What no test changes.
    base: String,
    settings: String,
    server: Option<Server>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// Workspace `acme` with the domain [`SENDER`] and the destination `hook`.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with more settings.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mx = MxServer::start(keeping(MxOptions::default()), &tasks, stop.clone());
        let mx = mx.await.unwrap();
        let old = keeping(MxOptions {
            bind: SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), mx.addr().port()),
            extensions: vec!["PIPELINING".to_owned()],
            ..MxOptions::default()
        });
        let old_mx = MxServer::start(old, &tasks, stop.clone()).await.unwrap();
        let webhook = WebhookOptions {
            keep: keep(),
            ..WebhookOptions::default()
        };
        let webhook = WebhookServer::start(webhook, &tasks, stop.clone());
        let webhook = webhook.await.unwrap();
        let dns = DnsServer::start(DnsOptions::default(), &tasks, stop.clone());
        let dns = dns.await.unwrap();
        dns.table().set(OLD, Entry::mx([(10, "mx.old.test")]));
        dns.table().set(
            "mx.old.test",
            Entry::addresses([IpAddr::from([127, 0, 0, 2])]),
        );
        let place = Place::new();
        place.ok(&["workspace", "add", "acme"]);
        place.ok(&["domain", "add", SENDER, "--workspace", "acme"]);
        let base = configuration(place.path(), dns.addr(), mx.addr().port());
        let mut world = Self {
            clock: Arc::new(HandClock::default()),
            mx,
            old_mx,
            webhook,
            place,
            base,
            settings: settings.to_owned(),
            server: None,
            tasks,
            stop,
        };
        world.command(&["config-set", "add", "other", "--max-retries", "0"]);
        world.add_destination("hook", "default");
        world.add_destination("other", "other");
        world.start_server().await;
        world
    }

    /// Runs a command about the workspace; the server must not run.
    pub(crate) fn command(&self, words: &[&str]) {
        self.place.ok(&[words, &["--workspace", "acme"]].concat());
    }

    /// Where commands run.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Runs a command, beside the server as well.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.place.ok(words)
    }

    /// The one line of a command that fails beside the server.
    pub(crate) fn fails(&self, words: &[&str]) -> String {
        self.place.fails(words)
    }

    /// Lets the time go on until the server has seen a change that a command made.
    pub(crate) async fn seen(&self, so: impl Fn(&Directory) -> bool) {
        let store = self.server.as_ref().unwrap().store();
        for _ in 0..LIMIT.as_secs() * 10 {
            let mut changed = store.directory_changed();
            if so(&store.directory()) {
                return;
            }
            self.clock.turn(Duration::from_secs(1));
            // The look itself takes its time; the next turn is as good.
            let _ = tokio::time::timeout(LOOK, changed.changed()).await;
        }
        panic!("the server has not seen it");
    }

    /// Lets the time go on until something is so that nobody is told of.
    pub(crate) async fn until(&self, so: impl Fn(&Self) -> bool) {
        let store = self.server.as_ref().unwrap().store();
        for _ in 0..LIMIT.as_secs() * 10 {
            let mut changed = store.directory_changed();
            if so(self) {
                return;
            }
            self.clock.turn(Duration::from_mins(10));
            let _ = tokio::time::timeout(LOOK, changed.changed()).await;
        }
        panic!("it has not come to that");
    }

    fn add_destination(&self, name: &str, set: &str) {
        let url = self.webhook.url(name);
        let words = ["destination", "add", name, "--url", &url];
        let options = ["--secret", SECRET, "--config-set", set];
        self.command(&[&words[..], &options].concat());
    }

    pub(crate) async fn start_server(&mut self) {
        let config = self.config(&self.settings);
        let server = Server::start(&config, self.clock.clone(), &Panics::default()).await;
        self.server = Some(server.unwrap());
    }

    /// Has the server follow other settings in the place of those that it began with.
    pub(crate) fn follow(&self, settings: &str) -> anyhow::Result<()> {
        self.server().follow(&self.config(settings))
    }

    fn config(&self, settings: &str) -> Config {
        let file = self.place.path().join("postbell.toml");
        let file = Some((file, format!("{}{settings}", self.base)));
        load(&Sources::of(file, Vec::new())).unwrap().config
    }

    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().shut_down().await;
    }

    /// The server, which runs.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// What stands in the log of this kind, oldest first.
    pub(crate) async fn events(&self, kind: EventKind) -> Vec<Logged> {
        let store = SqliteInspector::open(&self.place.path().join("data")).await;
        let store = store.unwrap();
        let filter = EventFilter {
            kinds: vec![kind],
            ..EventFilter::default()
        };
        let found = store.events(&filter, From::Newest, 100).await.unwrap();
        store.close().await;
        found.events
    }

    /// A session with the submission door.
    pub(crate) async fn client(&self) -> SmtpClient {
        let door = self.server.as_ref().unwrap().addresses().submission[0];
        let options = ClientOptions {
            limit: LIMIT,
            ..ClientOptions::default()
        };
        SmtpClient::connect(door, &options).await.unwrap()
    }

    /// Offers a message with these fields to one recipient.
    pub(crate) async fn offer(&self, to: &str, fields: &str) -> Outcome {
        let text = format!("From: a@{SENDER}\r\nSubject: x\r\n{fields}\r\nHello\r\n");
        let mut client = self.client().await;
        let outcome = client.send(&mail(&[to], text.into())).await.unwrap();
        client.quit().await.unwrap();
        outcome
    }

    /// The same, which must be taken.
    pub(crate) async fn submit(&self, to: &str, fields: &str) {
        let outcome = self.offer(to, fields).await;
        assert!(outcome.is_taken(), "{}", outcome.deciding());
    }

    pub(crate) async fn delivered(&self, to: &str) -> Arc<Received> {
        let wanted = |received: &Received| received.recipients.iter().any(|r| r == to);
        self.mx.wait_for_message(LIMIT, wanted).await.unwrap()
    }

    /// What a destination was told of a recipient, of one of these kinds.
    pub(crate) async fn told(&self, path: &str, to: &str, kinds: &[&str]) -> Value {
        let wanted = |post: &Post| is_about(post, path, to, kinds);
        let post = self.webhook.wait_for_post(LIMIT, wanted).await;
        post.unwrap_or_else(|e| panic!("{kinds:?} of {to}: {e}"))
            .json()
            .unwrap()
    }

    /// The same, while the clock goes on second by second: who was about to sleep when it was
    /// turned sleeps on for as long as it meant to.
    pub(crate) async fn told_in_time(&self, path: &str, to: &str, kinds: &[&str]) -> Value {
        for _ in 0..LIMIT.as_secs() * 10 {
            let wanted = |post: &Post| is_about(post, path, to, kinds);
            if let Ok(post) = self.webhook.wait_for_post(LOOK, wanted).await {
                return post.json().unwrap();
            }
            self.clock.turn(Duration::from_secs(1));
        }
        panic!("{kinds:?} of {to} was not told: {:?}", self.kinds(path, to));
    }

    /// What a destination was told of a recipient so far.
    pub(crate) fn kinds(&self, path: &str, to: &str) -> Vec<String> {
        let posts = self.webhook.posts();
        let about = posts.iter().filter(|post| is_about(post, path, to, &[]));
        about
            .map(|post| {
                post.json().unwrap()["eventType"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    pub(crate) async fn end(mut self) {
        if self.server.is_some() {
            self.stop_server().await;
        }
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(LIMIT, self.tasks.wait())
            .await
            .unwrap();
    }
}

/// A mail from the workspace's domain.
pub(crate) fn mail(to: &[&str], body: Bytes) -> Mail {
    Mail {
        from: format!("a@{SENDER}"),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        parameters: String::new(),
        body,
    }
}

fn is_about(post: &Post, path: &str, to: &str, kinds: &[&str]) -> bool {
    post.path.trim_start_matches('/') == path
        && post.json().is_ok_and(|document| {
            let kind = document["eventType"].as_str().unwrap_or_default();
            document["mail"]["destination"][0] == to && (kinds.is_empty() || kinds.contains(&kind))
        })
}

fn keeping(options: MxOptions) -> MxOptions {
    MxOptions {
        keep: keep(),
        ..options
    }
}

fn keep() -> Keep {
    Keep {
        count: 10_000,
        ..Keep::default()
    }
}

fn configuration(folder: &Path, dns: SocketAddr, mx_port: u16) -> String {
    format!(
        r#"
server.data_dir = "{data}"
submission.listen = ["127.0.0.1:0"]
inbound.listen = ["127.0.0.1:0"]
submission.trusted = [{{ network = "127.0.0.0/8", workspace = "acme" }}]
dns.servers = ["{dns}"]
guard.allow_deliver = ["127.0.0.0/8"]
guard.allow_notify = ["127.0.0.0/8"]
deliver.smtp_port = {mx_port}
http.listen = ["127.0.0.1:0"]
tracking.listen = ["127.0.0.1:0"]
"#,
        data = folder.join("data").display(),
    )
}
