//! The gate's steps, in the order in which mail passes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::{
    Address, Clock, CredentialId, DeliveryId, Domain, MessageId, ReportRequest, Ret, RetryPolicy,
    ReversePath, Timestamp, WorkspaceId,
};
use postbell_store::{Directory, Intake, Sandboxes, StoreError, Stored, Submission, Tenants};

use crate::admission::Admission;
use crate::apart::Apart;
use crate::decide::{self, Terms};
use crate::message;
use crate::metrics::GateMetrics;
use crate::refusal::{Originator, Refusal};
use crate::sending;

/// What the gate holds mail to.
#[derive(Debug, Clone)]
pub struct AcceptOptions {
    /// How mail is retried where its configuration set does not say.
    pub retry: RetryPolicy,
    /// A message with as many Received fields is in a loop (RFC 5321 §6.3).
    pub max_hops: usize,
    /// How far ahead mail can be scheduled.
    pub schedule_max: Duration,
    /// How long an idempotency key is kept, from acceptance on.
    pub keep_keys: Duration,
    /// Whether the Received field leaves out who the client was.
    pub hide_client: bool,
    /// The domain whose addresses are simulated: sandboxes may send there. `None`: there is none.
    pub simulator: Option<Domain>,
}

/// The way by which mail comes to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// A client submits it over SMTP: its sender expects reports.
    Smtp,
    /// We send it on our own account: nothing is reported about it.
    Own,
    /// It came in and goes on: its failure is an event, and nothing is reported about it.
    Forward,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Smtp, Self::Own, Self::Forward];

    /// The name in metrics: `smtp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Own => "own",
            Self::Forward => "forward",
        }
    }
}

/// One recipient at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who it is.
    pub address: Address,
    /// NOTIFY and ORCPT.
    pub report: ReportRequest,
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self {
            address,
            report: ReportRequest::default(),
        }
    }
}

/// A message at the gate.
#[derive(Debug, Clone)]
pub struct Offer {
    /// How it comes.
    pub door: Door,
    /// Whose credential or network it came by.
    pub workspace: WorkspaceId,
    /// The credential, where there was a login.
    pub credential: Option<CredentialId>,
    /// MAIL FROM.
    pub envelope_from: ReversePath,
    /// ENVID, decoded (RFC 3461 §4.4).
    pub envid: Option<String>,
    /// How much of the message a report brings back (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// The recipients. One that occurs twice gets the message once.
    pub recipients: Vec<Recipient>,
    /// MAIL FROM's SMTPUTF8.
    pub smtputf8: bool,
    /// The message, CRLF line ends, without the final dot.
    pub body: Bytes,
    /// How it came.
    pub received: Received,
}

/// A message that is on disk, to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub message: MessageId,
    /// One for each different recipient, in the order of the offer; none where an earlier message
    /// had the same idempotency key.
    pub deliveries: Vec<DeliveryId>,
}

impl Accepted {
    /// An earlier message with the same idempotency key.
    const fn before(message: MessageId) -> Self {
        Self {
            message,
            deliveries: Vec::new(),
        }
    }
}

/// The one gate. Shared by all doors.
pub struct Gate {
    options: ArcSwap<AcceptOptions>,
    intake: Arc<dyn Intake>,
    tenants: Arc<dyn Tenants>,
    clock: Arc<dyn Clock>,
    sandboxes: Option<Arc<dyn Sandboxes>>,
    admission: Arc<Admission>,
    apart: Apart,
    metrics: GateMetrics,
}

impl Gate {
    /// The gate to this store.
    pub fn new(
        options: AcceptOptions,
        intake: Arc<dyn Intake>,
        tenants: Arc<dyn Tenants>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            options: ArcSwap::from_pointee(options),
            intake,
            tenants,
            clock,
            sandboxes: None,
            admission: Arc::new(Admission::open()),
            apart: Apart::default(),
            metrics: GateMetrics::default(),
        }
    }

    /// What its long work is done by.
    #[cfg(test)]
    pub(crate) const fn apart(&self) -> &Apart {
        &self.apart
    }

    /// Takes mail by these options from now on.
    pub fn change(&self, options: AcceptOptions) {
        self.options.store(Arc::new(options));
    }

    /// With something that may close it.
    #[must_use]
    pub fn with_admission(mut self, admission: Arc<Admission>) -> Self {
        self.admission = admission;
        self
    }

    /// With something that counts what sandboxes send a day; without it, one that has a limit sends
    /// nothing.
    #[must_use]
    pub fn with_sandboxes(mut self, sandboxes: Arc<dyn Sandboxes>) -> Self {
        self.sandboxes = Some(sandboxes);
        self
    }

    /// What it counts.
    pub const fn metrics(&self) -> &GateMetrics {
        &self.metrics
    }

    /// Whether new mail is taken now. Doors ask before a message begins; one that has begun is
    /// still taken.
    ///
    /// # Errors
    /// It is not.
    pub fn admit(&self) -> Result<(), Refusal> {
        self.admission.check().map_err(Refusal::Closed)
    }

    /// Whether a workspace may send from this MAIL FROM: from its own domains, and from `<>`. Of
    /// which domain the mail is, its From field says: a pause of a domain is no matter here.
    ///
    /// # Errors
    /// The domain is not the workspace's, or mail of the workspace is refused for now.
    pub fn check_sender(&self, workspace: WorkspaceId, from: &ReversePath) -> Result<(), Refusal> {
        let directory = self.tenants.directory();
        if let Some(address) = from.mailbox() {
            message::own_domain(&directory, workspace, Originator::MailFrom, address)?;
        }
        sending::check_taken(&directory, directory.pause_of_workspace(workspace))
    }

    /// Whether mail is delivered to such an address at all. Mail to an address literal is not:
    /// no domain answers for it, and no MX can be looked up.
    ///
    /// # Errors
    /// The address has a literal for a domain.
    pub fn check_recipient(&self, to: &Address) -> Result<(), Refusal> {
        match to.domain().literal() {
            Some(_) => Err(Refusal::AddressLiteral(to.domain().clone())),
            None => Ok(()),
        }
    }

    /// Takes a message over. Answers after the commit, so that a yes is a promise.
    ///
    /// Costs one pass over the body and one commit, which waits for the disk together with
    /// whatever else is being committed.
    ///
    /// # Errors
    /// The message breaks a rule, or the store can't take it now. Nothing was stored.
    pub async fn submit(&self, offer: Offer) -> Result<Accepted, Refusal> {
        let door = offer.door;
        let submitted = self.pass(offer).await;
        if let Err(refusal) = &submitted {
            self.metrics.refused(door, refusal.name());
        }
        submitted
    }

    async fn pass(&self, offer: Offer) -> Result<Accepted, Refusal> {
        let door = offer.door;
        self.check_envelope(&offer)?;
        let options = self.options.load_full();
        let summary = message::read(&offer.body, &self.apart).await?;
        let directory = self.tenants.directory();
        let origin = message::check(&summary, &offer, &directory, options.max_hops)?;
        let now = self.clock.now();
        let asked = message::asked(&offer, options.schedule_max, now)?;
        let (set_id, set) = message::chosen_set(&asked, &origin, &directory)?;
        let terms = Terms {
            origin: &origin,
            set_id,
            set,
            options: &options,
            now,
        };
        let mut submission = decide::submission(offer, summary, asked, &terms);
        let sender = (submission.message.workspace, origin.from.domain());
        let earlier = self.sent_before(&directory, sender, &submission).await?;
        if let Some(message) = earlier {
            return Ok(Accepted::before(message));
        }
        let deliveries = &mut submission.deliveries[..];
        let screened = (deliveries, options.simulator.as_ref());
        let taken = self.screen(&directory, sender, screened).await?;
        let accepted = self.commit(door, submission).await;
        self.give_back(taken, &accepted).await;
        accepted
    }

    /// How mail is retried that is of no configuration set.
    pub(crate) fn retry(&self) -> RetryPolicy {
        self.options.load().retry
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.tenants.directory()
    }

    pub(crate) fn sandboxes(&self) -> Option<&dyn Sandboxes> {
        self.sandboxes.as_deref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn check_envelope(&self, offer: &Offer) -> Result<(), Refusal> {
        self.check_sender(offer.workspace, &offer.envelope_from)?;
        if offer.recipients.is_empty() {
            return Err(Refusal::NoRecipients);
        }
        offer
            .recipients
            .iter()
            .try_for_each(|to| self.check_recipient(&to.address))?;
        let international = offer
            .envelope_from
            .mailbox()
            .into_iter()
            .chain(offer.recipients.iter().map(|to| &to.address))
            .find(|address| address.needs_smtputf8());
        match international {
            Some(address) if !offer.smtputf8 => {
                Err(Refusal::NeedsSmtpUtf8(address.domain().clone()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn commit(
        &self,
        door: Door,
        submission: Submission,
    ) -> Result<Accepted, Refusal> {
        let accepted = Accepted {
            message: submission.message.id,
            deliveries: submission.deliveries.iter().map(|new| new.id).collect(),
        };
        let workspace = submission.message.workspace;
        let size = submission.message.size;
        let outcome = self.intake.accept(vec![submission]).await.pop();
        match outcome.unwrap_or_else(unanswered) {
            Ok(Stored::Known(earlier)) => Ok(Accepted::before(earlier)),
            Ok(Stored::New) => {
                let recipients = accepted.deliveries.len();
                self.metrics.accepted(door, recipients, size);
                tracing::info!(
                    workspace.id = %workspace,
                    message.id = %accepted.message,
                    deliveries = accepted.deliveries.len(),
                    size_bytes = size,
                    "accepted a message"
                );
                Ok(accepted)
            }
            // The client is told, and the store says once what is the matter: a line for each
            // would only add to it.
            Err(error @ (StoreError::Busy | StoreError::Full)) => Err(Refusal::of_store(&error)),
            Err(error) => {
                tracing::error!(
                    workspace.id = %workspace,
                    message.id = %accepted.message,
                    size_bytes = size,
                    error = &error as &dyn std::error::Error,
                    "a message was not stored"
                );
                Err(Refusal::of_store(&error))
            }
        }
    }
}

/// A store that answers nothing has promised nothing.
fn unanswered() -> Result<Stored, StoreError> {
    Err(StoreError::Refused("the store gave no answer".into()))
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
