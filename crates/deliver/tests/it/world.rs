//! Everything around the stage, and the stage running in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_deliver::{
    DeliverOptions, Deliverer, Reach, RetryOptions, Signing, SigningOptions, TimeoutOptions,
    TlsPolicy, TrackedAddresses,
};
use postbell_mail::dkim::Signer;
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_model::message::Received;
use postbell_model::{
    Address, Clock, Delivery, DeliveryId, Domain, DomainKey, Egress, Fact, Instructions,
    KeyAlgorithm, KeyState, Message, MessageId, ReportRequest, ReversePath, Timestamp,
};
use postbell_net::{DnsOptions, Guard, OpportunisticTls, Resolver};
use postbell_peers::dns::{self, DnsServer, Entry};
use postbell_peers::mx::{MxOptions, MxServer};
use postbell_store::{Bodies, Body, Claimed, Links, Queue, SealingKey, Tenants};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::{MemoryQueue, SET, WORKSPACE};
use postbell_peers::clock::HandClock;

/// The authority behind the certificate of the MX.
const CA: &[u8] = include_bytes!("../../../../certs/ca.pem");

const BODY: &[u8] = b"From: <ann@sender.example>\r\nTo: <bob@example.com>\r\nSubject: hello\r\n\
    Message-ID: <1@sender.example>\r\nDate: Sun, 03 May 2026 12:34:57 +0000\r\n\r\n\
    Hello.\r\n.A line that begins with a dot.\r\n";

pub(crate) struct World {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) mx: MxServer,
    pub(crate) dns: DnsServer,
    tasks: TaskTracker,
    /// Of the stage alone.
    stop: CancellationToken,
    stop_peers: CancellationToken,
    stage: tokio::task::JoinHandle<()>,
}

/// What a test may have otherwise.
pub(crate) struct Setup {
    pub(crate) mx: MxOptions,
    pub(crate) max_retries: Option<u32>,
    pub(crate) egress: Egress,
    pub(crate) change: fn(&mut DeliverOptions),
    /// What signs, and with which keys.
    pub(crate) signing: Option<(Signing, Vec<DomainKey>)>,
    /// Where links are kept.
    pub(crate) links: Option<Arc<dyn Links>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mx: MxOptions::default(),
            max_retries: None,
            egress: Egress::default(),
            change: |_| {},
            signing: None,
            links: None,
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let (tasks, stop_peers) = (TaskTracker::new(), CancellationToken::new());
        let mx = MxServer::start(setup.mx, &tasks, stop_peers.clone())
            .await
            .unwrap();
        let dns = DnsServer::start(dns::DnsOptions::default(), &tasks, stop_peers.clone());
        let dns = dns.await.unwrap();
        let clock = Arc::new(HandClock::default());
        let queue = Arc::new(MemoryQueue::new(
            clock.now(),
            setup.max_retries,
            setup.egress,
        ));
        let mut options = options(mx.addr().port());
        (setup.change)(&mut options);
        let stop = CancellationToken::new();
        let deliverer = deliverer(options, &clock, &queue, &dns);
        let deliverer = match setup.signing {
            Some((signing, keys)) => {
                queue.set_keys(keys);
                deliverer.with_signing(signing)
            }
            None => deliverer,
        };
        let deliverer = match setup.links {
            Some(links) => deliverer.with_links(links),
            None => deliverer,
        };
        let stage = run(deliverer, &tasks, stop.clone());
        Self {
            clock,
            queue,
            mx,
            dns,
            tasks,
            stop,
            stop_peers,
            stage,
        }
    }

    /// Another MX, at the port of the first, at this loopback address.
    pub(crate) async fn start_mx_at(&self, ip: Ipv4Addr) -> MxServer {
        self.start_mx(ip, MxOptions::default()).await
    }

    /// The same with options of its own.
    pub(crate) async fn start_mx(&self, ip: Ipv4Addr, options: MxOptions) -> MxServer {
        let options = MxOptions {
            bind: SocketAddr::new(ip.into(), self.mx.addr().port()),
            ..options
        };
        let server = MxServer::start(options, &self.tasks, self.stop_peers.clone());
        server.await.unwrap()
    }

    /// Says that a domain's mail goes to these addresses, in this order of preference.
    pub(crate) fn route(&self, domain: &str, ips: &[Ipv4Addr]) {
        let hosts: Vec<_> = (0..ips.len()).map(|n| format!("mx{n}.{domain}")).collect();
        for (host, ip) in hosts.iter().zip(ips) {
            let entry = Entry::addresses([IpAddr::V4(*ip)]);
            self.dns.table().set(host, entry);
        }
        let mx = (10_u16..).zip(hosts.iter().map(String::as_str));
        self.dns.table().set(domain, Entry::mx(mx));
    }

    /// Queues a message to this recipient, freshly accepted.
    pub(crate) fn accept(&self, recipient: &str) -> DeliveryId {
        let claimed = self.claimed(recipient, mail_from(), Bytes::from_static(BODY));
        self.accept_this(claimed)
    }

    pub(crate) fn accept_this(&self, claimed: Claimed) -> DeliveryId {
        let id = claimed.delivery.id;
        self.queue.accept(claimed, self.clock.now());
        id
    }

    pub(crate) fn claimed(&self, recipient: &str, mail_from: ReversePath, body: Bytes) -> Claimed {
        let now = self.clock.now();
        let message = Message {
            mail_from,
            ..message(now, &body)
        };
        Claimed {
            delivery: Delivery {
                id: DeliveryId::new(now),
                recipient: Address::parse(recipient).unwrap(),
                attempt: 1,
                sequence: 1,
                expires_at: now.after(Duration::from_secs(5 * 86_400)),
                report: ReportRequest::default(),
            },
            message: Arc::new(message),
            body: Body::Memory(body),
        }
    }

    /// Waits for the first outcome of a delivery.
    pub(crate) async fn outcome(&self, delivery: DeliveryId) -> Fact {
        self.queue.wait_for_facts(delivery, 1).await.remove(0)
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the stage has ended by itself.
    pub(crate) async fn stage_ended(&mut self) {
        let stage = tokio::time::timeout(Duration::from_secs(20), &mut self.stage);
        stage
            .await
            .expect("the stage ends")
            .expect("the stage did not panic");
    }

    /// Stops the stage, and checks that nothing is left behind.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let stage = tokio::time::timeout(Duration::from_secs(20), self.stage);
        stage
            .await
            .expect("the stage stops")
            .expect("the stage did not panic");
        assert_eq!(
            self.queue.in_flight(),
            0,
            "everything claimed was settled or given back"
        );
        self.stop_peers.cancel();
        self.tasks.close();
        let peers = tokio::time::timeout(Duration::from_secs(20), self.tasks.wait());
        peers.await.expect("no task is left");
    }
}

/// What signs for the domain, with a key of each algorithm, and the same keys.
pub(crate) fn signing() -> (Signing, Vec<DomainKey>, Vec<Signer>) {
    let sealing = SealingKey::parse(&SealingKey::new_text().unwrap()).unwrap();
    let (mut keys, mut signers) = (Vec::new(), Vec::new());
    for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa] {
        let pair = NewKey::generate(algorithm).unwrap();
        let mut key = DomainKey {
            domain: Domain::parse("sender.example").unwrap(),
            selector: algorithm.name().replace('-', ""),
            algorithm,
            sealed: Vec::new(),
            public: pair.public,
            state: KeyState::Active,
            created_at: HandClock::default().now(),
            activated_at: None,
            retired_at: None,
        };
        key.sealed = sealing.seal(&key.record_name(), &pair.secret).unwrap();
        signers.push(Signer {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            key: SigningKey::from_pkcs8(algorithm, &pair.secret).unwrap(),
        });
        keys.push(key);
    }
    let signing = Signing::new(SigningOptions::default(), Arc::new(sealing));
    (signing, keys, signers)
}

pub(crate) fn message(now: Timestamp, body: &Bytes) -> Message {
    Message {
        id: MessageId::new(now),
        workspace: WORKSPACE,
        configuration_set: SET,
        mail_from: mail_from(),
        source: "ann@sender.example".to_owned(),
        subject: "hello".to_owned(),
        header_message_id: "<1@sender.example>".to_owned(),
        accepted_at: now,
        size: body.len() as u64,
        eight_bit: !body.is_ascii(),
        smtputf8: false,
        received: Received {
            helo: "app.sender.example".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    }
}

pub(crate) fn mail_from() -> ReversePath {
    ReversePath::Mailbox(Address::parse("ann@sender.example").unwrap())
}

pub(crate) fn start_stage<S: Queue + Bodies + Tenants + 'static>(
    options: DeliverOptions,
    clock: &Arc<HandClock>,
    queue: &Arc<S>,
    dns: &DnsServer,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    run(deliverer(options, clock, queue, dns), tasks, stop)
}

fn run(
    deliverer: Deliverer,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let all = tasks.clone();
    tasks.spawn(async move { deliverer.run(&all, stop).await })
}

fn deliverer<S: Queue + Bodies + Tenants + 'static>(
    options: DeliverOptions,
    clock: &Arc<HandClock>,
    queue: &Arc<S>,
    dns: &DnsServer,
) -> Deliverer {
    let resolver = Resolver::new(&DnsOptions {
        servers: vec![dns.addr()],
        timeout: Duration::from_secs(2),
        attempts: 1,
    });
    Deliverer::new(
        options,
        queue.clone(),
        queue.clone(),
        queue.clone(),
        Reach {
            resolver: resolver.unwrap(),
            guard: Guard::new(vec!["127.0.0.0/8".parse().unwrap()]),
            tls: OpportunisticTls::new(CA).unwrap(),
        },
        clock.clone(),
    )
    .unwrap()
}

pub(crate) fn options(smtp_port: u16) -> DeliverOptions {
    let seconds = Duration::from_secs;
    DeliverOptions {
        hostname: "us.example".to_owned(),
        inbound_open: true,
        simulator: None,
        tracking: TrackedAddresses::default(),
        smtp_port,
        source_address: None,
        tls: TlsPolicy::Opportunistic,
        relay: Vec::new(),
        site: Vec::new(),
        rate_per_site: None,
        max_connections: 100,
        max_connections_per_site: 5,
        max_messages_per_connection: 1_000,
        keep_alive: seconds(5),
        max_addresses: 5,
        max_sessions: 2,
        max_lookups: 10,
        max_plans: 100,
        plan_lifetime: seconds(300),
        plan_timeout: seconds(10),
        max_waiting: 10_000,
        claim_batch: 100,
        max_body_octets: 1 << 20,
        site_pause: seconds(15),
        longest_site_pause: seconds(300),
        grace: seconds(10),
        retry: RetryOptions {
            first: seconds(300),
            longest: seconds(10_800),
            max_retries: None,
            expire_after: seconds(5 * 86_400),
        },
        timeouts: TimeoutOptions {
            connect: seconds(5),
            greeting: seconds(5),
            ehlo: seconds(5),
            tls: seconds(5),
            auth: seconds(5),
            mail: seconds(5),
            rcpt: seconds(5),
            data: seconds(5),
            block: seconds(5),
            dot: seconds(5),
            transaction: seconds(20),
            quit: seconds(2),
        },
    }
}
