//! Certificates from an authority by ACME (RFC 8555): an account, an order for one host, and what is
//! shown to prove that the host is ours, over HTTP (RFC 8555 §8.3) or in a TLS handshake (RFC 8737).
//!
//! Here is what is said to the authority, and what our doors show. Who asks for which host and when,
//! and where accounts and certificates are kept, is decided by whoever calls. Everything that is asked
//! goes by way of the one HTTP client, so that its guard holds here too; an order has a deadline.
//!
//! Refused: certificates for more than one host, wildcards (which would need DNS challenges), accounts
//! that are bound to one elsewhere (RFC 8555 §7.3.4), and revocation.

mod authority;
mod error;
mod exchange;
mod issued;
mod options;
mod order;
mod proof;
#[cfg(test)]
mod tests;

pub use authority::{Asked, Authority, Prover};
pub use error::{AcmeError, Refusal};
pub use issued::{IssuedCertificate, IssuedCertificates, ShownProof, Unusable};
pub use options::{AcmeOptions, ChallengeKind};
