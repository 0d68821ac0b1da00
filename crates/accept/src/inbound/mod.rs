//! The gate through which mail comes in from outside (RFC 5321 §3.6, §6): to answers, reports,
//! complaints, wishes to get no more, and mail to the addresses of a domain that takes mail.
//!
//! [`InboundGate::resolve`] says at RCPT what an address is. [`InboundGate::receive`] reads the
//! message once, finds the deliveries that it is about, makes facts of what it says, and commits
//! all of it together; only then is it promised. Nothing that was taken is dropped because nobody
//! understands it: it is kept, and counted.
//!
//! All of it is written by strangers. What an address or a token does not prove is no more than a
//! claim: a Message-ID leads to a delivery only where the recipient fits as well.

mod correlate;
mod judge;
mod metrics;
mod pass;
mod plain;
mod policy;
mod reading;
mod recipient;
mod refusal;
mod report;
mod trace;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use postbell_mail::Classifier;
use postbell_mail::inbound::Reader;
use postbell_model::{Address, Authentication, Clock, Domain, InboundId, ReversePath, TokenKeys};
use postbell_store::{Inbound, Tenants};
use tokio::sync::Semaphore;

use crate::admission::Admission;

pub use metrics::InboundMetrics;
pub use recipient::InboundRecipient;
pub use refusal::InboundRefusal;

/// What mail that comes in is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundOptions {
    /// Our name, in the Received and Authentication-Results fields.
    pub hostname: Domain,
    /// A message with as many Received fields is in a loop (RFC 5321 §6.3).
    pub max_hops: usize,
}

/// A message at the gate.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// MAIL FROM.
    pub mail_from: ReversePath,
    /// The addresses that it came to, which go with each other. One that occurs twice counts once.
    pub recipients: Vec<InboundRecipient>,
    /// What the client called itself at EHLO.
    pub helo: String,
    /// The client's address.
    pub peer: IpAddr,
    /// `ESMTP`, `ESMTPS`, `UTF8SMTP` … (RFC 3848, RFC 6531 §4.3).
    pub with: String,
    /// MAIL FROM's SMTPUTF8.
    pub smtputf8: bool,
    /// What was found out about its sender.
    pub authentication: Authentication,
    /// The message, CRLF line ends, without the final dot.
    pub body: Bytes,
}

/// The gate for mail that comes in.
pub struct InboundGate {
    options: ArcSwap<InboundOptions>,
    inbound: Arc<dyn Inbound>,
    tenants: Arc<dyn Tenants>,
    keys: Arc<TokenKeys>,
    admission: Arc<Admission>,
    clock: Arc<dyn Clock>,
    reader: ArcSwap<Reader>,
    /// Who may search for a message now.
    searches: Semaphore,
    metrics: InboundMetrics,
}

impl InboundGate {
    /// The gate to this store, with the standard rules for what servers say. Making it takes
    /// milliseconds.
    pub fn new(
        options: InboundOptions,
        inbound: Arc<dyn Inbound>,
        tenants: Arc<dyn Tenants>,
        keys: Arc<TokenKeys>,
        admission: Arc<Admission>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            options: ArcSwap::from_pointee(options),
            inbound,
            tenants,
            keys,
            admission,
            clock,
            reader: ArcSwap::from_pointee(Reader::new(Classifier::standard())),
            searches: Semaphore::new(pass::SEARCHES),
            metrics: InboundMetrics::default(),
        }
    }

    /// Takes mail by these options from now on.
    pub fn change(&self, options: InboundOptions) {
        self.options.store(Arc::new(options));
    }

    /// Understands from now on by this classifier what servers have said. Takes milliseconds.
    pub fn classify_by(&self, classifier: Classifier) {
        self.reader.store(Arc::new(Reader::new(classifier)));
    }

    /// What it counts.
    pub const fn metrics(&self) -> &InboundMetrics {
        &self.metrics
    }

    /// Whether new mail is taken now. The door asks before a message begins; one that has begun
    /// is still taken.
    ///
    /// # Errors
    /// It is not.
    pub fn admit(&self) -> Result<(), InboundRefusal> {
        self.admission.check().map_err(InboundRefusal::Closed)
    }

    /// What an address at RCPT is. Looks at nothing but the directory and the keys.
    ///
    /// # Errors
    /// It is none of ours, or nobody has it. The refusal is counted.
    pub fn resolve(&self, to: &Address) -> Result<InboundRecipient, InboundRefusal> {
        let directory = self.tenants.directory();
        let hostname = &self.options.load().hostname;
        let found = recipient::resolve(to, &directory, &self.keys, hostname);
        found.inspect_err(|refusal| self.metrics.refused(refusal.name()))
    }

    /// Takes a message over. Answers after the commit, so that a yes is a promise, with an id for
    /// each different recipient in their order.
    ///
    /// Costs a few passes over the octets, up to a few reads of the store for each recipient, and
    /// one commit.
    ///
    /// # Errors
    /// The message breaks a rule, or the store can't take it now. Nothing was stored.
    pub async fn receive(&self, arrival: Arrival) -> Result<Vec<InboundId>, InboundRefusal> {
        let received = self.pass(arrival).await;
        received.inspect_err(|refusal| self.metrics.refused(refusal.name()))
    }
}

impl fmt::Debug for InboundGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundGate")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
