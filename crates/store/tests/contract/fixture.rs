//! A store with one workspace in it, and what the cases are made of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::clock::Still;
use postbell_model::message::Received;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Address, Attempt, Audience, BounceClass, BounceType, Clock, ConfigurationSetId, DeliveryId,
    Domain, Fact, HostTry, Instructions, Lane, Message, MessageId, OriginalRecipient, Phase, Reply,
    ReportRequest, ReversePath, Timestamp, WorkspaceId,
};
use postbell_store::{
    Inspect, Logged, LoggedEvent, NewConfigurationSet, NewDelivery, Position, Settlement,
    SqliteInspector, SqliteOptions, SqliteStore, Store, Stored, Submission,
};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
pub(crate) const FRESH_ROOM: usize = 8;
pub(crate) const FRESH_PER_LANE: usize = 4;
pub(crate) const HITS_MAX: u64 = 1_100;

/// A store on disk, which can be opened again.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) set: ConfigurationSetId,
    tasks: TaskTracker,
    folder: Arc<TempDir>,
}

/// The store on SQLite in a temporary folder.
pub(crate) async fn sqlite() -> Fixture {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (store, tasks) = open_sqlite(folder.path()).await;
    let workspace = store.create_workspace("acme", NOW).await.unwrap().id;
    let set = set_of(&*store, workspace, "default").await;
    Fixture {
        store,
        workspace,
        set,
        tasks,
        folder,
    }
}

pub(crate) async fn open_sqlite(folder: &Path) -> (Arc<dyn Store>, TaskTracker) {
    let tasks = TaskTracker::new();
    let store = SqliteStore::open(folder, options(), still(), &tasks)
        .await
        .unwrap();
    (Arc::new(store), tasks)
}

pub(crate) fn options() -> SqliteOptions {
    SqliteOptions {
        commit_queue: 64,
        fresh_deliveries: FRESH_ROOM,
        fresh_deliveries_per_lane: FRESH_PER_LANE,
        fresh_octets: 1 << 20,
        segment_octets: 4_096,
        max_hits_waiting: HITS_MAX,
    }
}

pub(crate) fn still() -> Arc<dyn Clock> {
    Arc::new(Still(NOW))
}

pub(crate) async fn set_of(
    store: &dyn Store,
    workspace: WorkspaceId,
    name: &str,
) -> ConfigurationSetId {
    let set = NewConfigurationSet {
        workspace,
        name: name.to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    };
    store.create_configuration_set(set, NOW).await.unwrap().id
}

impl Fixture {
    /// Closes the store and opens it again: what was only in memory is gone.
    pub(crate) async fn reopened(&self) -> Self {
        self.close().await;
        let (store, tasks) = open_sqlite(self.folder.path()).await;
        let folder = Arc::clone(&self.folder);
        Self {
            store,
            workspace: self.workspace,
            set: self.set,
            tasks,
            folder,
        }
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What an operator looks with, beside the store.
    pub(crate) async fn inspector(&self) -> Arc<dyn Inspect> {
        Arc::new(SqliteInspector::open(self.folder.path()).await.unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn bodies(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("bodies"))
            .unwrap()
            .count()
    }

    /// Accepts a message to each of these, at `NOW`; the ids of the deliveries.
    pub(crate) async fn accept(&self, recipients: &[&str]) -> Vec<DeliveryId> {
        let submission = self.submission(recipients, "Subject: x\r\n\r\nx\r\n");
        let ids = submission
            .deliveries
            .iter()
            .map(|delivery| delivery.id)
            .collect();
        let answers = self.store.accept(vec![submission]).await;
        assert!(
            matches!(answers.as_slice(), [Ok(Stored::New)]),
            "{answers:?}"
        );
        ids
    }

    pub(crate) fn submission(&self, recipients: &[&str], body: &'static str) -> Submission {
        Submission {
            message: Arc::new(message(self.workspace, self.set)),
            credential: None,
            deliveries: recipients.iter().map(|to| new_delivery(to)).collect(),
            body: Bytes::from_static(body.as_bytes()),
            send_at: None,
            idempotency: None,
        }
    }

    /// The events of a set's deliveries after a place.
    pub(crate) async fn events_after(
        &self,
        set: ConfigurationSetId,
        after: Position,
        limit: usize,
    ) -> DeliveryPage {
        let page = self.store.events_after(Audience::Set(set), after, limit);
        let page = page.await.unwrap();
        DeliveryPage {
            events: page.events.into_iter().map(about_delivery).collect(),
            read_to: page.read_to,
        }
    }

    /// All that was told of deliveries of the usual set.
    pub(crate) async fn events_of_deliveries(&self) -> Vec<LoggedEvent> {
        let page = self.events_after(self.set, Position(0), 1_000).await;
        page.events
    }

    pub(crate) fn lane(&self, domain: &str) -> Lane {
        Lane {
            workspace: self.workspace,
            domain: Domain::parse(domain).unwrap(),
        }
    }
}

/// A page of events that are all about deliveries.
#[derive(Debug)]
pub(crate) struct DeliveryPage {
    pub(crate) events: Vec<LoggedEvent>,
    pub(crate) read_to: Position,
}

pub(crate) fn about_delivery(logged: Logged) -> LoggedEvent {
    match logged {
        Logged::Delivery(logged) => logged,
        Logged::Workspace(logged) => panic!("{logged:?} is about no delivery"),
    }
}

fn new_delivery(to: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(NOW),
        recipient: Address::parse(to).unwrap(),
        retry_at: later(300),
        expires_at: later(86_400),
        report: report_request(),
        ends_with: None,
    }
}

pub(crate) fn report_request() -> ReportRequest {
    ReportRequest {
        notify: "SUCCESS,DELAY".parse().ok(),
        orcpt: OriginalRecipient::parse("rfc822;first@example.org"),
    }
}

pub(crate) fn message(workspace: WorkspaceId, set: ConfigurationSetId) -> Message {
    Message {
        id: MessageId::new(NOW),
        workspace,
        configuration_set: set,
        mail_from: ReversePath::Mailbox(Address::parse("app@example.org").unwrap()),
        source: "app@example.org".to_owned(),
        subject: "Grüße".to_owned(),
        header_message_id: "<1@example.org>".to_owned(),
        accepted_at: NOW,
        size: 17,
        eight_bit: true,
        smtputf8: false,
        received: Received {
            helo: "client.example".to_owned(),
            peer: Some("192.0.2.7".parse().unwrap()),
            with: "ESMTP".to_owned(),
        },
        reports: true,
        instructions: Instructions {
            envid: Some("QQ314159".to_owned()),
            tags: vec!["welcome".to_owned()],
            ..Instructions::default()
        },
        forward: None,
    }
}

/// This many seconds after `NOW`.
pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

pub(crate) fn attempt(number: u32) -> Attempt {
    let reply = Reply::new(451, 7, 1, "later");
    let host = Domain::parse("mx.example.com").unwrap();
    let tried = HostTry {
        host,
        ip: None,
        tls: None,
        plaintext: None,
        phase: Phase::Rcpt,
        reply,
        from_peer: true,
        // The host reports the success itself.
        dsn: true,
    };
    Attempt {
        number,
        started_at: NOW,
        ended_at: NOW,
        tries: vec![tried],
    }
}

pub(crate) fn delivered(delivery: DeliveryId) -> Settlement {
    Settlement {
        delivery,
        at: later(1),
        fact: Fact::Delivery {
            attempt: attempt(1),
        },
    }
}

pub(crate) fn bounced(delivery: DeliveryId) -> Settlement {
    let fact = Fact::Bounce {
        attempt: attempt(1),
        class: BounceClass::NoSuchUser,
        bounce_type: BounceType::Permanent,
    };
    Settlement {
        delivery,
        at: later(1),
        fact,
    }
}

/// Refused for what it says: its address is not dead.
pub(crate) fn refused(delivery: DeliveryId) -> Settlement {
    let fact = Fact::Bounce {
        attempt: attempt(1),
        class: BounceClass::SpamRejected,
        bounce_type: BounceType::Transient,
    };
    Settlement {
        delivery,
        at: later(1),
        fact,
    }
}

pub(crate) fn delayed(delivery: DeliveryId, number: u32, until: Timestamp) -> Settlement {
    let fact = Fact::DeliveryDelay {
        attempt: attempt(number),
        class: BounceClass::RateLimited,
        next_attempt_at: until,
        expires_at: later(86_400),
    };
    Settlement {
        delivery,
        at: later(1),
        fact,
    }
}
