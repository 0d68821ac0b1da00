//! Sender authentication, as far as it needs nobody to ask: records and signatures are read, and
//! results are written down.
//!
//! What needs the DNS, and the cryptography, is `postbell_receive`'s. Read in this order:
//! [`tags`], [`signature`], [`spf`], [`dmarc`], [`results`].
//!
//! Everything in here was written by strangers, but for the results. It is read as strictly as
//! the RFCs allow: two readers who differ about a signature are a hole in one of them.

pub mod dmarc;
pub mod results;
pub mod signature;
pub mod spf;
pub mod tags;

pub use results::{field, without};
