//! Certificates of tracking hosts that the server asks for itself, by ACME (RFC 8555).
//!
//! Two loops. One shows what stands in the store: certificates, and what proves hosts to be ours while
//! somebody asks for one, be it this process or another on the same store. The other asks, for the hosts
//! that have no certificate of their own in a file and none that holds for long enough. It asks for hosts
//! of the directory alone, never for a name that a client has said.
//!
//! A host that fails waits, longer each time, and nobody else waits for it. What is there is shown until
//! there is another.

mod asker;
mod fault;
mod hosts;
mod metrics;
mod prover;
mod shower;
mod standing;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use asker::Asker;
pub(crate) use hosts::LinkHosts;
pub(crate) use metrics::CertificateMetrics;
pub(crate) use shower::Shower;
pub(crate) use standing::Standing;
#[cfg(test)]
pub(crate) use standing::tests as standings;
pub(crate) use terms::{AcmeTerms, Terms};
