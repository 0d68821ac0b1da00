//! `postbell credential`.

use clap::{Args, Subcommand, ValueEnum};

use super::{ChangedLimits, InWorkspace, NewLimits, Output};

/// `postbell credential …`
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Make a credential; its password is shown this once
    #[command(after_help = "\
Examples:
  postbell credential add shop --workspace acme
  postbell credential add shop@acme.example --workspace acme --json
  postbell credential add batch --workspace acme --rate 60 --quota 5000")]
    Add(CredentialAdd),
    /// List credentials, without their passwords
    #[command(after_help = "Example:\n  postbell credential list --workspace acme")]
    List(InWorkspace),
    /// Show a credential, and what waits of the mail that was handed in with it
    #[command(after_help = "Example:\n  postbell credential show shop")]
    Show {
        /// The username
        username: String,
        #[command(flatten)]
        output: Output,
    },
    /// Change how much may be handed in with a credential
    #[command(after_help = "\
Examples:
  postbell credential update shop --rate 60 --quota 5000
  postbell credential update shop --quota none")]
    Update(CredentialUpdate),
    /// Take a credential out of use, for good; its sessions end at their next message
    #[command(
        visible_alias = "remove",
        after_help = "\
Examples:
  postbell credential revoke shop                         says what waits of it
  postbell credential revoke shop --yes                   what waits is still sent
  postbell credential revoke shop --queue cancel --yes    what waits is taken back

A server that runs refuses it within two seconds, and holds or cancels what waits right after."
    )]
    Revoke(CredentialRevoke),
}

/// `postbell credential add`
#[derive(Debug, Args)]
pub struct CredentialAdd {
    /// The username, unique on this server: ASCII without spaces
    pub username: String,
    /// Whose mail it hands in
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// The password; others on this machine may see it here [default: a new random one]
    #[arg(long)]
    pub password: Option<String>,
    #[command(flatten)]
    pub limits: NewLimits,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell credential update`
#[derive(Debug, Args)]
pub struct CredentialUpdate {
    /// The username
    pub username: String,
    #[command(flatten)]
    pub limits: ChangedLimits,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell credential revoke`
#[derive(Debug, Args)]
pub struct CredentialRevoke {
    /// The username
    pub username: String,
    /// What becomes of the deliveries that wait
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub queue: LeftQueueArg,
    /// Do it; without this, what would be done is counted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: Output,
}

/// What becomes of what waits of a revoked credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LeftQueueArg {
    /// It is sent
    Keep,
    /// It is held until somebody releases or cancels it
    Hold,
    /// It is taken back
    Cancel,
}
