//! A door on a port of its own, a store of paper behind it, and a client that reads line by line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64;
use postbell_accept::{AcceptOptions, Admission, Gate};
use postbell_model::clock::Sleep;
use postbell_model::{
    Clock, ConfigurationSet, ConfigurationSetId, Credential, CredentialId, Destination, Domain,
    LeftQueue, Monotonic, RetryPolicy, Secret, SendingDomain, SendingLimits, Timestamp, Workspace,
    WorkspaceId,
};
use postbell_net::{CertificateFiles, ServerTls};
use postbell_store::{
    Account, Allowances, Directory, Intake, NewConfigurationSet, NewCredential, StoreError, Stored,
    Submission, TenantError, Tenants, password, scram,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::submission::login::Logins;
use crate::{
    BareLineEnds, ClientTimeouts, Encryption, LoginOptions, SubmissionDoor, SubmissionLimits,
    SubmissionOptions,
};

pub(super) const OURS: WorkspaceId = WorkspaceId(1);
const NOW: Timestamp = Timestamp::from_micros(1_777_811_697_456_123);
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn options() -> SubmissionOptions {
    SubmissionOptions {
        hostname: "mx.test".to_owned(),
        trusted: vec![("127.0.0.0/8".parse().unwrap(), OURS)],
        proxy_from: Vec::new(),
        login: LoginOptions {
            max_checks: 2,
            remember: PATIENCE,
            max_remembered: 10,
            failure_delay: Duration::from_millis(1),
            longest_failure_delay: Duration::from_millis(4),
            max_failures: 3,
            failure_window: PATIENCE,
            block: PATIENCE,
            max_addresses: 10,
        },
        limits: SubmissionLimits {
            max_message_size: 10_000_000,
            max_recipients: 100,
            max_connections: 10,
            max_connections_per_ip: 10,
            max_errors: 10,
            max_commands: 100,
            min_data_rate: 0,
        },
        bare_line_ends: BareLineEnds::Normalise,
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

pub(super) struct World {
    pub(super) stop: CancellationToken,
    address: SocketAddr,
    implicit: SocketAddr,
    tasks: TaskTracker,
    intake: Arc<PaperIntake>,
    tenants: Arc<PaperTenants>,
    clock: Arc<RestlessClock>,
    allowances: Arc<PaperAllowances>,
    /// What may close the door.
    pub(super) admission: Arc<Admission>,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(super) async fn with(options: SubmissionOptions) -> Self {
        Self::start(options, None).await
    }

    /// A store that takes nothing.
    pub(super) async fn failing(error: StoreError) -> Self {
        Self::start(options(), Some(error)).await
    }

    /// A connection of a proxy to either listener, before its header.
    pub(super) async fn connect(&self, encryption: Encryption) -> Client {
        let address = match encryption {
            Encryption::StartTls => self.address,
            Encryption::Implicit => self.implicit,
        };
        Client::of(TcpStream::connect(address).await.unwrap())
    }

    pub(super) async fn client(&self) -> Client {
        Client::of(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client of the listener with TLS from the first octet.
    pub(super) async fn client_under_tls(&self) -> Client {
        self.raw_client_of_implicit().await.secure().await
    }

    /// The same before its handshake.
    pub(super) async fn raw_client_of_implicit(&self) -> Client {
        Client::of(TcpStream::connect(self.implicit).await.unwrap())
    }

    /// Makes these the only credentials, all of one workspace and with the password `secret`.
    pub(super) fn set_credentials(&self, names: &[&str]) {
        self.set_limits(names, SendingLimits::default(), SendingLimits::default());
    }

    /// The same with limits of each credential and of the workspace.
    pub(super) fn set_limits(
        &self,
        names: &[&str],
        limits: SendingLimits,
        of_workspace: SendingLimits,
    ) {
        let hash = password::hash(b"secret").unwrap();
        let keys = scram::derive(b"secret").unwrap();
        let credential = |name: &&str| Credential {
            id: CredentialId(1),
            workspace: OURS,
            username: (*name).to_owned(),
            password_hash: hash.clone(),
            // One that was made before there was SCRAM.
            scram: keys.clone().filter(|_| *name != "old"),
            limits,
            created_at: NOW,
            revoked_at: None,
        };
        let directory = directory_with(of_workspace);
        let credentials = directory.with_credentials(names.iter().map(credential));
        *self.tenants.0.lock().unwrap() = Arc::new(credentials);
    }

    /// What checks passwords, without a door, blocking after so many failures.
    pub(super) fn logins(&self, max_failures: u32) -> Logins {
        let login = LoginOptions {
            max_failures,
            ..options().login
        };
        Logins::new(login, self.tenants.clone(), self.clock.clone())
    }

    /// How long the door has slept, each time.
    pub(super) fn slept(&self) -> Vec<Duration> {
        self.clock.slept()
    }

    /// What was taken from the store, each time.
    pub(super) fn taken(&self) -> Vec<(Account, u32, u32)> {
        self.allowances.0.lock().unwrap().clone()
    }

    /// Where a program before this one would have taken from.
    pub(super) fn allowances(&self) -> &dyn Allowances {
        self.allowances.as_ref()
    }

    /// The day of the quota.
    pub(super) fn today(&self) -> u64 {
        self.clock.now().as_micros().unsigned_abs() / 86_400_000_000
    }

    /// Lets time go by.
    pub(super) fn advance(&self, time: Duration) {
        *self.clock.since.lock().unwrap() += time;
    }

    pub(super) fn stored(&self) -> Vec<Submission> {
        self.intake.stored.lock().unwrap().clone()
    }

    /// Waits until the door and all its sessions have ended.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.expect("ends");
    }

    async fn start(options: SubmissionOptions, failure: Option<StoreError>) -> Self {
        let intake = Arc::new(PaperIntake {
            failure,
            stored: Mutex::default(),
        });
        let tenants = Arc::new(PaperTenants(Mutex::new(Arc::new(directory()))));
        let clock = Arc::new(RestlessClock::default());
        let allowances = Arc::new(PaperAllowances::default());
        let behind = (intake.clone(), tenants.clone(), allowances.clone());
        let admission = Arc::new(Admission::open());
        let door = door(options, behind, (clock.clone(), admission.clone()));
        let door = Arc::new(door);
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (plain, implicit) = (bind().await.unwrap(), bind().await.unwrap());
        let world = Self {
            stop: CancellationToken::new(),
            address: plain.local_addr().unwrap(),
            implicit: implicit.local_addr().unwrap(),
            tasks: TaskTracker::new(),
            intake,
            tenants,
            clock,
            allowances,
            admission,
        };
        for (listener, encryption) in [
            (plain, Encryption::StartTls),
            (implicit, Encryption::Implicit),
        ] {
            let (door, tasks, stop) = (door.clone(), world.tasks.clone(), world.stop.clone());
            world
                .tasks
                .spawn(async move { door.serve(listener, encryption, &tasks, stop).await });
        }
        world
    }
}

fn certs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../certs")
        .join(name)
}

fn tls() -> Option<ServerTls> {
    let files = CertificateFiles {
        certificate: certs("dev.pem"),
        key: certs("dev-key.pem"),
    };
    Some(ServerTls::load(files).unwrap())
}

/// A door without a listener.
pub(super) fn door_and_clock() -> (SubmissionDoor, Arc<RestlessClock>) {
    let intake = PaperIntake {
        failure: None,
        stored: Mutex::default(),
    };
    let clock = Arc::new(RestlessClock::default());
    let tenants = Arc::new(PaperTenants(Mutex::default()));
    let behind = (Arc::new(intake), tenants, Arc::default());
    let admission = Arc::new(Admission::open());
    let door = door(options(), behind, (clock.clone(), admission));
    (door, clock)
}

fn door(
    options: SubmissionOptions,
    (intake, tenants, allowances): (Arc<PaperIntake>, Arc<PaperTenants>, Arc<PaperAllowances>),
    (clock, admission): (Arc<RestlessClock>, Arc<Admission>),
) -> SubmissionDoor {
    let retry = RetryPolicy {
        first: Duration::from_secs(300),
        longest: Duration::from_secs(10_800),
        max_retries: None,
        expire_after: Duration::from_secs(86_400),
    };
    let accept = AcceptOptions {
        schedule_max: Duration::from_secs(366 * 86_400),
        keep_keys: Duration::from_secs(86_400),
        hide_client: false,
        retry,
        max_hops: 50,
    };
    let gate = Gate::new(accept, intake, tenants.clone(), clock.clone());
    let gate = gate.with_admission(admission);
    SubmissionDoor::new(
        options,
        Arc::new(gate),
        tenants,
        allowances,
        tls().as_ref(),
        clock,
    )
}

/// What a client's octets go through.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A client; every wait of it ends.
pub(super) struct Client(BufReader<Box<dyn Wire>>);

impl Client {
    fn of(wire: impl Wire + 'static) -> Self {
        Self(BufReader::new(Box::new(wire)))
    }

    /// Says EHLO and STARTTLS, and does what follows.
    pub(super) async fn start_tls(mut self) -> Self {
        self.expect(&["220"]).await;
        self.say("EHLO app.test").await;
        self.expect(&["250"]).await;
        self.say("STARTTLS").await;
        self.expect(&["220 2.0.0"]).await;
        self.secure().await
    }

    /// Performs the handshake and believes in the development certificate alone.
    pub(super) async fn secure(self) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(certs("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(name, self.0.into_inner());
        Self::of(
            timeout(PATIENCE, handshake)
                .await
                .expect("is made")
                .unwrap(),
        )
    }

    pub(super) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        let wire = self.0.get_mut();
        let write = async {
            wire.write_all(octets).await?;
            wire.flush().await
        };
        timeout(PATIENCE, write).await.expect("is read").unwrap();
    }

    /// The last line of the next reply; empty at the end.
    pub(super) async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line));
            read.await.expect("is answered").unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    pub(super) async fn expect(&mut self, replies: &[&str]) {
        for expected in replies {
            let reply = self.reply().await;
            assert!(reply.starts_with(expected), "{expected}: {reply}");
        }
    }

    /// Whether the server closed the connection without another word.
    pub(super) async fn ended(&mut self) -> bool {
        self.reply().await.is_empty()
    }

    /// The same, where what was sent last may be left unread.
    pub(super) async fn was_dropped(&mut self) -> bool {
        let read = timeout(PATIENCE, self.0.fill_buf());
        matches!(read.await.expect("ends"), Err(_) | Ok([]))
    }

    pub(super) async fn is_silent(&mut self) -> bool {
        timeout(Duration::ZERO, self.0.fill_buf()).await.is_err()
    }
}

fn directory() -> Directory {
    directory_with(SendingLimits::default())
}

fn directory_with(limits: SendingLimits) -> Directory {
    let workspace = Workspace {
        id: OURS,
        name: "acme".to_owned(),
        limits,
        created_at: NOW,
    };
    let set = ConfigurationSetId(1);
    let domain = |name: &str, workspace| {
        SendingDomain::new(Domain::parse(name).unwrap(), workspace, set, NOW)
    };
    let set = ConfigurationSet {
        id: set,
        workspace: OURS,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        created_at: NOW,
    };
    let domains = [
        domain("example.com", OURS),
        domain("theirs.example", WorkspaceId(2)),
    ];
    Directory::new([workspace], domains, [set], [])
}

struct PaperIntake {
    failure: Option<StoreError>,
    stored: Mutex<Vec<Submission>>,
}

#[async_trait]
impl Intake for PaperIntake {
    async fn accept(&self, batch: Vec<Submission>) -> Vec<Result<Stored, StoreError>> {
        let outcome = self.failure.clone().map_or(Ok(Stored::New), Err);
        let outcomes = vec![outcome.clone(); batch.len()];
        if outcome.is_ok() {
            self.stored.lock().unwrap().extend(batch);
        }
        outcomes
    }
}

/// Counts on paper what is taken, and remembers each time.
#[derive(Default)]
pub(super) struct PaperAllowances(Mutex<Vec<(Account, u32, u32)>>);

#[async_trait]
impl Allowances for PaperAllowances {
    async fn set_workspace_limits(
        &self,
        _: WorkspaceId,
        _: SendingLimits,
    ) -> Result<(), TenantError> {
        unreachable!("a door sets nothing")
    }

    async fn set_credential_limits(&self, _: &str, _: SendingLimits) -> Result<(), TenantError> {
        unreachable!("a door sets nothing")
    }

    async fn take(&self, account: Account, day: u32, count: u32) -> Result<u64, StoreError> {
        let mut taken = self.0.lock().unwrap();
        taken.push((account, day, count));
        let same = taken.iter().filter(|(a, d, _)| (*a, *d) == (account, day));
        Ok(same.map(|(.., count)| u64::from(*count)).sum())
    }
}

struct PaperTenants(Mutex<Arc<Directory>>);

#[async_trait]
impl Tenants for PaperTenants {
    fn directory(&self) -> Arc<Directory> {
        self.0.lock().unwrap().clone()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_configuration_set(
        &self,
        _: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn change_configuration_set(&self, _: ConfigurationSet) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn add_domain(&self, _: SendingDomain) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_destination(&self, _: Destination) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        Vec::new()
    }
}

/// A clock that is turned by hand, and on which every sleep ends at once.
#[derive(Debug, Default)]
pub(crate) struct RestlessClock {
    slept: Mutex<Vec<Duration>>,
    since: Mutex<Duration>,
}

impl RestlessClock {
    /// How long it was slept, each time.
    pub(super) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Clock for RestlessClock {
    fn now(&self) -> Timestamp {
        NOW.after(*self.since.lock().unwrap())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(*self.since.lock().unwrap())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        let slept = at.since(self.monotonic());
        self.slept.lock().unwrap().push(slept);
        Box::pin(std::future::ready(()))
    }
}

pub(super) fn base64(octets: &[u8]) -> String {
    BASE64.encode(octets)
}

pub(super) fn from_base64(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).unwrap()
}
