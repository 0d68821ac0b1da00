//! `postbell credential`.

use clap::{Args, Subcommand};

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
    /// Change how much may be handed in with a credential
    #[command(after_help = "\
Examples:
  postbell credential set shop --rate 60 --quota 5000
  postbell credential set shop --quota none")]
    Set(CredentialSet),
    /// List credentials, without their passwords
    #[command(after_help = "Example:\n  postbell credential list --workspace acme")]
    List(InWorkspace),
    /// Take a credential out of use, for good; its sessions end at their next message
    #[command(after_help = "Example:\n  postbell credential revoke shop")]
    Revoke {
        /// The username
        username: String,
        #[command(flatten)]
        output: Output,
    },
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

/// `postbell credential set`
#[derive(Debug, Args)]
pub struct CredentialSet {
    /// The username
    pub username: String,
    #[command(flatten)]
    pub limits: ChangedLimits,
    #[command(flatten)]
    pub output: Output,
}
