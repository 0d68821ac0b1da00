//! A message that came in and goes on: what its copy in the queue carries beside a message of a
//! sender's own.

use crate::{Address, Authentication, Domain, InboundId, Reply};

/// Where a message comes from that goes on, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The message that came in.
    pub of: InboundId,
    /// The address of ours that it came to.
    pub via: Address,
    /// Where it goes.
    pub way: ForwardWay,
    /// What was found out about its sender when it came in.
    pub authentication: Authentication,
}

/// Where a message goes that is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardWay {
    /// To the mail hosts of its recipient's domain.
    Exchangers,
    /// To this server, whatever its recipient's domain says.
    Host {
        /// Its name, or an address in brackets.
        host: Domain,
        /// Its port.
        port: u16,
    },
    /// Nowhere: it goes in circles, or is no message. What is said in the place of a host.
    Nowhere(Reply),
}
