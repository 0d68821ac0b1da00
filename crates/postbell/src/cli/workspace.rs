//! `postbell workspace`.

use clap::{Args, Subcommand};

use super::{ChangedLimits, NewLimits, Output};

/// `postbell workspace …`
#[derive(Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Make a workspace, with a configuration set named "default"
    #[command(after_help = "\
Examples:
  postbell workspace add acme
  postbell workspace add acme --rate 600 --quota 100000")]
    Add {
        /// Its name: letters, digits, "-", "_" and "."
        name: String,
        #[command(flatten)]
        limits: NewLimits,
        #[command(flatten)]
        output: Output,
    },
    /// Change how much a workspace may hand in
    #[command(after_help = "\
Examples:
  postbell workspace set acme --rate 600
  postbell workspace set acme --rate none --quota 50000")]
    Set(WorkspaceSet),
    /// List all workspaces
    #[command(after_help = "Example:\n  postbell workspace list --json")]
    List {
        #[command(flatten)]
        output: Output,
    },
}

/// `postbell workspace set`
#[derive(Debug, Args)]
pub struct WorkspaceSet {
    /// Its name
    pub name: String,
    #[command(flatten)]
    pub limits: ChangedLimits,
    #[command(flatten)]
    pub output: Output,
}
