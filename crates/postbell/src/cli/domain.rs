//! `postbell domain`.

use clap::{Args, Subcommand};

use super::{InWorkspace, Output, PauseArgs};

/// `postbell domain …`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Allow a workspace to send from a domain
    #[command(after_help = "\
Examples:
  postbell domain add acme.example --workspace acme
  postbell domain add acme.example --workspace acme --return-path mail.acme.example")]
    Add(DomainAdd),
    /// Print the DNS records that a domain needs
    #[command(after_help = "\
Examples:
  postbell domain show acme.example            lines of a zone file
  postbell domain show acme.example --table    for the forms of a DNS provider")]
    Show(DomainShow),
    /// Look the DNS records of a domain up: what is there, what is not, what to change
    #[command(after_help = "\
Example:
  postbell domain check acme.example

New keys whose records are there sign from then on. Exit code 1: a required record is not there.")]
    Check(DomainNamed),
    /// Make new keys; they sign once their records are seen, and the old ones retire
    #[command(after_help = "Example:\n  postbell domain rotate acme.example")]
    Rotate(DomainNamed),
    /// Send no mail from a domain until it is resumed; what waits stays queued
    #[command(after_help = "\
Examples:
  postbell domain pause acme.example --reason 'new keys are on their way'
  postbell domain pause acme.example --new-mail reject    new mail is refused as well

Mail is of the domain of its From field. What is being sent at the moment is sent to its end.")]
    Pause {
        /// The domain
        name: String,
        #[command(flatten)]
        pause: PauseArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Send mail from a domain again
    #[command(after_help = "Example:\n  postbell domain resume acme.example")]
    Resume(DomainNamed),
    /// List domains
    #[command(after_help = "Example:\n  postbell domain list --workspace acme")]
    List(InWorkspace),
}

/// `postbell domain add`
#[derive(Debug, Args)]
pub struct DomainAdd {
    /// The domain: acme.example
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub workspace: String,
    /// The configuration set of its mail
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub config_set: String,
    /// Host of the return path, within the domain so that SPF aligns [default: bounce.DOMAIN]
    #[arg(long, value_name = "HOST")]
    pub return_path: Option<String>,
    /// Make no keys: its mail goes out unsigned
    #[arg(long)]
    pub no_dkim: bool,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell domain show`
#[derive(Debug, Args)]
pub struct DomainShow {
    /// The domain
    pub name: String,
    /// As a table, texts in one piece
    #[arg(long)]
    pub table: bool,
    #[command(flatten)]
    pub output: Output,
}

/// A command about one domain.
#[derive(Debug, Args)]
pub struct DomainNamed {
    /// The domain
    pub name: String,
    #[command(flatten)]
    pub output: Output,
}
