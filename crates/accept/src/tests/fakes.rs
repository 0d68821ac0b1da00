//! A store that keeps what it is handed, a directory of two workspaces, a clock that stands.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::clock::Still;
use postbell_model::message::Received;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Address, ConfigurationSet, ConfigurationSetId, Credential, Destination, Domain, LeftQueue,
    MessageId, RetryPolicy, ReversePath, Secret, Sender, Sending, SendingDomain, Timestamp,
    Workspace, WorkspaceId,
};
use postbell_store::{
    Directory, Intake, NewConfigurationSet, NewCredential, SandboxTaking, Sandboxes, StoreError,
    Stored, Submission, TenantError, Tenants,
};
use tokio::sync::watch;

use crate::{AcceptOptions, Door, Gate, Offer};

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_777_811_697_456_123);
pub(crate) const OURS: WorkspaceId = WorkspaceId(1);
pub(crate) const THEIRS: WorkspaceId = WorkspaceId(2);
/// The set that gives up after an hour.
pub(super) const HASTY: ConfigurationSetId = ConfigurationSetId(11);
/// The set that says nothing but that nobody is told.
pub(super) const PLAIN: ConfigurationSetId = ConfigurationSetId(12);

/// The gate and what it stored.
pub(super) struct World {
    pub(super) gate: Gate,
    intake: Arc<PaperIntake>,
    sandboxes: Arc<PaperSandboxes>,
}

impl World {
    pub(super) const RETRY: RetryPolicy = RetryPolicy {
        first: Duration::from_secs(300),
        longest: Duration::from_secs(10_800),
        max_retries: None,
        expire_after: Duration::from_secs(5 * 86_400),
    };

    pub(super) fn new() -> Self {
        Self::with_retry(Self::RETRY)
    }

    pub(super) fn with_retry(retry: RetryPolicy) -> Self {
        Self::build(retry, Answer::Yes)
    }

    /// A store that fails.
    pub(super) fn failing(error: StoreError) -> Self {
        Self::build(Self::RETRY, Answer::No(error))
    }

    /// A store that gives no answer.
    pub(super) fn mute() -> Self {
        Self::build(Self::RETRY, Answer::None)
    }

    pub(super) fn stored(&self) -> Vec<Submission> {
        self.intake.stored.lock().unwrap().clone()
    }

    /// A gate that hides who the client was.
    pub(super) fn hiding() -> Self {
        let options = AcceptOptions {
            hide_client: true,
            ..options(Self::RETRY)
        };
        Self::of(options, Answer::Yes)
    }

    fn build(retry: RetryPolicy, answer: Answer) -> Self {
        Self::of(options(retry), answer)
    }

    /// The gate to a directory in which not everything is sent as usual, and where a sandbox has
    /// sent to so many recipients today, if anybody counts them.
    pub(super) fn with_sending(
        sending: impl IntoIterator<Item = (Sender, Sending)>,
        sent_in_sandbox: Option<u32>,
    ) -> Self {
        let verified = ["ann@example.org", "bob@example.org"];
        let verified = verified.map(|verified| (OURS, address(verified)));
        let directory = directory()
            .with_sending(sending)
            .with_verified_addresses(verified);
        let options = AcceptOptions {
            simulator: Some(Domain::parse("simulator.mail.example").unwrap()),
            ..options(Self::RETRY)
        };
        let mut world = Self::among(directory, options, Answer::Yes);
        if let Some(sent) = sent_in_sandbox {
            *world.sandboxes.taken.lock().unwrap() = sent;
            world.gate = world.gate.with_sandboxes(world.sandboxes.clone());
        }
        world
    }

    /// How many recipients a sandbox has sent to today.
    pub(super) fn sent_in_sandbox(&self) -> u32 {
        *self.sandboxes.taken.lock().unwrap()
    }

    /// A message was accepted with this key.
    pub(super) fn knows(&self, key: &str, message: MessageId) {
        *self.sandboxes.known.lock().unwrap() = Some((key.to_owned(), message));
    }

    /// What the store answers from now on.
    pub(super) fn answers(&self, answer: Answer) {
        *self.intake.answer.lock().unwrap() = answer;
    }

    fn of(options: AcceptOptions, answer: Answer) -> Self {
        Self::among(directory(), options, answer)
    }

    fn among(directory: Directory, options: AcceptOptions, answer: Answer) -> Self {
        let intake = Arc::new(PaperIntake {
            answer: Mutex::new(answer),
            stored: Mutex::default(),
        });
        let tenants = Arc::new(PaperTenants(Arc::new(directory)));
        let gate = Gate::new(options, intake.clone(), tenants, Arc::new(Still(NOW)));
        Self {
            gate,
            intake,
            sandboxes: Arc::default(),
        }
    }
}

fn options(retry: RetryPolicy) -> AcceptOptions {
    AcceptOptions {
        retry,
        max_hops: 50,
        schedule_max: Duration::from_secs(366 * 86_400),
        keep_keys: Duration::from_secs(86_400),
        hide_client: false,
        simulator: None,
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What any gate takes.
pub(super) fn offer() -> Offer {
    offer_of("From: a@example.com\r\n\r\nHello\r\n")
}

pub(super) fn offer_of(message: &str) -> Offer {
    Offer {
        door: Door::Smtp,
        workspace: OURS,
        credential: None,
        envelope_from: ReversePath::Mailbox(address("bounces@example.com")),
        envid: None,
        ret: None,
        recipients: vec![address("x@example.org").into()],
        smtputf8: false,
        body: Bytes::copy_from_slice(message.as_bytes()),
        received: received(),
    }
}

pub(super) fn received() -> Received {
    Received {
        helo: "app.example.com".to_owned(),
        peer: Some([192, 0, 2, 1].into()),
        with: "ESMTP".to_owned(),
    }
}

fn directory() -> Directory {
    let domain = |name: &str, workspace, configuration_set| {
        let name = Domain::parse(name).unwrap();
        SendingDomain::new(name, workspace, configuration_set, NOW)
    };
    let set = |id, name: &str, expire_after, reports| ConfigurationSet {
        id,
        workspace: OURS,
        name: name.to_owned(),
        max_retries: None,
        expire_after,
        reports,
        egress: Default::default(),
        tracking: SetTracking::default(),
        created_at: NOW,
    };
    let theirs = ConfigurationSet {
        workspace: THEIRS,
        ..set(ConfigurationSetId(13), "of-theirs", None, None)
    };
    let acme = Workspace {
        id: OURS,
        name: "acme".to_owned(),
        limits: Default::default(),
        created_at: NOW,
    };
    Directory::new(
        [acme],
        [
            domain("example.com", OURS, HASTY),
            domain("plain.example", OURS, PLAIN),
            domain("theirs.example", THEIRS, PLAIN),
        ],
        [
            set(HASTY, "hasty", Some(Duration::from_secs(3_600)), None),
            set(PLAIN, "plain", None, Some(false)),
            theirs,
        ],
        [],
    )
}

pub(super) enum Answer {
    Yes,
    Known(MessageId),
    No(StoreError),
    None,
}

struct PaperIntake {
    answer: Mutex<Answer>,
    stored: Mutex<Vec<Submission>>,
}

#[async_trait]
impl Intake for PaperIntake {
    async fn accept(&self, batch: Vec<Submission>) -> Vec<Result<Stored, StoreError>> {
        let one = match &*self.answer.lock().unwrap() {
            Answer::Yes => Ok(Stored::New),
            Answer::Known(message) => Ok(Stored::Known(*message)),
            Answer::No(error) => Err(error.clone()),
            Answer::None => return Vec::new(),
        };
        let answers = batch.iter().map(|_| one.clone()).collect();
        if matches!(one, Ok(Stored::New)) {
            self.stored.lock().unwrap().extend(batch);
        }
        answers
    }
}

/// What sandboxes have sent today, and before.
#[derive(Default)]
struct PaperSandboxes {
    taken: Mutex<u32>,
    known: Mutex<Option<(String, MessageId)>>,
}

#[async_trait]
impl Sandboxes for PaperSandboxes {
    async fn take_in_sandbox(&self, taking: SandboxTaking) -> Result<u32, StoreError> {
        let mut taken = self.taken.lock().unwrap();
        let granted = taking.granted(*taken);
        *taken += granted;
        Ok(granted)
    }

    async fn give_back_in_sandbox(&self, taking: SandboxTaking) -> Result<(), StoreError> {
        *self.taken.lock().unwrap() -= taking.count;
        Ok(())
    }

    async fn sent_before(
        &self,
        _: WorkspaceId,
        key: &str,
        _: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let known = self.known.lock().unwrap();
        let found = known.as_ref().filter(|(known, _)| known == key);
        Ok(found.map(|(_, message)| *message))
    }

    async fn taken_in_sandbox(
        &self,
        _: WorkspaceId,
        _: &Sender,
        _: u32,
    ) -> Result<u32, StoreError> {
        Ok(*self.taken.lock().unwrap())
    }
}

pub(crate) struct PaperTenants(pub(crate) Arc<Directory>);

#[async_trait]
impl Tenants for PaperTenants {
    fn directory(&self) -> Arc<Directory> {
        self.0.clone()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn create_configuration_set(
        &self,
        _: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn change_configuration_set(&self, _: ConfigurationSet) -> Result<(), TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn add_domain(&self, _: SendingDomain) -> Result<(), TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn create_destination(&self, _: Destination) -> Result<(), TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!("the gate makes nothing")
    }

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!("the gate makes nothing")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        Vec::new()
    }
}
