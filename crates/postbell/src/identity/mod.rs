//! Who a domain's mail is from, to those who get it: the keys that it is signed with, the records
//! that the DNS has to have, and whether it has them.
//!
//! Used by `postbell domain` and, for keys that wait for their records, by the server.

mod check;
mod keys;
mod records;
mod removals;
mod sealing;
mod spf;
#[cfg(test)]
mod tests;
mod verify;
mod watch;

pub(crate) use check::{Finding, Verdict, check, failed, verdict};
pub(crate) use keys::{make_keys, settle_keys};
pub(crate) use records::{Identity, Importance, Record, records};
pub(crate) use removals::Sweeper;
pub(crate) use sealing::{FILE as SEALING_KEY_FILE, check_opens, sealing_key, sealing_key_in};
pub(crate) use verify::Verifier;
pub(crate) use watch::Watch;
