//! `postbell domain`.

use clap::{ArgGroup, Args, Subcommand};

use super::{ComingIn, DomainTracks, InWorkspace, Output, PauseArgs, SandboxArgs};

/// `postbell domain …`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Allow a workspace to send from a domain
    #[command(after_help = "\
Examples:
  postbell domain add acme.example --workspace acme
  postbell domain add acme.example --workspace acme --return-path mail.acme.example
  postbell domain add acme.example --workspace acme --inbound on
  postbell domain add acme.example --workspace acme --track-clicks on --brand-name Acme")]
    Add(Box<DomainAdd>),
    /// Change the hosts of a domain, the configuration set of its mail, what is tracked of it, or what
    /// comes in for it
    #[command(after_help = "\
Examples:
  postbell domain update acme.example --tracking-host links.acme.example
  postbell domain update acme.example --config-set newsletter
  postbell domain update acme.example --inbound on --dmarc enforce
  postbell domain update acme.example --reply-capture off
  postbell domain update acme.example --track-opens off --track-clicks on
  postbell domain update acme.example --brand-name 'Acme Shop' --brand-colour '#1a7f37'

Publish the records of a new host before: `postbell domain show` prints them afterwards. Mail that is
under way keeps the host that it left with.")]
    Update(Box<DomainUpdate>),
    /// Remove a domain with its keys; what waits of its mail is rejected
    #[command(after_help = "\
Examples:
  postbell domain remove acme.example          says what would go
  postbell domain remove acme.example --yes    does it

Deliveries that wait end with a Reject event; those that are being sent at the moment are sent.
Bounces and links of mail that left before stay understood.")]
    Remove(DomainRemove),
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
  postbell domain pause acme.example --new-mail refuse    new mail is refused as well

Mail is of the domain of its From field. What is being sent at the moment is sent to its end.")]
    Pause {
        /// The domain
        name: String,
        #[command(flatten)]
        pause: PauseArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Send mail from a domain to verified addresses and to the simulator alone
    #[command(after_help = "\
Examples:
  postbell domain sandbox acme.example --daily-limit 200
  postbell domain sandbox acme.example --new-mail reject

The addresses are those of its workspace: `postbell verified-address add`. Where the workspace is in a
sandbox, its terms hold. What was accepted before is sent. `postbell domain resume` ends it.")]
    Sandbox {
        /// The domain
        name: String,
        #[command(flatten)]
        sandbox: SandboxArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Send mail from a domain again, without restriction
    #[command(after_help = "Example:\n  postbell domain resume acme.example")]
    Resume(DomainNamed),
    /// List domains
    #[command(after_help = "Example:\n  postbell domain list --workspace acme")]
    List(InWorkspace),
}

/// `postbell domain add`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").multiple(true))]
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
    /// Host of the addresses that replies are caught at [default: reply.DOMAIN]
    #[arg(long, value_name = "HOST")]
    pub reply_host: Option<String>,
    /// Host of links and pixels that are tracked [default: track.DOMAIN]
    #[arg(long, value_name = "HOST")]
    pub tracking_host: Option<String>,
    /// Make no keys: its mail goes out unsigned
    #[arg(long)]
    pub no_dkim: bool,
    #[command(flatten)]
    pub coming_in: ComingIn,
    #[command(flatten)]
    pub tracks: DomainTracks,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell domain update`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub struct DomainUpdate {
    /// The domain
    pub name: String,
    /// Host of the return path, within the domain so that SPF aligns
    #[arg(long, value_name = "HOST", group = "change")]
    pub return_path: Option<String>,
    /// Host of the addresses that replies are caught at
    #[arg(long, value_name = "HOST", group = "change")]
    pub reply_host: Option<String>,
    /// Host of links and pixels that are tracked
    #[arg(long, value_name = "HOST", group = "change")]
    pub tracking_host: Option<String>,
    /// The configuration set of its mail
    #[arg(long, value_name = "NAME", group = "change")]
    pub config_set: Option<String>,
    #[command(flatten)]
    pub coming_in: ComingIn,
    #[command(flatten)]
    pub tracks: DomainTracks,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell domain remove`
#[derive(Debug, Args)]
pub struct DomainRemove {
    /// The domain
    pub name: String,
    /// Do it; without this, what would be done is counted
    #[arg(long)]
    pub yes: bool,
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
