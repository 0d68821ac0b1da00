//! What an operator types to forget somebody.

use clap::Args;

use super::Output;

/// `postbell erase`
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The address
    pub address: String,
    /// Only what this workspace has sent to it
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Do it; without this, what would be erased is counted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: Output,
}
