//! Where mail is bound for, before it is known which hosts that are.

use std::sync::Arc;

use postbell_model::{BounceClass, Domain, ForwardWay, Message, Reply};

use super::Refusal;

/// What a plan is made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Heading {
    /// The hosts of a domain.
    Domain(Domain),
    /// A server that a route names, whatever the recipient's domain says.
    Host { host: Domain, port: u16 },
}

impl Heading {
    /// Where a message to this domain is bound for.
    ///
    /// # Errors
    /// Nowhere: it goes in circles, or is no message.
    pub(crate) fn of(message: &Message, domain: &Domain) -> Result<Self, Arc<Refusal>> {
        match message.forward.as_ref().map(|forward| &forward.way) {
            None | Some(ForwardWay::Exchangers) => Ok(Self::Domain(domain.clone())),
            Some(ForwardWay::Host { host, port }) => Ok(Self::Host {
                host: host.clone(),
                port: *port,
            }),
            Some(ForwardWay::Nowhere(reply)) => Err(Arc::new(Refusal::new(
                domain,
                reply.clone(),
                class_of(reply),
            ))),
        }
    }

    /// What stands in the place of a host where none is known.
    pub(crate) const fn name(&self) -> &Domain {
        match self {
            Self::Domain(name) | Self::Host { host: name, .. } => name,
        }
    }
}

// RFC 3463 §3.7, X.6.*: the content. What else goes nowhere goes in circles or has no address.
fn class_of(reply: &Reply) -> BounceClass {
    match reply.enhanced {
        Some(code) if code.subject == 6 => BounceClass::ContentRejected,
        Some(code) if code.subject == 1 => BounceClass::NoSuchDomain,
        Some(code) if code.subject == 4 => BounceClass::RelayDenied,
        _ => BounceClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_nowhere_is_told_by_its_code() {
        let class = |subject, detail| class_of(&Reply::new(554, subject, detail, "no"));
        assert_eq!(class(4, 6), BounceClass::RelayDenied);
        assert_eq!(class(6, 0), BounceClass::ContentRejected);
        assert_eq!(class(1, 2), BounceClass::NoSuchDomain);
        assert_eq!(class(3, 0), BounceClass::Other);
    }
}
