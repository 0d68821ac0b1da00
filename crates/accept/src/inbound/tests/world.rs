//! The gate before a store of paper that knows one message to Ann.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::clock::Still;
use postbell_model::message::Received;
use postbell_model::token::{Claim, Purpose};
use postbell_model::{
    Authentication, ConfigurationSetId, DeliveryId, DeliveryState, DmarcMode, Domain, Fact,
    ForwardTo, InboundId, InboundRoute, Instructions, Message, MessageId, ReversePath, Secret,
    SendingDomain, SendingLimits, Timestamp, TokenKeys, Workspace, WorkspaceId,
};
use postbell_store::{
    Directory, Inbound, InboundFact, KeptInbound, NewInbound, Reception, SENT_MAX, Sent,
    SentSearch, StoreError, Taken,
};

use crate::admission::Admission;
use crate::inbound::{Arrival, InboundGate, InboundOptions, InboundRefusal};
use crate::tests::fakes::PaperTenants;
pub(super) use crate::tests::fakes::{OURS, THEIRS, address};

/// 2026-05-04 12:00:00 UTC.
pub(super) const NOW: Timestamp = Timestamp::from_micros(1_777_896_000_000_000);
/// 2026-05-04 09:00:00 UTC: the Date of the fixtures' message.
pub(super) const SENT_AT: Timestamp = Timestamp::from_micros(1_777_885_200_000_000);
pub(super) const SET: ConfigurationSetId = ConfigurationSetId(11);
pub(super) const PEER: [u8; 4] = [192, 0, 2, 7];

pub(super) struct World {
    pub(super) gate: InboundGate,
    pub(super) store: Arc<PaperInbound>,
    /// The delivery to Ann.
    pub(super) delivery: DeliveryId,
    keys: Arc<TokenKeys>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_routes([])
    }

    pub(super) fn with_routes(routes: impl IntoIterator<Item = InboundRoute>) -> Self {
        let store = Arc::new(PaperInbound::default());
        let ann = sent_to("ann@customer.example", OURS);
        let delivery = ann.delivery;
        store.sent.lock().unwrap().push(ann);
        let keys = Arc::new(keys(&[1, 2]));
        let directory = directory().with_inbound_routes(routes);
        let options = InboundOptions {
            hostname: domain("mx.post.example"),
            max_hops: 5,
        };
        let gate = InboundGate::new(
            options,
            store.clone(),
            Arc::new(PaperTenants(Arc::new(directory))),
            keys.clone(),
            Arc::new(Admission::open()),
            Arc::new(Still(NOW)),
        );
        Self {
            gate,
            store,
            delivery,
            keys,
        }
    }

    pub(super) fn token(&self, purpose: Purpose) -> String {
        self.token_of(purpose, self.delivery)
    }

    pub(super) fn token_of(&self, purpose: Purpose, delivery: DeliveryId) -> String {
        let workspace = OURS;
        let claim = Claim {
            workspace,
            delivery,
        };
        self.keys.sign(purpose, claim)
    }

    /// The address of the delivery to Ann.
    pub(super) fn reply(&self) -> String {
        format!("reply+{}@reply.shop.example", self.token(Purpose::Reply))
    }

    pub(super) fn bounce(&self) -> String {
        format!("bounce+{}@bounce.shop.example", self.token(Purpose::Bounce))
    }

    pub(super) fn unsubscribe(&self) -> String {
        let token = self.token(Purpose::Unsubscribe);
        format!("unsub+{token}@reply.shop.example")
    }

    pub(super) fn also_sent(&self, sent: Sent) {
        self.store.sent.lock().unwrap().push(sent);
    }

    /// A message to these addresses.
    pub(super) fn arrival(&self, to: &[&str], message: &str) -> Arrival {
        let resolve = |to: &&str| self.gate.resolve(&address(to)).unwrap();
        Arrival {
            mail_from: ReversePath::Mailbox(address("ann@customer.example")),
            recipients: to.iter().map(resolve).collect(),
            helo: "mail.customer.example".to_owned(),
            peer: PEER.into(),
            with: "ESMTPS".to_owned(),
            smtputf8: false,
            authentication: Authentication::default(),
            body: Bytes::from(message.replace("\r\n", "\n").replace('\n', "\r\n")),
        }
    }

    pub(super) async fn receive(&self, to: &[&str], message: &str) -> Vec<NewInbound> {
        let arrival = self.arrival(to, message);
        let ids = self.gate.receive(arrival).await.unwrap();
        let reception = self.store.taken.lock().unwrap().pop().unwrap();
        let kept: Vec<_> = reception.mails.iter().map(|new| new.mail.id).collect();
        assert_eq!(ids, kept);
        reception.mails
    }

    /// What a message says that comes to one address.
    pub(super) async fn receive_one(&self, to: &str, message: &str) -> NewInbound {
        let mut mails = self.receive(&[to], message).await;
        assert_eq!(mails.len(), 1);
        mails.pop().unwrap()
    }

    pub(super) async fn refusal(&self, arrival: Arrival) -> InboundRefusal {
        let refusal = self.gate.receive(arrival).await.unwrap_err();
        assert_eq!(self.store.taken.lock().unwrap().len(), 0);
        refusal
    }

    pub(super) fn stored(&self) -> Reception {
        self.store.taken.lock().unwrap().pop().unwrap()
    }
}

/// The facts about deliveries.
pub(super) fn facts(new: &NewInbound) -> Vec<(DeliveryId, &Fact)> {
    let of_delivery = new.facts.iter().map(|fact| match fact {
        InboundFact::Delivery { delivery, fact } => (*delivery, fact),
        InboundFact::Workspace { .. } => panic!("{fact:?}"),
    });
    of_delivery.collect()
}

/// The only one.
pub(super) fn fact(new: &NewInbound) -> &Fact {
    let facts = facts(new);
    assert_eq!(facts.len(), 1, "{facts:?}");
    facts[0].1
}

/// A message of the repository's fixtures, its token that of the world's delivery.
pub(super) fn fixture(world: &World, name: &str) -> String {
    untokened(name).replace(
        "Feedback-ID: 7:welcome",
        &format!("X-Postbell-Delivery: {}", world.token(Purpose::Header)),
    )
}

/// The same without any token.
pub(super) fn untokened(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/inbound");
    let message = std::fs::read_to_string(format!("{folder}/{name}.eml")).unwrap();
    message.replace("X-Postbell-Delivery: 0199-tok123\n", "")
}

pub(super) fn keys(ids: &[u8]) -> TokenKeys {
    let secrets: Vec<_> = ids.iter().map(|id| (*id, Secret::new([*id; 32]))).collect();
    TokenKeys::new(secrets.iter().map(|(id, secret)| (*id, secret))).unwrap()
}

pub(super) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

/// A delivery of the message of the fixtures.
pub(super) fn sent_to(recipient: &str, workspace: WorkspaceId) -> Sent {
    let message = Message {
        id: MessageId::new(SENT_AT),
        workspace,
        configuration_set: SET,
        mail_from: ReversePath::Null,
        source: "orders@sender.example".to_owned(),
        subject: "Your order".to_owned(),
        header_message_id: "<4711@sender.example>".to_owned(),
        accepted_at: SENT_AT,
        size: 100,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: String::new(),
            peer: None,
            with: "local".to_owned(),
        },
        reports: false,
        forward: None,
        instructions: Instructions::default(),
    };
    Sent {
        delivery: DeliveryId::new(SENT_AT),
        recipient: address(recipient),
        state: DeliveryState::Delivered,
        message: Arc::new(message),
    }
}

fn directory() -> Directory {
    let workspace = |id, name: &str| Workspace {
        id,
        name: name.to_owned(),
        limits: SendingLimits::default(),
        created_at: NOW,
    };
    let sending = |name: &str, workspace, inbound, dmarc| SendingDomain {
        inbound,
        dmarc,
        ..SendingDomain::new(domain(name), workspace, SET, NOW)
    };
    Directory::new(
        [workspace(OURS, "ours"), workspace(THEIRS, "theirs")],
        [
            sending("shop.example", OURS, true, DmarcMode::Mark),
            sending("strict.example", OURS, true, DmarcMode::Enforce),
            sending("lax.example", OURS, true, DmarcMode::Off),
            sending("closed.example", OURS, false, DmarcMode::Mark),
            sending("theirs.example", THEIRS, true, DmarcMode::Mark),
        ],
        [],
        [],
    )
}

/// What a route of the shop says.
pub(super) fn route(pattern: &str, tells: bool, forward: Option<&str>) -> InboundRoute {
    InboundRoute {
        domain: domain("shop.example"),
        workspace: OURS,
        pattern: pattern.parse().unwrap(),
        tells,
        forward: forward.map(|to| ForwardTo::Address(address(to))),
    }
}

/// Knows what was sent, and keeps what is taken.
#[derive(Default)]
pub(super) struct PaperInbound {
    pub(super) sent: Mutex<Vec<Sent>>,
    pub(super) taken: Mutex<Vec<Reception>>,
    pub(super) searches: Mutex<Vec<SentSearch>>,
    pub(super) failure: Mutex<Option<StoreError>>,
}

#[async_trait]
impl Inbound for PaperInbound {
    async fn receive(&self, batch: Vec<Reception>) -> Vec<Result<Taken, StoreError>> {
        if let Some(error) = self.failure.lock().unwrap().clone() {
            return vec![Err(error)];
        }
        let taken = |reception: &Reception| Taken {
            recorded: reception.mails.iter().map(|new| new.facts.len()).sum(),
            left_out: 0,
        };
        let answers = batch.iter().map(|reception| Ok(taken(reception))).collect();
        self.taken.lock().unwrap().extend(batch);
        answers
    }

    async fn sent(&self, delivery: DeliveryId) -> Result<Option<Sent>, StoreError> {
        if let Some(error @ StoreError::Read(_)) = self.failure.lock().unwrap().clone() {
            return Err(error);
        }
        let sent = self.sent.lock().unwrap();
        Ok(sent.iter().find(|sent| sent.delivery == delivery).cloned())
    }

    async fn sent_as(&self, search: SentSearch) -> Result<Vec<Sent>, StoreError> {
        let sent = self.sent.lock().unwrap();
        let stretch = search.from..=search.until;
        let fits = |sent: &&Sent| {
            let to = search.recipient.as_ref();
            sent.message.header_message_id == search.header_message_id
                && stretch.contains(&sent.message.accepted_at)
                && to.is_none_or(|to| *to == sent.recipient)
        };
        let found = sent.iter().filter(fits).take(SENT_MAX).cloned().collect();
        self.searches.lock().unwrap().push(search.clone());
        Ok(found)
    }

    async fn inbound(&self, _: InboundId) -> Result<Option<KeptInbound>, StoreError> {
        unreachable!("the gate reads nothing of what it stored")
    }
}
