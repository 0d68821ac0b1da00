//! `postbell verified-address`.

use clap::{Args, Subcommand};
use postbell_model::Address;

use super::{InWorkspace, Output};

/// `postbell verified-address …`
#[derive(Debug, Subcommand)]
pub enum VerifiedAddressCommand {
    /// Let the sandboxes of a workspace send to an address
    #[command(after_help = "\
Example:
  postbell verified-address add ann@acme.example --workspace acme

Whether its owner agrees is for you to find out: nothing is sent to ask. Upper and lower case make no
difference.")]
    Add(WhichVerified),
    /// List the addresses that sandboxes may send to
    #[command(after_help = "\
Examples:
  postbell verified-address list
  postbell verified-address list --workspace acme --json")]
    List(InWorkspace),
    /// Have the sandboxes of a workspace send to an address no longer
    #[command(after_help = "\
Example:
  postbell verified-address remove ann@acme.example --workspace acme")]
    Remove(WhichVerified),
}

/// An address of a workspace.
#[derive(Debug, Args)]
pub struct WhichVerified {
    /// The address
    #[arg(value_parser = address)]
    pub address: Address,
    /// Whose sandboxes
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    #[command(flatten)]
    pub output: Output,
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}
