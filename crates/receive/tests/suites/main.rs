//! The test suites of others, through the verifier and a DNS server in this process: openspf's for
//! RFC 7208, `ValiMail`'s for ARC, the signed mail of `Mail::DKIM`, records of DMARC.
//!
//! They lie in `shared/corpora` beside the repository. Where that is not there, these tests say
//! so and pass; where it is, they print what they counted, and there is a floor to each.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stdout, reason = "they tell what they counted")]

mod arc;
mod dkim;
mod dmarc;
mod limits;
mod mail;
mod spf;
mod world;
mod yaml;
