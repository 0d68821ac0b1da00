//! ARC: what those who forward a message vouch for (RFC 8617).
//!
//! [`chain`] finds the sets that a message has and what each seal covers; [`mod@seal`] adds ours.
//! Whether the signatures of others are right takes their keys, and is `postbell_receive`'s.

pub mod chain;
pub mod seal;

#[cfg(test)]
mod tests;

pub use chain::{Chain, ChainError, Set};
pub use seal::{SealError, seal};
