//! sign: a rendered message with its DKIM signatures in front (RFC 6376).
//!
//! Made when it is known what goes over the wire, on threads that serve no sockets: a private key
//! operation takes longer than all else that is done for a message. Mail of a domain without keys
//! that are in use goes out unsigned; mail of one whose keys can't be read waits. What came in and
//! goes on is sealed instead.

mod ring;
mod seal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::dkim::sign;
use postbell_model::{Address, Domain, Message, Reply};
use postbell_store::{Directory, SealingKey};

use crate::pool::Pool;
use crate::render::Unready;
use crate::stage::Stage;
use ring::{KeyRing, Signers, Unreadable};

/// How long a delivery waits for its signature, with the connection open.
const PATIENCE: Duration = Duration::from_secs(30);

/// What can be set about signing.
#[derive(Debug, Clone, Default)]
pub struct SigningOptions {
    /// A domain whose keys sign all mail, beside those of the sender's domain.
    pub operator_domain: Option<Domain>,
    /// Threads that sign; `None`: as many as there are processors.
    pub threads: Option<usize>,
}

/// What signs.
#[derive(Debug)]
pub struct Signing {
    operator_domain: Option<Domain>,
    ring: KeyRing,
    pub(crate) pool: Pool,
}

impl Signing {
    /// Signs with the keys of the directory, which were sealed with this one.
    pub fn new(options: SigningOptions, sealing: Arc<SealingKey>) -> Self {
        Self {
            operator_domain: options.operator_domain,
            ring: KeyRing::new(sealing),
            pool: Pool::new(options.threads),
        }
    }

    fn signers(&self, directory: &Directory, message: &Message) -> Result<Signers, Unreadable> {
        let mut signers = Vec::new();
        let sender = sender_domain(directory, message);
        if let Some(domain) = &sender {
            signers.extend(self.ring.signers(directory, domain)?);
        }
        if let Some(operator) = &self.operator_domain
            && sender.as_ref() != Some(operator)
        {
            signers.extend(self.ring.signers(directory, operator)?);
        }
        Ok(signers)
    }
}

/// The domain of From, as long as it belongs to the workspace.
fn sender_domain(directory: &Directory, message: &Message) -> Option<Domain> {
    let source = Address::parse(&message.source).ok()?;
    let domain = directory.domain(source.domain())?;
    (domain.workspace == message.workspace).then(|| domain.name.clone())
}

impl Stage {
    /// The octets of a message with the signatures of its domain in front.
    pub(crate) async fn sign(
        &self,
        message: &Message,
        mut chunks: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, Unready> {
        let Some(signing) = &self.signing else {
            return Ok(chunks);
        };
        if let Some(forward) = &message.forward {
            return self.seal(signing, (message, forward), chunks).await;
        }
        let signers = signing.signers(&self.tenants.directory(), message);
        let signers = signers.map_err(|_| unsigned("The keys of its domain can't be read"))?;
        if signers.is_empty() {
            return Ok(chunks);
        }
        let (octets, at) = (chunks.clone(), self.clock.now());
        let signing = signing.pool.run(move || {
            let signers = signers.iter().map(AsRef::as_ref);
            sign(&octets, signers, at)
        });
        match tokio::time::timeout(PATIENCE, signing).await {
            Ok(Some(Ok(fields))) => {
                chunks.insert(0, fields);
                Ok(chunks)
            }
            Ok(Some(Err(error))) => Err(unsigned(&format!("It can't be signed: {error}"))),
            Ok(None) => Err(unsigned("It can't be signed")),
            Err(_) => Err(Unready::NoRoom),
        }
    }
}

fn unsigned(why: &str) -> Unready {
    Unready::Bad(Reply::new(451, 7, 0, why))
}
