//! Mail that came in: taken with what it says, and found again.

mod intake;
mod log;
mod look;
mod once;
pub(super) mod sent;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::{DeliveryId, EventId, EventKind, InboundId, InboundMail, Timestamp};
use tokio::sync::oneshot;

use crate::{
    Inbound, InboundFact, KeptInbound, NewForward, Reception, Sent, SentSearch, StoreError, Taken,
    record,
};

use super::SqliteStore;
use super::work::Work;

pub(super) use intake::{Placed, ReceptionStatements, write};
pub(super) use log::Log;
pub(super) use look::{COLUMNS, WIDTH, one, page, read_mail};

/// A message on its way in, with its payloads as they are stored: made by whoever hands it in, since
/// the committer has little time.
#[derive(Debug)]
pub(super) struct Incoming {
    pub mails: Vec<IncomingMail>,
    pub body: Bytes,
}

#[derive(Debug)]
pub(super) struct IncomingMail {
    pub mail: InboundMail,
    pub facts: Vec<Told>,
    /// What is forwarded, with what was found out about its sender as it is stored.
    pub forward: Option<(NewForward, String)>,
}

/// A fact that others tell, with its event.
#[derive(Debug)]
pub(super) struct Told {
    pub fact: InboundFact,
    pub id: EventId,
    pub kind: EventKind,
    pub payload: Option<String>,
}

impl Incoming {
    pub(super) fn of(reception: Reception) -> Self {
        let mails = reception.mails.into_iter().map(|new| IncomingMail {
            facts: (new.facts.into_iter())
                .map(|fact| Told::of(fact, new.mail.at))
                .collect(),
            forward: new.forward.map(|forward| {
                let authentication = record::write_authentication(&forward.authentication);
                (forward, authentication)
            }),
            mail: new.mail,
        });
        Self {
            mails: mails.collect(),
            body: reception.body,
        }
    }

    pub(super) fn octets(&self) -> usize {
        let told = self.mails.iter().flat_map(|mail| &mail.facts);
        let payloads = told
            .filter_map(|told| told.payload.as_deref())
            .map(str::len);
        self.body.len() + payloads.sum::<usize>()
    }

    pub(super) fn rows(&self) -> usize {
        let facts = self.mails.iter().map(|mail| mail.facts.len());
        self.mails.len() + facts.sum::<usize>()
    }
}

impl Told {
    pub(super) fn of(fact: InboundFact, at: Timestamp) -> Self {
        let (kind, payload) = match &fact {
            InboundFact::Delivery { fact, .. } => (fact.kind(), record::write(fact)),
            InboundFact::Workspace { fact, .. } => (fact.kind(), record::write_workspace(fact)),
        };
        Self {
            id: EventId::new(at),
            kind,
            payload,
            fact,
        }
    }

    /// The delivery that it is about; `None`: a workspace.
    pub(super) const fn delivery(&self) -> Option<DeliveryId> {
        match self.fact {
            InboundFact::Delivery { delivery, .. } => Some(delivery),
            InboundFact::Workspace { .. } => None,
        }
    }
}

#[async_trait]
impl Inbound for SqliteStore {
    async fn receive(&self, batch: Vec<Reception>) -> Vec<Result<Taken, StoreError>> {
        let mut sent = Vec::with_capacity(batch.len());
        for reception in batch {
            sent.push(self.hand_in_reception(reception).await);
        }
        let mut taken = Vec::with_capacity(sent.len());
        for sent in sent {
            taken.push(match sent {
                Ok(answered) => answered.await.unwrap_or_else(|_| Err(self.gone())),
                Err(error) => Err(error),
            });
        }
        taken
    }

    async fn sent(&self, delivery: DeliveryId) -> Result<Option<Sent>, StoreError> {
        sent::one(&self.readers, delivery).await
    }

    async fn sent_as(&self, search: SentSearch) -> Result<Vec<Sent>, StoreError> {
        sent::by_message_id(&self.lookups, &search).await
    }

    async fn inbound(&self, id: InboundId) -> Result<Option<KeptInbound>, StoreError> {
        one(&self.readers, id).await
    }
}

impl SqliteStore {
    async fn hand_in_reception(
        &self,
        reception: Reception,
    ) -> Result<oneshot::Receiver<Result<Taken, StoreError>>, StoreError> {
        if reception.mails.is_empty() {
            return Err(StoreError::Refused("the message is for nobody".into()));
        }
        let (answer, answered) = oneshot::channel();
        let work = Work::Receive(Box::new(Incoming::of(reception)), answer);
        self.hand_in(work).await?;
        Ok(answered)
    }
}
