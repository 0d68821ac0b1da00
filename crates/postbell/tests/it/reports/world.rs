//! The server in this process, on a clock that is turned by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell::config::{self, Config, Sources};
use postbell::observe::Panics;
use postbell::server::Server;
use postbell_accept::{AcceptOptions, Door, Gate, Offer, Recipient};
use postbell_model::message::Received as Trace;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Address, Audience, Clock, ConfigurationSetId, EventKind, ReportRequest, Ret, RetryPolicy,
    ReversePath, SendingDomain, WorkspaceId,
};
use postbell_peers::dns::{DnsOptions, DnsServer};
use postbell_peers::mx::{MxOptions, MxServer, Received};
use postbell_store::{NewConfigurationSet, Position, SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use postbell_peers::clock::{HandClock, START};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
const NUDGE: Duration = Duration::from_millis(200);
pub(crate) const SENDER: &str = "orders@sender.test";

/// A store in a folder, without a server.
pub(crate) async fn open(folder: &Path) -> Arc<dyn Store> {
    let options = SqliteOptions {
        commit_queue: 64,
        fresh_deliveries: 8,
        fresh_deliveries_per_lane: 8,
        fresh_octets: 1 << 20,
        // Each message has a file of its own.
        segment_octets: 1,
        max_hits_waiting: 1_000_000,
    };
    let clock = Arc::new(HandClock::default());
    let tasks = TaskTracker::new();
    let store = SqliteStore::open(folder, options, clock, &tasks);
    Arc::new(store.await.unwrap())
}

pub(crate) struct World {
    pub(crate) mx: MxServer,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) set: ConfigurationSetId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) dns: DnsServer,
    pub(crate) folder: TempDir,
    server: Server,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    pub(crate) async fn start(extensions: &[&str]) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut mx = MxOptions::default();
        mx.extensions
            .extend(extensions.iter().map(|&e| e.to_owned()));
        let mx = MxServer::start(mx, &tasks, stop.clone()).await.unwrap();
        let dns = DnsServer::start(DnsOptions::default(), &tasks, stop.clone());
        let dns = dns.await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::default());
        let config = config(&folder, &mx, &dns);
        let server = Server::start(&config, clock.clone(), &Panics::default())
            .await
            .unwrap();
        let (workspace, set) = set_up(&**server.store()).await;
        Self {
            mx,
            clock,
            set,
            workspace,
            dns,
            folder,
            server,
            tasks,
            stop,
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.server.store()
    }

    /// Submits a message as the door will once it reads the parameters.
    pub(crate) async fn submit(&self, to: &str, notify: Option<&str>) {
        self.submit_body(to, notify, "Hello.").await;
    }

    pub(crate) async fn submit_body(&self, to: &str, notify: Option<&str>, header: &str) {
        let gate = gate(self.store(), self.clock.clone());
        let offer = offer(self.workspace, to, notify, header);
        gate.submit(offer).await.unwrap();
    }

    /// The report about this recipient.
    pub(crate) async fn report(&self, about: &str) -> Arc<Received> {
        let field = format!("Final-Recipient: rfc822; {about}\r\n");
        let is_it = |m: &Received| m.from.is_empty() && text(m).contains(&field);
        self.mx.wait_for_message(LIMIT, is_it).await.unwrap()
    }

    /// How many reports the MX has taken.
    pub(crate) fn reports(&self) -> usize {
        let messages = self.mx.messages();
        messages.iter().filter(|m| m.from.is_empty()).count()
    }

    /// Waits until a set has as many events of this kind.
    pub(crate) async fn events(&self, set: ConfigurationSetId, kind: EventKind, count: usize) {
        let mut newest = self.store().newest();
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                newest.borrow_and_update();
                if self.kinds(set).await.iter().filter(|k| **k == kind).count() >= count {
                    return;
                }
                // Who looks at the clock and then sleeps may have missed that it was turned.
                let changed = tokio::time::timeout(NUDGE, newest.changed()).await;
                if changed.is_err() {
                    self.clock.turn(Duration::from_secs(60));
                }
            }
        });
        let waited = waited.await;
        assert!(
            waited.is_ok(),
            "{count} × {kind}: {:?}",
            self.kinds(set).await
        );
    }

    /// The kinds of a set's events, in the order of the log.
    pub(crate) async fn kinds(&self, set: ConfigurationSetId) -> Vec<EventKind> {
        let page = self
            .store()
            .events_after(Audience::Set(set), Position(0), 1_000)
            .await;
        let events = page.unwrap().events;
        // Reports of our own are of no set, and neither are events that are about no delivery.
        let of_deliveries = events.iter().filter(|e| e.delivery().is_some());
        of_deliveries.map(|e| e.kind()).collect()
    }

    pub(crate) async fn end(self) {
        self.server.shut_down().await;
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(LIMIT, self.tasks.wait())
            .await
            .unwrap();
    }
}

pub(crate) fn text(received: &Received) -> String {
    String::from_utf8(received.body.to_vec()).unwrap()
}

/// A workspace with the domain of the sender.
pub(crate) async fn set_up(store: &dyn Store) -> (WorkspaceId, ConfigurationSetId) {
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
    let sender = Address::parse(SENDER).unwrap();
    let domain = SendingDomain::new(sender.domain().clone(), workspace, set, START);
    store.add_domain(domain).await.unwrap();
    (workspace, set)
}

pub(crate) fn gate(store: &Arc<dyn Store>, clock: Arc<dyn Clock>) -> Gate {
    let options = AcceptOptions {
        retry: RetryPolicy {
            first: Duration::from_secs(3_600),
            longest: Duration::from_secs(3_600),
            max_retries: None,
            expire_after: Duration::from_secs(86_400),
        },
        max_hops: 50,
        hide_client: false,
        schedule_max: Duration::from_secs(86_400),
        keep_keys: Duration::from_secs(86_400),
    };
    Gate::new(options, store.clone(), store.clone(), clock)
}

pub(crate) fn offer(workspace: WorkspaceId, to: &str, notify: Option<&str>, header: &str) -> Offer {
    let body = format!(
        "From: <{SENDER}>\r\nTo: <{to}>\r\nSubject: Your order\r\nX-Note: {header}\r\n\r\nHi.\r\n"
    );
    Offer {
        door: Door::Smtp,
        workspace,
        credential: None,
        envelope_from: ReversePath::Mailbox(Address::parse(SENDER).unwrap()),
        envid: notify.map(|_| "QQ=1".to_owned()),
        ret: notify.map(|_| Ret::Headers),
        recipients: vec![Recipient {
            address: Address::parse(to).unwrap(),
            report: ReportRequest {
                notify: notify.map(|words| words.parse().unwrap()),
                orcpt: None,
            },
        }],
        smtputf8: false,
        body: Bytes::from(body),
        received: Trace {
            helo: "app.sender.test".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
    }
}

fn config(folder: &TempDir, mx: &MxServer, dns: &DnsServer) -> Config {
    let text = format!(
        r#"
server.hostname = "postbell.test"
server.data_dir = "{}"
submission.listen = ["127.0.0.1:0"]
inbound.listen = []
http.listen = ["127.0.0.1:0"]
dns.servers = ["{}"]
guard.allow_deliver = ["127.0.0.0/8"]
deliver.smtp_port = {}
deliver.retry.first = "1h"
deliver.retry.longest = "1h"
deliver.retry.expire_after = "1d"
"#,
        folder.path().join("data").display(),
        dns.addr(),
        mx.addr().port(),
    );
    let sources = Sources::of(Some(("postbell.toml".into(), text)), Vec::new());
    config::load(&sources).unwrap().config
}
