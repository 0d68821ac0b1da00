//! `postbell inbound`.

use clap::Subcommand;

use super::InboundRouteCommand;

/// `postbell inbound …`
#[derive(Debug, Subcommand)]
pub enum InboundCommand {
    /// What becomes of mail to the addresses of a domain
    #[command(subcommand)]
    Route(InboundRouteCommand),
}
