//! `postbell api-key`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::{InWorkspace, Output, duration};

/// `postbell api-key …`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make an API key, shown this once
    #[command(after_help = "\
Examples:
  postbell api-key add app --workspace acme                      sk_…: everything in the workspace
  postbell api-key add site --workspace acme --public            pk_…: tracking alone
  postbell api-key add trial --workspace acme --expires-in 30d

The HTTP API that asks for them is not there yet.")]
    Add(ApiKeyAdd),
    /// List API keys, each by how it begins
    #[command(after_help = "Example:\n  postbell api-key list --workspace acme")]
    List(InWorkspace),
    /// Show an API key, without the key itself
    #[command(after_help = "Example:\n  postbell api-key show app --workspace acme")]
    Show {
        #[command(flatten)]
        which: WhichApiKey,
        #[command(flatten)]
        output: Output,
    },
    /// Change an API key's name or its end
    #[command(after_help = "\
Examples:
  postbell api-key update app --name backend
  postbell api-key update app --expires-in 24h
  postbell api-key update app --expires-in never")]
    Update(ApiKeyUpdate),
    /// Remove an API key: it is refused from then on
    #[command(after_help = "\
Examples:
  postbell api-key remove sk_k3v9x2ab          says which it is
  postbell api-key remove sk_k3v9x2ab --yes    does it")]
    Remove {
        #[command(flatten)]
        which: WhichApiKey,
        /// Do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// An API key that there is.
#[derive(Debug, Args)]
pub struct WhichApiKey {
    /// Its name, or how it begins
    #[arg(value_name = "NAME")]
    pub key: String,
    /// Of this workspace, where several have one of that name
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
}

/// `postbell api-key add`
#[derive(Debug, Args)]
pub struct ApiKeyAdd {
    /// Its name: letters, digits, "-", "_" and "."
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// For tracking alone; such a key may stand in a web page
    #[arg(long)]
    pub public: bool,
    /// How long it is taken [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<Duration>,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell api-key update`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub struct ApiKeyUpdate {
    #[command(flatten)]
    pub which: WhichApiKey,
    /// Another name
    #[arg(long, value_name = "NAME", group = "change")]
    pub name: Option<String>,
    /// How long it is taken from now on; "never": for ever
    #[arg(long, value_name = "TIME", group = "change", value_parser = expiry)]
    pub expires_in: Option<Expiry>,
    #[command(flatten)]
    pub output: Output,
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It does not.
    Never,
    /// After this long.
    After(Duration),
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let after = duration(text).map(Expiry::After);
    after.map_err(|how| format!("{how}, or never"))
}
