//! What an operator types to see mail that came in.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, duration};

/// `postbell inbound …`
#[derive(Debug, Subcommand)]
pub enum InboundCommand {
    /// Show what came in, the newest first
    #[command(after_help = "Examples:
  postbell inbound list --since 1d
  postbell inbound list --kind report --unmatched     reports that lead to no delivery
  postbell inbound list --workspace acme --kind mail --json")]
    List(InboundList),
    /// Show a message: what it was taken for, what it said, who it is from, its parts
    #[command(after_help = "Examples:
  postbell inbound show in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10
  postbell inbound show in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 --json | jq .parts

The id is in events, and in `postbell inbound list` and `postbell message show`.")]
    Show {
        /// The message's id
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Print a message as it came, with our own fields in front
    #[command(after_help = "Example:
  postbell inbound raw in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 > message.eml

A pipe or a file gets its octets. On a terminal, control characters are left out, since strangers
wrote them.")]
    Raw {
        /// The message's id
        id: String,
    },
    /// Print a part of a message, decoded
    #[command(after_help = "Examples:
  postbell inbound attachment in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 3 --out plan.pdf
  postbell inbound attachment in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 3 | sha256sum

Its number is in events, and in `postbell inbound show`. Nobody has looked for viruses in it.")]
    Attachment(InboundAttachment),
}

/// `postbell inbound list`
#[derive(Debug, Args)]
pub struct InboundList {
    /// Of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Taken for this
    #[arg(long, value_name = "KIND")]
    pub kind: Option<InboundKindArg>,
    /// Those alone that lead to nobody: of no workspace, or about a delivery that was not found
    #[arg(long)]
    pub unmatched: bool,
    /// Only those of this long ago and later
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell inbound attachment`
#[derive(Debug, Args)]
pub struct InboundAttachment {
    /// The message's id
    pub id: String,
    /// The part's number
    pub part: u32,
    /// Write it into this file, which must not exist yet [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `--kind` of `postbell inbound list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InboundKindArg {
    /// Answers to deliveries, those of programs too
    Reply,
    /// Reports about deliveries
    Report,
    /// Complaints, and their contrary
    Complaint,
    /// Wishes to get no more mail
    Unsubscribe,
    /// Anything else
    Mail,
}
