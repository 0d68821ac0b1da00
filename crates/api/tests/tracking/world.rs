//! A tracking host on a port of its own, and clients that say exactly what a test writes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postbell_api::tracking::{
    AgentKept, Encryption, IpKept, Teller, TrackingDoor, TrackingHost, TrackingLimits,
    TrackingOptions, TrackingParts, TrackingTerms, TrackingTimeouts,
};
use postbell_model::clock::Sleep;
use postbell_model::message::Received;
use postbell_model::token::{Claim, Link, LinkTarget, Purpose, domain_tag};
use postbell_model::tracking::{Brand, Colour};
use postbell_model::{
    Address, Clock, ConfigurationSetId, DeliveryId, Domain, Instructions, Message, MessageId,
    Monotonic, ReversePath, Secret, SendingDomain, SendingLimits, Timestamp, TokenKeys, Workspace,
    WorkspaceId,
};
use postbell_net::acme::AcmeOptions;
use postbell_net::{CertificateFiles, HostCertificates, HostFiles};
use postbell_store::{BlockedLinks, Directory, Unsubscribing};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fake::FakeStore;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
pub(crate) const CERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");
const SOON: Duration = Duration::from_secs(20);

/// A tracking host.
pub(crate) struct World {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) keys: TokenKeys,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) teller: Teller,
    pub(crate) terms: TrackingTerms,
    pub(crate) addr: SocketAddr,
    pub(crate) tls_addr: SocketAddr,
    registry: Registry,
    doors: (TaskTracker, CancellationToken),
    recorder: (TaskTracker, CancellationToken),
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: TrackingOptions) -> Self {
        let store = Arc::new(FakeStore::new(directory([])));
        let clock = Arc::new(HandClock::default());
        let keys = keys(1);
        let parts = TrackingParts {
            keys: keys.clone(),
            tenants: store.clone(),
            engagements: store.clone(),
            links: store.clone(),
            clock: clock.clone(),
        };
        let tracking = TrackingHost::new(options, parts, None).unwrap();
        let door = tracking.door.with_certificates(&certificates());
        let doors = (TaskTracker::new(), CancellationToken::new());
        let recorder = (TaskTracker::new(), CancellationToken::new());
        let [addr, tls_addr] = [
            listen(&door, Encryption::None, &doors).await,
            listen(&door, Encryption::Tls, &doors).await,
        ];
        recorder.0.spawn(tracking.recorder.run(recorder.1.clone()));
        let mut registry = Registry::default();
        tracking.metrics.register(&mut registry);
        Self {
            store,
            keys,
            clock,
            teller: tracking.teller,
            terms: tracking.terms,
            addr,
            tls_addr,
            registry,
            doors,
            recorder,
        }
    }

    /// Ends as the program does: first nobody comes any more, then everything is written down.
    pub(crate) async fn finish(self) -> Arc<FakeStore> {
        for (tasks, stop) in [&self.doors, &self.recorder] {
            stop.cancel();
            tasks.close();
            tokio::time::timeout(SOON, tasks.wait()).await.unwrap();
        }
        self.store
    }

    pub(crate) fn pixel(&self, delivery: u8) -> String {
        let token = self.keys.sign_url(Purpose::Open, claim(delivery));
        format!("/o/{token}")
    }

    pub(crate) fn link(&self, delivery: u8, url: &str) -> String {
        self.link_to(delivery, LinkTarget::Url(url.to_owned()))
    }

    pub(crate) fn link_to(&self, delivery: u8, target: LinkTarget) -> String {
        let link = Link {
            index: 3,
            domain_tag: domain_tag(&acme()),
            target,
        };
        format!("/c/{}", self.keys.sign_link(claim(delivery), &link))
    }

    pub(crate) fn page(&self, delivery: u8) -> String {
        let token = self
            .keys
            .sign_url(Purpose::UnsubscribePage, claim(delivery));
        format!("/u/{token}")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("Content-Type", kind)], body)
            .await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: track.acme.example\r\n");
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !fields.iter().any(|(name, _)| *name == "User-Agent") {
            request.push_str(&format!("User-Agent: {BROWSER}\r\n"));
        }
        let length = body.len();
        request.push_str(&format!(
            "Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let answer = self.say(&request).await;
        Answer::read(&answer)
    }

    /// Says something and reads until the host closes.
    pub(crate) async fn say(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A host that has said what it has to may reset what it did not read.
        let read = stream.read_to_end(&mut answer);
        let _end = tokio::time::timeout(SOON, read).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until so many hits are on disk.
    pub(crate) async fn recorded(&self, count: u64) {
        let mut noted = postbell_store::Engagements::hits_noted(&*self.store);
        let all = async {
            while postbell_store::Engagements::hits_waiting(&*self.store) < count {
                noted.changed().await.unwrap();
            }
        };
        tokio::time::timeout(SOON, all).await.unwrap();
    }

    /// The value of a metric, by the begin of its line.
    pub(crate) fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    }
}

async fn listen(
    door: &TrackingDoor,
    encryption: Encryption,
    (tasks, stop): &(TaskTracker, CancellationToken),
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let door = door.clone();
    tasks.spawn(door.serve(listener, encryption, tasks.clone(), stop.clone()));
    addr
}

/// The development certificate, for `localhost`.
fn certificates() -> HostCertificates {
    let file = |name| PathBuf::from(CERTS).join(name);
    let entry = HostFiles {
        hosts: vec!["localhost".to_owned()],
        files: CertificateFiles {
            certificate: file("dev.pem"),
            key: file("dev-key.pem"),
        },
    };
    HostCertificates::load(vec![entry], None, None).unwrap()
}

/// An answer, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        let status = status.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        Self {
            status,
            fields: fields
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        fields
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }

    /// The same at another time of the day.
    pub(crate) fn timeless(mut self) -> Self {
        self.fields.retain(|(name, _)| name != "date");
        self
    }
}

pub(crate) fn options() -> TrackingOptions {
    TrackingOptions {
        base_url: None,
        listen: Vec::new(),
        listen_tls: Vec::new(),
        certificate: Vec::new(),
        acme: AcmeOptions {
            directory: None,
            contact: Vec::new(),
            accept_terms: false,
            challenges: Vec::new(),
            ca_file: None,
            renew_before: None,
            max_orders_per_hour: 1,
            order_timeout: Duration::from_secs(1),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(1),
        },
        proxy_from: Vec::new(),
        ip: IpKept::Full,
        user_agent: AgentKept::Full,
        hold: Duration::from_secs(5),
        early: Duration::from_secs(2),
        scanner_networks: Vec::new(),
        max_told_per_second: 1_000,
        max_unrecorded: 64,
        limits: TrackingLimits {
            max_connections: 64,
            max_connections_per_ip: 64,
            max_requests: 1_000,
            max_head: 16 << 10,
        },
        timeouts: TrackingTimeouts {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            connection: Duration::from_secs(60),
        },
    }
}

pub(crate) fn keys(seed: u8) -> TokenKeys {
    let secret = Secret::new([seed; 32]);
    TokenKeys::new([(0, &secret)]).unwrap()
}

pub(crate) fn claim(delivery: u8) -> Claim {
    Claim {
        workspace: WorkspaceId(7),
        delivery: delivery_id(delivery),
    }
}

pub(crate) fn delivery_id(delivery: u8) -> DeliveryId {
    DeliveryId::from_bytes([delivery; 16])
}

pub(crate) fn acme() -> Domain {
    Domain::parse("acme.example").unwrap()
}

/// One workspace with one domain, where these links lead nowhere.
pub(crate) fn directory(blocks: impl IntoIterator<Item = BlockedLinks>) -> Directory {
    let workspace = Workspace {
        id: WorkspaceId(7),
        name: "acme".to_owned(),
        limits: SendingLimits::default(),
        created_at: NOW,
    };
    let mut domain = SendingDomain::new(acme(), WorkspaceId(7), ConfigurationSetId(1), NOW);
    domain.brand = Brand {
        name: Some("Acme & Söhne".to_owned()),
        colour: Colour::parse("#ffee00"),
    };
    Directory::new([workspace], [domain], [], []).with_link_blocks(blocks)
}

pub(crate) fn subscription(recipient: &str) -> Unsubscribing {
    Unsubscribing {
        recipient: Address::parse(recipient).unwrap(),
        message: Arc::new(Message {
            id: MessageId::new(NOW),
            workspace: WorkspaceId(7),
            configuration_set: ConfigurationSetId(1),
            mail_from: ReversePath::Mailbox("bounces@acme.example".parse().unwrap()),
            source: "news@acme.example".to_owned(),
            subject: "News".to_owned(),
            header_message_id: "<1@acme.example>".to_owned(),
            accepted_at: NOW,
            size: 1,
            eight_bit: false,
            smtputf8: false,
            received: Received {
                helo: "app".to_owned(),
                peer: None,
                with: "ESMTP".to_owned(),
            },
            reports: false,
            instructions: Instructions::default(),
            forward: None,
        }),
        is_done: false,
    }
}

/// A clock that only goes on when it is told to.
#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        NOW.after(self.monotonic().0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }

    /// Nobody waits long in a test.
    fn sleep_until(&self, _: Monotonic) -> Sleep<'_> {
        Box::pin(tokio::time::sleep(Duration::from_millis(5)))
    }
}
