//! `postbell workspace`.

use clap::{Args, Subcommand};

use super::{ChangedLimits, NewLimits, Output, PauseArgs, SandboxArgs};

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
    /// List all workspaces
    #[command(after_help = "Example:\n  postbell workspace list --json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show what a workspace has, what waits, and whether its mail is sent
    #[command(after_help = "Example:\n  postbell workspace show acme")]
    Show(WorkspaceNamed),
    /// Change how much a workspace may hand in
    #[command(after_help = "\
Examples:
  postbell workspace update acme --rate 600
  postbell workspace update acme --rate none --quota 50000")]
    Update(WorkspaceUpdate),
    /// Send no mail of a workspace until it is resumed; what waits stays queued
    #[command(after_help = "\
Examples:
  postbell workspace pause acme --reason 'too many bounces'
  postbell workspace pause acme --new-mail refuse    new mail is refused as well

What is being sent at the moment is sent to its end. Its destinations hear of it: SendingPaused.")]
    Pause {
        /// Its name
        name: String,
        #[command(flatten)]
        pause: PauseArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Send mail of a workspace to verified addresses and to the simulator alone
    #[command(after_help = "\
Examples:
  postbell verified-address add ann@acme.example --workspace acme
  postbell workspace sandbox acme --daily-limit 200
  postbell workspace sandbox acme --new-mail reject    other recipients get a Reject event

What was accepted before is sent. `postbell workspace resume` ends it; a pause takes its place.")]
    Sandbox {
        /// Its name
        name: String,
        #[command(flatten)]
        sandbox: SandboxArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Show how the mail of a workspace fares: complaints, hard bounces, and what is too much
    #[command(after_help = "\
Examples:
  postbell workspace reputation acme
  postbell workspace reputation acme --json

The limits are those of [reputation] in the configuration; the figures, what the server has counted.")]
    Reputation(WorkspaceNamed),
    /// Send mail of a workspace again, without restriction
    #[command(after_help = "\
Example:
  postbell workspace resume acme

Domains that are paused themselves stay so.")]
    Resume(WorkspaceNamed),
    /// Remove a workspace that has no domains and no mail that waits
    #[command(after_help = "\
Examples:
  postbell workspace remove acme          says what would go with it
  postbell workspace remove acme --yes    does it")]
    Remove {
        /// Its name
        name: String,
        /// Do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// A command about one workspace.
#[derive(Debug, Args)]
pub struct WorkspaceNamed {
    /// Its name
    pub name: String,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell workspace update`
#[derive(Debug, Args)]
pub struct WorkspaceUpdate {
    /// Its name
    pub name: String,
    #[command(flatten)]
    pub limits: ChangedLimits,
    #[command(flatten)]
    pub output: Output,
}
