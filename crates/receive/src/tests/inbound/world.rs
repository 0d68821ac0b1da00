//! The inbound door on a port of its own, with a DNS of our own and a store of paper behind it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postbell_accept::inbound::{InboundGate, InboundOptions};
use postbell_accept::{Admission, GateMetrics};
use postbell_model::token::{Claim, Purpose};
use postbell_model::tracking::SetTracking;
use postbell_model::{
    ConfigurationSet, ConfigurationSetId, DeliveryId, DmarcMode, Domain, InboundId, Secret,
    SendingDomain, SendingLimits, TokenKeys, Workspace, WorkspaceId,
};
use postbell_net::{DnsOptions, Resolver};
use postbell_peers::dns::{self, DnsServer};
use postbell_store::{
    Directory, Inbound, KeptInbound, Reception, Sent, SentSearch, StoreError, Taken,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::client::{Client, PATIENCE, tls};
use super::super::paper::{NOW, PaperTenants, RestlessClock};
use crate::door::proxy::tests::header_for;
use crate::{
    Activity, ClientTimeouts, DoorMetrics, InboundDoor, InboundDoorOptions, InboundLimits,
    InboundReach, SenderOptions, SenderVerifier,
};

const OURS: WorkspaceId = WorkspaceId(1);
const THEIRS: WorkspaceId = WorkspaceId(2);
/// A list of addresses.
pub(super) const ZONE: &str = "list.test";

pub(super) fn options() -> InboundDoorOptions {
    InboundDoorOptions {
        hostname: "mx.test".to_owned(),
        proxy_from: Vec::new(),
        dnsbl: Vec::new(),
        verify: false,
        limits: InboundLimits {
            max_message_size: 1_000_000,
            max_recipients: 100,
            max_connections: 10,
            max_connections_per_host: 10,
            max_connections_per_network: 10,
            max_messages_per_minute: 1_000,
            max_recipients_per_minute: 1_000,
            max_networks: 100,
            max_unknown_recipients: 1_000,
            max_receiving: 10_000_000,
            max_checks: Some(1),
            max_errors: 1_000,
            max_commands: 1_000,
            min_data_rate: 0,
        },
        timeouts: ClientTimeouts {
            proxy: PATIENCE * 2,
            handshake: PATIENCE * 2,
            command: PATIENCE * 2,
            data_block: PATIENCE * 2,
            data_total: PATIENCE * 2,
            data_grace: PATIENCE * 2,
            session: PATIENCE * 2,
        },
    }
}

/// The same behind a proxy, by which clients come from anywhere.
pub(super) fn behind_a_proxy() -> InboundDoorOptions {
    InboundDoorOptions {
        proxy_from: vec!["127.0.0.0/8".parse().unwrap()],
        ..options()
    }
}

pub(super) struct World {
    pub(super) stop: CancellationToken,
    pub(super) admission: Arc<Admission>,
    pub(super) dns: DnsServer,
    pub(super) door: Arc<InboundDoor>,
    pub(super) inbound: Arc<PaperInbound>,
    keys: Arc<TokenKeys>,
    clock: Arc<RestlessClock>,
    address: SocketAddr,
    tasks: TaskTracker,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(super) async fn with(options: InboundDoorOptions) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let names = dns::DnsOptions {
            unlisted: dns::Unlisted::NoSuchDomain,
            ..dns::DnsOptions::default()
        };
        let dns = DnsServer::start(names, &tasks, stop.clone());
        let dns = dns.await.unwrap();
        let (inbound, clock) = (
            Arc::new(PaperInbound::default()),
            Arc::new(RestlessClock::default()),
        );
        let admission = Arc::new(Admission::open());
        let keys = TokenKeys::new([(0, &Secret::new([7; 32]))]).unwrap();
        let keys = Arc::new(keys);
        let gate = InboundGate::new(
            InboundOptions {
                hostname: Domain::parse(&options.hostname).unwrap(),
                max_hops: 50,
            },
            inbound.clone(),
            Arc::new(PaperTenants(Mutex::new(Arc::new(directory())))),
            keys.clone(),
            admission.clone(),
            clock.clone(),
        );
        let resolver = resolver(&dns);
        let reach = InboundReach {
            gate: Arc::new(gate),
            verifier: SenderVerifier::new(
                resolver.clone(),
                SenderOptions::default(),
                clock.clone(),
            ),
            resolver,
            submission: Activity::default(),
        };
        let beside = DoorMetrics::new(GateMetrics::default());
        let door = InboundDoor::new(options, reach, tls().as_ref(), &beside, clock.clone());
        let door = Arc::new(door);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = (door.clone(), tasks.clone(), stop.clone());
        tasks.spawn(async move { serving.0.serve(listener, &serving.1, serving.2).await });
        Self {
            stop,
            admission,
            dns,
            door,
            inbound,
            keys,
            clock,
            address,
            tasks,
        }
    }

    pub(super) async fn client(&self) -> Client {
        Client::of(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client that a proxy says is there.
    pub(super) async fn client_from(&self, ip: &str) -> Client {
        let mut client = self.client().await;
        let ip: IpAddr = ip.parse().unwrap();
        client.send(&header_for(ip)).await;
        client
    }

    /// A client that has said EHLO.
    pub(super) async fn greeted(&self) -> Client {
        let mut client = self.client().await;
        client.expect(&["220"]).await;
        client.say("EHLO peer.test").await;
        client.expect(&["250"]).await;
        client
    }

    /// The address that bounces of some delivery come to.
    pub(super) fn bounce_address(&self) -> String {
        let claim = Claim {
            workspace: OURS,
            delivery: DeliveryId::new(NOW),
        };
        let token = self.keys.sign(Purpose::Bounce, claim);
        format!("bounce+{token}@bounce.example.com")
    }

    /// Lets time go by.
    pub(super) fn advance(&self, time: Duration) {
        *self.clock.since.lock().unwrap() += time;
    }

    pub(super) fn stored(&self) -> Vec<Reception> {
        self.inbound.stored.lock().unwrap().clone()
    }

    /// Waits until the door and all its sessions have ended.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.expect("ends");
    }
}

fn resolver(dns: &DnsServer) -> Resolver {
    let options = DnsOptions {
        servers: vec![dns.addr()],
        ..DnsOptions::default()
    };
    Resolver::new(&options).unwrap()
}

/// `inbox.example` and `strict.example` take mail, `theirs.example` too, for others;
/// `example.com` only sends.
fn directory() -> Directory {
    let workspace = |id: WorkspaceId| Workspace {
        id,
        name: format!("workspace-{id}"),
        limits: SendingLimits::default(),
        created_at: NOW,
    };
    let id = ConfigurationSetId(1);
    let domain = |name: &str, workspace, inbound, dmarc| SendingDomain {
        inbound,
        dmarc,
        ..SendingDomain::new(Domain::parse(name).unwrap(), workspace, id, NOW)
    };
    let set = ConfigurationSet {
        id,
        workspace: OURS,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
        created_at: NOW,
    };
    let domains = [
        domain("inbox.example", OURS, true, DmarcMode::Mark),
        domain("strict.example", OURS, true, DmarcMode::Enforce),
        domain("theirs.example", THEIRS, true, DmarcMode::Mark),
        domain("example.com", OURS, false, DmarcMode::Mark),
    ];
    Directory::new([workspace(OURS), workspace(THEIRS)], domains, [set], [])
}

/// Keeps what comes in, each once its gate is open.
pub(super) struct PaperInbound {
    pub(super) gate: Semaphore,
    stored: Mutex<Vec<Reception>>,
}

impl Default for PaperInbound {
    fn default() -> Self {
        Self {
            gate: Semaphore::new(1_000),
            stored: Mutex::default(),
        }
    }
}

#[async_trait]
impl Inbound for PaperInbound {
    async fn receive(&self, batch: Vec<Reception>) -> Vec<Result<Taken, StoreError>> {
        let _open = self.gate.acquire().await;
        let outcomes = vec![Ok(Taken::default()); batch.len()];
        self.stored.lock().unwrap().extend(batch);
        outcomes
    }

    async fn sent(&self, _: DeliveryId) -> Result<Option<Sent>, StoreError> {
        Ok(None)
    }

    async fn sent_as(&self, _: SentSearch) -> Result<Vec<Sent>, StoreError> {
        Ok(Vec::new())
    }

    async fn inbound(&self, _: InboundId) -> Result<Option<KeptInbound>, StoreError> {
        Ok(None)
    }
}

/// The record that lists an address.
pub(super) fn list(world: &World, reversed: &str, code: [u8; 4]) {
    let entry = dns::Entry::addresses([IpAddr::V4(Ipv4Addr::from(code))]);
    world.dns.table().set(&format!("{reversed}.{ZONE}"), entry);
}
