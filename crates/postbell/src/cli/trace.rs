//! `postbell trace`, as it is typed.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use postbell_model::Domain;

/// `postbell trace`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["client_ip", "domain", "all"]))]
pub struct TraceArgs {
    /// Sessions with this address, be it a client's or a mail host's
    #[arg(long, value_name = "IP")]
    pub client_ip: Option<IpAddr>,
    /// Sessions that name an address or a host of this domain, from their beginning
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub domain: Option<Domain>,
    /// All sessions
    #[arg(long, conflicts_with_all = ["client_ip", "domain"])]
    pub all: bool,
    /// Sessions of this role alone
    #[arg(long, value_enum, value_name = "ROLE")]
    pub role: Option<TraceRole>,
    /// Show messages line by line
    #[arg(long)]
    pub data: bool,
    /// The data folder of the server [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON, a document a line
    #[arg(long)]
    pub json: bool,
}

/// `--role`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceRole {
    /// Applications hand mail in
    Submission,
    /// Strangers bring mail
    Inbound,
    /// Mail goes to mail hosts
    Delivery,
}

fn domain(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|error| error.to_string())
}
