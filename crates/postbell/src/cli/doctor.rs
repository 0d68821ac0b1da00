//! `postbell doctor`.

use clap::Args;

use super::Output;

/// `postbell doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A mail host to dial, to see whether port 25 is open on the way out; no mail is sent
    /// [default: the mail hosts of gmail.com, or the relay that takes all mail]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub probe: Option<String>,
    /// A time server to compare the clock with [default: what this machine says of its clock]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub ntp: Option<String>,
    #[command(flatten)]
    pub output: Output,
}
