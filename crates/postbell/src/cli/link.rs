//! `postbell link`.

use clap::{Args, Subcommand};
use postbell_model::Domain;

use super::Output;

/// `postbell link …`
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Have links lead nowhere, also in mail that was sent
    #[command(after_help = "\
Examples:
  postbell link block --url https://shop.example/stolen --reason 'phishing, reported by bob'
  postbell link block --url https://track.acme.example/c/EAAAAAEBm…    what this one leads to
  postbell link block --domain shop.example    links to it and below it, and those in mail from it
  postbell link block --workspace acme         all links in mail of a tenant

Whoever follows such a link is shown a page that says so (410 Gone), within two seconds.")]
    Block {
        #[command(flatten)]
        which: WhichLinks,
        /// Why, for those who look later; readers are not told
        #[arg(long, value_name = "TEXT", value_parser = super::suppression::note)]
        reason: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Let links lead on again
    #[command(after_help = "Example:\n  postbell link unblock --domain shop.example")]
    Unblock {
        #[command(flatten)]
        which: WhichLinks,
        #[command(flatten)]
        output: Output,
    },
    /// List what is blocked
    #[command(after_help = "Example:\n  postbell link list --json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Say what a link in a mail is: whose, of which delivery, where it leads, whether it is blocked
    #[command(after_help = "\
Examples:
  postbell link show https://track.acme.example/c/EAAAAAEBm…
  postbell link show EAAAAAEBm… --json

Links, pixels and addresses of unsubscribing are understood. The token alone says it, so that it
can be told of mail whose history is gone.")]
    Show {
        /// The link, or its token alone
        #[arg(value_name = "LINK")]
        link: String,
        #[command(flatten)]
        output: Output,
    },
}

/// Which links are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichLinks {
    /// Those to exactly this address, or to what this tracked link leads to
    #[arg(long)]
    pub url: Option<String>,
    /// Those to this host and below it, and all in mail from this domain
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub domain: Option<Domain>,
    /// All in mail of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
}

fn domain(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|error| error.to_string())
}
