//! `postbell certificate`.

use clap::Subcommand;
use postbell_model::Domain;

use super::Output;

/// `postbell certificate …`
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// List tracking hosts with their certificates: until when each holds, and what has failed
    #[command(after_help = "\
Examples:
  postbell certificate list
  postbell certificate list --json | jq '.[] | select(.state != \"valid\")'

Those that are asked for by ACME (tracking.acme) are told from the database, others from their files; FROM
is tls where a host is shown the certificate of [tls], which has to name it.")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Have the server ask for a certificate at once, whatever has failed before
    #[command(after_help = "\
Example:
  postbell certificate renew track.acme.example

The running server does it within seconds; `postbell certificate list` tells what became of it. The one
that is there is shown until then. Authorities refuse who asks too often.")]
    Renew {
        /// The tracking host
        #[arg(value_name = "HOST", value_parser = host)]
        host: Domain,
        #[command(flatten)]
        output: Output,
    },
}

fn host(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|error| error.to_string())
}
