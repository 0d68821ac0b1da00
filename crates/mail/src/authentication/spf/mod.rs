//! SPF records and their macros (RFC 7208 §4.5, §4.6, §7), read and expanded.
//!
//! Evaluating them takes the DNS and is `postbell_receive`'s. The text of `exp=` is not asked for
//! nor shown to anybody: it is a stranger's, and mail is not refused in a stranger's words.

mod macros;
mod record;

pub use macros::{DomainSpec, Expansion};
pub use record::{Mechanism, Qualifier, Record, SpfError, Term, is_spf};
