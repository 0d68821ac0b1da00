//! A notifier over a store in memory, with a clock that is turned by hand.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::message::Received;
use postbell_model::{
    Address, Attempt, BounceClass, BounceType, ConfigurationSetId, DeliveryId, Destination,
    DestinationId, DestinationSettings, DestinationState, DisableReason, Domain, Event, EventId,
    Fact, HostTry, Instructions, Message, MessageId, Phase, Reply, ReversePath, Secret,
    WorkspaceEvent, WorkspaceFact, WorkspaceId,
};
use postbell_net::{DnsOptions, Guard, HttpClient, HttpOptions, Resolver};
use postbell_notify::{Notifier, NotifyOptions};
use postbell_store::{Logged, LoggedEvent, LoggedWorkspaceEvent, Position};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{HandClock, START};
use crate::endpoint::Endpoint;
use crate::store::{MemoryStore, State};

pub(crate) const SECRET: &[u8] = b"a plain secret";
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) store: Arc<MemoryStore>,
    options: NotifyOptions,
    running: Option<(JoinHandle<()>, CancellationToken)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: HandClock::new(),
            store: MemoryStore::new(),
            options: NotifyOptions {
                timeout: Duration::from_secs(5),
                in_flight: 4,
                retries_in_flight: 2,
                page: 64,
                window: 128,
                down_after: 5,
                pause: Duration::from_secs(5),
                longest_pause: Duration::from_mins(5),
                disable_after: Duration::from_hours(120),
                grace: Duration::from_secs(5),
            },
            running: None,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut NotifyOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Begins to notify.
    pub(crate) fn start(&mut self) {
        let (notifier, stop) = (self.notifier(), CancellationToken::new());
        let (tasks, stopping) = (TaskTracker::new(), stop.clone());
        let task = tasks
            .clone()
            .spawn(async move { notifier.run(&tasks, stopping).await });
        self.running = Some((task, stop));
    }

    /// Begins to notify on threads of its own, which can be killed.
    pub(crate) fn start_mortal(&self) -> Runtime {
        let notifier = self.notifier();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let tasks = TaskTracker::new();
        let run = async move { notifier.run(&tasks, CancellationToken::new()).await };
        TaskTracker::new().spawn_on(run, runtime.handle());
        runtime
    }

    fn notifier(&self) -> Notifier {
        let resolver = Resolver::new(&DnsOptions::default()).unwrap();
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let http = HttpClient::new(resolver, guard, &HttpOptions::default());
        Notifier::new(
            self.options.clone(),
            self.store.clone(),
            self.store.clone(),
            self.store.clone(),
            http,
            self.clock.clone(),
        )
    }

    /// Stops in order, as the program does.
    pub(crate) async fn stop(&mut self) {
        let (task, stop) = self.running.take().unwrap();
        stop.cancel();
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }

    /// Adds a destination of configuration set `set`.
    pub(crate) fn destination(
        &self,
        set: u32,
        endpoint: &Endpoint,
        change: impl FnOnce(&mut Destination),
    ) -> DestinationId {
        let id = DestinationId::new(START);
        let mut destination = Destination {
            id,
            workspace: WorkspaceId(1),
            configuration_set: Some(ConfigurationSetId(set)),
            name: id.to_string(),
            url: endpoint.url(),
            secret: Secret::new(SECRET),
            previous_secret: None,
            matching_event_types: Vec::new(),
            format: "postbell".to_owned(),
            settings: DestinationSettings::default(),
            replays: 0,
            state: DestinationState::Active,
            created_at: START,
        };
        change(&mut destination);
        self.store
            .set_up(|destinations| destinations.push(destination));
        id
    }

    pub(crate) fn cursor(&self, destination: DestinationId) -> u64 {
        let cursor = |state: &State| state.cursors.get(&destination).map_or(0, |at| at.0);
        self.store.look(cursor)
    }

    /// Waits until the state is so.
    pub(crate) async fn until(&self, so: impl Fn(&State) -> bool) {
        let mut changes = self.store.changes();
        let so = changes.wait_for(|_| self.store.look(&so));
        let waited = tokio::time::timeout(PATIENCE, so).await.is_ok();
        assert!(waited, "the state did not become so: {:?}", self.store);
    }

    pub(crate) async fn until_cursor(&self, destination: DestinationId, cursor: u64) {
        self.until(|state| state.cursors.get(&destination) == Some(&Position(cursor)))
            .await;
    }

    /// Waits until someone sleeps, and turns the clock to when the first of them wakes. Returns
    /// how far that was.
    pub(crate) async fn turn_to_next(&self) -> Duration {
        let next = self.clock.next_wake();
        let wait = tokio::time::timeout(PATIENCE, next)
            .await
            .expect("somebody sleeps");
        self.clock.turn(wait);
        wait
    }
}

/// A message of configuration set `set`, with one delivery that was sent and delivered.
pub(crate) fn delivered(set: u32) -> [LoggedEvent; 2] {
    let message = message(set);
    let delivery = DeliveryId::new(START);
    [
        logged(&message, delivery, 1, Fact::Send),
        logged(
            &message,
            delivery,
            2,
            Fact::Delivery {
                attempt: attempt(250),
            },
        ),
    ]
}

/// The `Send` of a message of its own.
pub(crate) fn sent(set: u32) -> LoggedEvent {
    logged(&message(set), DeliveryId::new(START), 1, Fact::Send)
}

/// A delay of a delivery's attempt of this number.
pub(crate) fn delayed(first: &LoggedEvent, attempt_number: u32) -> LoggedEvent {
    let fact = Fact::DeliveryDelay {
        attempt: Attempt {
            number: attempt_number,
            ..attempt(451)
        },
        class: BounceClass::RateLimited,
        next_attempt_at: START,
        expires_at: START,
    };
    let (delivery, sequence) = (first.event.delivery, attempt_number + 1);
    logged(&first.message, delivery, sequence, fact)
}

/// A destination of workspace 1 that was switched off.
pub(crate) fn disabled(destination: DestinationId) -> Logged {
    Logged::Workspace(LoggedWorkspaceEvent {
        position: Position(0),
        event: WorkspaceEvent {
            id: EventId::new(START),
            at: START,
            workspace: WorkspaceId(1),
            configuration_set: None,
            fact: WorkspaceFact::DestinationDisabled {
                destination,
                name: "hook".to_owned(),
                reason: DisableReason::Gone,
            },
        },
    })
}

pub(crate) fn bounced(set: u32) -> LoggedEvent {
    let fact = Fact::Bounce {
        attempt: attempt(550),
        class: BounceClass::NoSuchUser,
        bounce_type: BounceType::Permanent,
    };
    logged(&message(set), DeliveryId::new(START), 2, fact)
}

fn logged(message: &Arc<Message>, delivery: DeliveryId, sequence: u32, fact: Fact) -> LoggedEvent {
    LoggedEvent {
        position: Position(0),
        event: Event {
            id: EventId::new(START),
            at: START,
            delivery,
            sequence,
            fact,
        },
        recipient: Address::parse("ann@customer.example").unwrap(),
        message: Arc::clone(message),
    }
}

fn message(set: u32) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId::new(START),
        workspace: WorkspaceId(1),
        configuration_set: ConfigurationSetId(set),
        mail_from: ReversePath::Null,
        source: "shop@sender.example".to_owned(),
        subject: "Your order".to_owned(),
        header_message_id: "<1@sender.example>".to_owned(),
        accepted_at: START,
        size: 100,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "app.sender.example".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    })
}

fn attempt(code: u16) -> Attempt {
    Attempt {
        number: 1,
        started_at: START,
        ended_at: START,
        tracking_notes: Vec::new(),
        tries: vec![HostTry {
            host: Domain::parse("mx.customer.example").unwrap(),
            ip: None,
            tls: None,
            plaintext: None,
            phase: Phase::Message,
            reply: Reply::new(code, 1, 1, "so be it"),
            from_peer: true,
            dsn: false,
        }],
    }
}
