//! Reaching out: DNS resolver, TLS of both sides, the guarded connector and the one HTTP client;
//! certificates that are asked for, the client of our own control door, and the live trace of sessions.
//!
//! Everything that the program dials goes through [`Guard`], which refuses addresses that are
//! not public unless the configuration allows them. What is dialled is the address that was
//! checked, never a name that could be resolved anew in between.

#![warn(missing_docs)]

pub mod acme;
mod certificate;
mod connect;
pub mod control;
mod guard;
mod host_certificates;
pub mod http;
mod metrics;
mod opportunistic;
mod peers;
mod resolver;
mod shortage;
mod spread;
mod stream;
pub mod trace;
mod validity;

pub use certificate::{CertificateError, CertificateFile, CertificateFiles, Refresh, ServerTls};
pub use connect::{ConnectError, connect};
pub use guard::{Forbidden, Guard};
pub use host_certificates::{HostCertificates, HostFiles, OwnCertificates};
pub use http::{BadAuthorities, HttpAnswer, HttpClient, HttpError, HttpOptions, RetryAfter};
pub use metrics::DnsMetrics;
pub use opportunistic::{HandshakeError, OpportunisticTls};
pub use peers::{Peers, Place};
pub use resolver::{
    Addresses, DnsOptions, LookupError, MxAnswer, Probed, Record, RecordKind, Records, Resolver,
    ResolverError, name_servers, probe,
};
pub use spread::{Spread, Threads};
pub use stream::Stream;
pub use trace::Tracer;
pub use validity::{ValidityError, valid_until};
