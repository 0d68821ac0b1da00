//! The submission door on ports of its own, and a store of paper behind it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postbell_accept::{AcceptOptions, Admission, Gate};
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Clock, ConfigurationSet, ConfigurationSetId, Credential, CredentialId, Domain, RetryPolicy,
    SendingDomain, SendingLimits, Workspace, WorkspaceId,
};
use postbell_store::{
    Account, Allowances, Directory, Intake, StoreError, Stored, Submission, TenantError, password,
    scram,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Client, PATIENCE, tls};
use super::paper::{NOW, PaperTenants, RestlessClock};
use crate::submission::login::Logins;
use crate::{
    BareLineEnds, ClientTimeouts, Encryption, LoginOptions, SubmissionDoor, SubmissionLimits,
    SubmissionOptions,
};

pub(super) const OURS: WorkspaceId = WorkspaceId(1);

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
        simulator: None,
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
        tracking: SetTracking::default(),
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
