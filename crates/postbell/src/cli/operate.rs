//! What an operator types to see what happens and to act on it.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, duration};

/// `postbell queue …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct QueueArgs {
    /// What to do; without it, what waits is shown by lane.
    #[command(subcommand)]
    pub command: Option<QueueCommand>,
    #[command(flatten)]
    pub list: QueueList,
    /// Show how the running server stands with mail hosts instead; of all, or of --domain
    #[arg(long)]
    #[arg(conflicts_with_all = ["workspace", "recipient", "message", "delivery", "credential", "older_than", "state"])]
    pub sites: bool,
    /// Which lanes or sites stand first
    #[arg(long, value_name = "ORDER", default_value = "count")]
    pub sort: QueueSort,
}

/// `--sort` of `postbell queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueSort {
    /// Those with the most deliveries
    Count,
    /// Those with the oldest delivery; sites: those with the longest pause
    Oldest,
    /// Those that are due next
    Next,
    /// By name
    Name,
}

/// `postbell queue`
#[derive(Debug, Args)]
pub struct QueueList {
    #[command(flatten)]
    pub which: Which,
    /// At most so many lanes, or deliveries
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub output: Output,
}

/// `postbell queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Show what waits one by one, those due first before the others
    #[command(after_help = "Examples:
  postbell queue show --domain example.org
  postbell queue show --state held --limit 1000 --json")]
    Show(QueueList),
    /// Make queued deliveries due at once
    #[command(after_help = "Example:
  postbell queue retry --domain example.org --yes")]
    Retry(Act),
    /// Keep deliveries back until they are released
    #[command(after_help = "Examples:
  postbell queue hold --workspace acme            counts them
  postbell queue hold --workspace acme --yes      does it")]
    Hold(Act),
    /// Let held deliveries go on
    #[command(after_help = "Example:
  postbell queue release --workspace acme --yes")]
    Release(Act),
    /// Take deliveries back: they end with a Cancelled event
    #[command(after_help = "Example:
  postbell queue cancel --message 0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 --yes")]
    Cancel(Act),
    /// Give deliveries up: they end with a Bounce event
    #[command(after_help = "Example:
  postbell queue fail --domain exmaple.org --reason \"the domain was a typing error\" --yes")]
    Fail {
        /// What the bounce says
        #[arg(long, default_value = "Given up by the operator", value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        act: Act,
    },
}

/// An action on what waits.
#[derive(Debug, Args)]
pub struct Act {
    #[command(flatten)]
    pub which: Which,
    /// Every delivery, where nothing else says which
    #[arg(long)]
    pub all: bool,
    /// Do it; without this, what would be done is counted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Which waiting deliveries are meant: those for which all of these hold.
#[derive(Debug, Args)]
pub struct Which {
    /// Of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// To this domain
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// To this address
    #[arg(long, value_name = "ADDRESS")]
    pub recipient: Option<String>,
    /// Of this message
    #[arg(long, value_name = "ID")]
    pub message: Option<String>,
    /// This one
    #[arg(long, value_name = "ID")]
    pub delivery: Option<String>,
    /// Of mail that was handed in with this credential
    #[arg(long, value_name = "USERNAME")]
    pub credential: Option<String>,
    /// Accepted longer ago than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// In this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<WaitingState>,
}

/// How a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitingState {
    /// For its next attempt
    Queued,
    /// Until it is released
    Held,
    /// For its time
    Scheduled,
}

/// `postbell message …`
#[derive(Debug, Subcommand)]
pub enum MessageCommand {
    /// Show all that happened to a message: every attempt, every event, and who was told
    #[command(after_help = "Examples:
  postbell message show 0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10
  postbell message show 0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10 --json

The id is that of the message, as the 250 said, or that of one of its deliveries, as events do.")]
    Show {
        /// The message's id, or that of one of its deliveries
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

/// `postbell events …`
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Show events, the newest last
    #[command(after_help = "Examples:
  postbell events list --kind Bounce --since 2h
  postbell events list --kind open,click --recipient bob@example.org
  postbell events list --recipient bob@example.org --json")]
    List {
        #[command(flatten)]
        which: WhichEvents,
        /// Only those of this long ago and later
        #[arg(long, value_name = "TIME", value_parser = duration)]
        since: Option<Duration>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Show events as they happen, until Ctrl-C
    #[command(after_help = "Examples:
  postbell events tail
  postbell events tail --workspace acme --kind Bounce,DeliveryDelay --json | jq .bounce")]
    Tail {
        #[command(flatten)]
        which: WhichEvents,
        #[command(flatten)]
        output: Output,
    },
}

/// Which events are meant: those for which all of these hold.
#[derive(Debug, Args)]
pub struct WhichEvents {
    /// Of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Of these kinds, by any name that --events of a destination has for them
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// About this address
    #[arg(long, value_name = "ADDRESS")]
    pub recipient: Option<String>,
    /// About addresses of this domain
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    fn reads(line: &str) -> bool {
        let words = line.split_whitespace();
        Cli::try_parse_from(["postbell", "queue"].into_iter().chain(words)).is_ok()
    }

    #[test]
    fn sites_are_shown_by_domain_alone() {
        assert!(reads("--sites --domain example.org"));
        for filter in [
            "--workspace acme",
            "--recipient ann@example.org",
            "--message 0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
            "--delivery 0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
            "--credential shop",
            "--older-than 2h",
            "--state held",
        ] {
            assert!(reads(filter), "{filter}");
            assert!(!reads(&format!("--sites {filter}")), "{filter}");
        }
    }
}
